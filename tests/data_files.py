"""The project's read-only test data: published factor tables, worked examples, a customer's file."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def shared_data(name: str) -> Path:
    """Return the path of a data file; skip the test where the data is absent."""
    if (path := find_data(name)) is not None:
        return path
    pytest.skip(f"{name} is not in {' or '.join(map(str, _folders()))}; VCCI_TEST_DATA names the folder that has it")


def find_data(name: str) -> Path | None:
    """Return the path of a data file, None where the data is absent.

    The data is looked for in VCCI_TEST_DATA, else in `shared/data` beside the repository or beside a folder above it.
    """
    return next((folder / name for folder in _folders() if (folder / name).is_file()), None)


def _folders() -> list[Path]:
    given = os.environ.get("VCCI_TEST_DATA")
    return [Path(given)] if given else [parent / "shared" / "data" for parent in ROOT.parents]

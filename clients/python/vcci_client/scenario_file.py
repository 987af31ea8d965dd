"""Scenarios as TOML files: the fields of the contract's RunScenarioRequest, by their names (docs/scenarios.md)."""

import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from vcci.v1.hotspot_service_pb2 import RunScenarioRequest

from vcci_client.errors import FileProblem


def load_scenario(path: Path) -> RunScenarioRequest:
    """Read a scenario file; raise FileProblem when it is not one."""
    try:
        return parse_scenario(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, FileProblem) as error:
        raise FileProblem(f"{path}: {error}") from error


def parse_scenario(document: Mapping[str, Any]) -> RunScenarioRequest:
    """Return the scenario of a TOML document; raise FileProblem when it is not one."""
    try:
        return ParseDict(_as_contract(document), RunScenarioRequest())
    except ParseError as error:
        raise FileProblem(str(error)) from error


def _as_contract(value: Any, name: str = "") -> Any:
    """Write dates and methods as the contract's JSON has them."""
    if isinstance(value, dict):
        return {key: _as_contract(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_contract(each, name) for each in value]
    if isinstance(value, date):
        return {"year": value.year, "month": value.month, "day": value.day}
    if name == "methods" and isinstance(value, str):
        return f"METHOD_{value.upper()}"
    return value

"""What an organization states for reports, as a TOML file: the fields of OrganizationStatements (docs/reports.md)."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from vcci.v1.report_service_pb2 import OrganizationStatements

from vcci_client.errors import FileProblem


def load_statements(path: Path) -> OrganizationStatements:
    """Read a file of statements; raise FileProblem when it is not one."""
    try:
        return parse_statements(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, FileProblem) as error:
        raise FileProblem(f"{path}: {error}") from error


def parse_statements(document: Mapping[str, Any]) -> OrganizationStatements:
    """Return the statements of a TOML document; raise FileProblem when it has others."""
    try:
        return ParseDict(_as_contract(document), OrganizationStatements())
    except ParseError as error:
        raise FileProblem(str(error)) from error


def _as_contract(value: Any, name: str = "") -> Any:
    """Write statuses as the contract's JSON has them: `relevant_calculated` is CATEGORY_STATUS_RELEVANT_CALCULATED."""
    if isinstance(value, dict):
        return {key: _as_contract(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_contract(each) for each in value]
    return f"CATEGORY_STATUS_{value.upper()}" if name == "status" and isinstance(value, str) else value

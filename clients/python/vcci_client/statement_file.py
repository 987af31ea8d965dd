"""What an organization states for reports, as a TOML file: the fields of OrganizationStatements (docs/reports.md)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vcci.v1.report_service_pb2 import OrganizationStatements

from vcci_client.toml_message import load_message, parse_message


def load_statements(path: Path) -> OrganizationStatements:
    """Read a file of statements; raise FileProblem when it is not one."""
    return load_message(path, parse_statements)


def parse_statements(document: Mapping[str, Any]) -> OrganizationStatements:
    """Return the statements of a TOML document; raise FileProblem when it has others."""
    return parse_message(document, OrganizationStatements(), _as_json)


def _as_json(name: str, value: Any) -> Any:
    """Write statuses as the contract has them: `relevant_calculated` is CATEGORY_STATUS_RELEVANT_CALCULATED."""
    return f"CATEGORY_STATUS_{value.upper()}" if name == "status" and isinstance(value, str) else value

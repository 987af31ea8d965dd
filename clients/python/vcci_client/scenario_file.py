"""Scenarios as TOML files: the fields of the contract's RunScenarioRequest, by their names (docs/scenarios.md)."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from vcci.v1.hotspot_service_pb2 import RunScenarioRequest

from vcci_client.toml_message import load_message, parse_message


def load_scenario(path: Path) -> RunScenarioRequest:
    """Read a scenario file; raise FileProblem when it is not one."""
    return load_message(path, parse_scenario)


def parse_scenario(document: Mapping[str, Any]) -> RunScenarioRequest:
    """Return the scenario of a TOML document; raise FileProblem when it is not one."""
    return parse_message(document, RunScenarioRequest(), _as_json)


def _as_json(name: str, value: Any) -> Any:
    """Write dates and methods as the contract's JSON has them."""
    if isinstance(value, date):
        return {"year": value.year, "month": value.month, "day": value.day}
    if name == "methods" and isinstance(value, str):
        return f"METHOD_{value.upper()}"
    return value

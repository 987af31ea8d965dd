"""What the architecture promises and code can check: which way imports run, and that no RPC is forgotten."""

import re
from pathlib import Path

from importlinter.cli import lint_imports
from vcci_server.roles import TABLE

from tests.contract import METHODS
from tests.server.test_tenants import PROBES

ROOT = Path(__file__).parents[1]


def test_imports_run_one_way() -> None:
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0


def test_every_rpc_has_a_handler_a_client_call_and_a_test() -> None:
    places = {
        "handler": (r"async def {}\(", _sources("server/vcci_server")),
        "client call": (r"[./]{}\b", _sources("clients/python/vcci_client")),
        "test": (r"\b{}\b", _sources("tests")),
    }
    missing = [
        f"{rpc} has no {place}"
        for rpc in _rpcs()
        for place, (pattern, sources) in places.items()
        if not re.search(pattern.format(rpc), sources)
    ]
    assert not missing, "\n".join(missing)


def test_every_rpc_is_in_the_table_of_roles_and_no_other() -> None:
    named = {f"/{service}/{method}" for service, methods in TABLE.items() for method in methods}
    assert named == {method.path for method in METHODS}, "server/vcci_server/roles.py: who may call it?"


def test_every_rpc_is_asked_for_what_another_tenant_has() -> None:
    assert set(PROBES) == {method.name for method in METHODS}, "tests/server/test_tenants.py: with which names?"


def _rpcs() -> list[str]:
    return [method.name for method in METHODS if method.service.startswith("vcci.")]


def _sources(folder: str) -> str:
    paths = sorted((ROOT / folder).rglob("*.py"))
    return "\n".join(path.read_text() for path in paths if path != Path(__file__))

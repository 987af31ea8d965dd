"""What the architecture promises and code can check: which way imports run, and that no RPC is forgotten."""

import re
from importlib import import_module
from pathlib import Path

from importlinter.cli import lint_imports

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


def _rpcs() -> list[str]:
    protos = sorted((ROOT / "protos/vcci/v1").glob("*.proto"))
    modules = [import_module(f"vcci.v1.{proto.stem}_pb2") for proto in protos]
    services = [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]
    return [method.name for service in services for method in service.methods]


def _sources(folder: str) -> str:
    paths = sorted((ROOT / folder).rglob("*.py"))
    return "\n".join(path.read_text() for path in paths if path != Path(__file__))

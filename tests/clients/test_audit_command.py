"""`vcci audit`, as a person or a program uses it."""

import json
from uuid import uuid4

from click.testing import CliRunner, Result
from vcci.v1.supplier_service_pb2 import Supplier
from vcci_client import Client
from vcci_client.cli import vcci

from tests.server_process import ServerProcess


def run(server: ServerProcess, *arguments: str) -> Result:
    env = {"VCCI_SERVER": server.listening, "VCCI_TOKEN": server.token()}
    return CliRunner().invoke(vcci, arguments, env=env)


def test_what_somebody_changed_is_listed_and_the_log_is_whole(server: ServerProcess) -> None:
    code = f"audited-{uuid4().hex[:8]}"
    with Client(server.listening, server.token()) as client:
        client.batch_upsert_suppliers([Supplier(code=code, display_name="Old")])
    assert run(server, "suppliers", "update", code, "--name", "New").exit_code == 0
    listed = run(server, "audit", "list", "--resource", f"suppliers/{code}", "--subject", "test", "--json")
    assert listed.exit_code == 0, listed.output
    changed, made = map(json.loads, listed.stdout.splitlines())
    assert (changed["action"], changed["outcome"]) == ("SupplierService.UpdateSupplier", "AUDIT_OUTCOME_CHANGED")
    assert (json.loads(changed["before"]), json.loads(changed["after"])) == (
        {"display_name": "Old"},
        {"display_name": "New"},
    )
    assert made["before"] == ""
    table = run(server, "audit", "list", "--action", "SupplierService", "--from", "2026-01-01", "--limit", "1").stdout
    assert "SupplierService.UpdateSupplier" in table
    assert "display_name: Old → New" in table
    assert run(server, "audit", "list", "--resource", f"suppliers/{code}", "--outcome", "denied", "--json").stdout == ""

    verified = run(server, "audit", "verify")
    assert verified.exit_code == 0, verified.output
    known = verified.stdout.split()[-1]
    assert run(server, "audit", "verify", "--known", known).exit_code == 0
    number, _, digest = known.partition(":")
    other = run(server, "audit", "verify", "--known", f"{number}:{digest[::-1]}")
    assert other.exit_code == 1
    assert f"event {number}: does not have the hash that was noted" in other.stdout
    ahead = run(server, "audit", "verify", "--known", f"{int(number) + 9_999}:{digest}", "--json")
    assert ahead.exit_code == 1
    assert json.loads(ahead.stdout)["faults"][0]["kind"] == "KIND_MISSING"
    assert run(server, "audit", "verify", "--known", "x").exit_code == 2

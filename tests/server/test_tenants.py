"""No method gives one tenant anything of another's, whatever names, tokens and ids it is asked with.

Two tenants; the second asks every method of the contract with everything that the first has, and with as much that
nobody has. The answers must be the same, so that nothing tells what exists.
"""

import asyncio
import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import grpc.aio
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2
from vcci.v1 import factor_service_pb2, price_service_pb2, report_service_pb2
from vcci.v1.supplier_service_pb2 import Supplier
from vcci_client import AsyncClient
from vcci_client.upload import UploadOptions
from vcci_server.storage.embedded import embedded_database

from tests.contract import METHODS, Method
from tests.prices import rate
from tests.recalculations import NEW, OLD
from tests.server_process import ServerProcess

SECRET = "a secret of the first tenant"
ROW = {"category": 1, "reporting_period": "2024-Q1", "quantity": 5, "unit": "kg", "factor": "made:steel"}
WRONG = ROW | {"unit": "parsec"}

Probe = dict[str, Any]
Answer = tuple[str, str]  # the status, and what came with it

# What each method is asked: fields, in which {words} stand for what the first tenant has. An empty list: it takes no
# names. With CREATES it makes something of the caller's own, so that only the status is compared.
PERIOD = {"period_start": {"year": 2024, "month": 1, "day": 1}, "period_end": {"year": 2025, "month": 1, "day": 1}}
FILTERS: Sequence[Probe] = (
    {"filter": {"upload": "{upload}"}},
    {"filter": {"as_of": "{run}"}},
    {"filter": {"supplier_codes": ["{code}"]}},
)
PROBES: Mapping[str, Sequence[Probe]] = {
    "ListAuditEvents": [{"filter": {"resource": "{upload}"}}, {"page_token": "{ListAuditEvents}"}],
    "VerifyAuditEvents": [],
    "Calculate": [{"activities": [{"factor": "made:steel", "supplier_code": "{code}", "category": 1, "unit": "kg"}]}],
    "CalculateStream": [{"rows": {"activities": [{"factor": "made:steel", "supplier_code": "{code}"}]}}],
    "Explain": [{"name": "{emission}"}, {"name": "{emission}", "as_of": "{run}"}],
    "Recalculate": [
        {"request_id": "{new}", "factor_set": "{factor_set}"},
        {"request_id": "{new}", "price_set": "{price_set}"},
        *({"request_id": "{new}"} | probe for probe in FILTERS[:2]),
    ],
    "StreamEmissions": [*FILTERS, {"resume_token": "{StreamEmissions}"}],
    "AggregateEmissions": FILTERS,
    "GetDashboard": [{"as_of": "{run}"}],
    "SimulateEmissions": [probe | {"draws": 100} for probe in FILTERS],
    "ListFactors": [{"factor_set": "{factor_set}"}, {"factor_set": "{own_factor_set}", "page_token": "{ListFactors}"}],
    "GetFactor": [{"name": "{factor}"}],
    "ImportFactorSet": [{"spec": {"display_name": "mine", "base_factor_set": "{factor_set}"}}],
    "UpdateFactor": [{"factor": {"name": "{factor}", "kg_co2e": 1}, "update_mask": "kgCo2e"}],
    "BatchUpdateFactors": [
        {
            "parent": "{factor_set}",
            "requests": [{"factor": {"name": "{factor}", "kg_co2e": 1}, "update_mask": "kgCo2e"}],
        }
    ],
    "DiffFactorSets": [
        {"old_factor_set": "{factor_set}", "new_factor_set": "{factor_set}"},
        {"old_factor_set": "{own_factor_set}", "new_factor_set": "{factor_set}"},
        {"old_factor_set": "{own_factor_set}", "new_factor_set": "{own_factor_set}", "page_token": "{DiffFactorSets}"},
    ],
    "GetFactorSet": [{"name": "{factor_set}"}],
    "ListFactorSets": [{"page_token": "{ListFactorSets}"}],
    "ActivateFactorSet": [{"name": "{factor_set}"}],
    "ListFactorSetActivations": [{"page_token": "{ListFactorSetActivations}"}],
    "AnalyzeHotspots": FILTERS,
    "RunScenario": [
        *(probe | {"levers": [{"quantity": {"change": -0.1}}]} for probe in FILTERS),
        {"levers": [{"scope": {"supplier_codes": ["{code}"]}, "quantity": {"change": -0.1}}]},
        {"levers": [{"scope": {"factors": ["{factor}"]}, "quantity": {"change": -0.1}}]},
    ],
    "ListPrices": [{"price_set": "{price_set}"}, {"price_set": "{own_price_set}", "page_token": "{ListPrices}"}],
    "ImportPriceSet": [{"spec": {"display_name": "mine", "base_price_set": "{price_set}"}}],
    "ListPriceSets": [{"page_token": "{ListPriceSets}"}],
    "ActivatePriceSet": [{"name": "{price_set}"}],
    "DeactivatePriceSet": [{"name": "{price_set}"}],
    "ListPriceSetActivations": [{"page_token": "{ListPriceSetActivations}"}],
    "GenerateReport": [PERIOD | {"request_id": "{new}", "kind": 1, "format": 4, "as_of": "{run}"}],
    "GetReport": [{"name": "{report}"}],
    "ListReports": [{"page_token": "{ListReports}"}],
    "DownloadReport": [{"name": "{report}"}],
    "DeleteReport": [{"name": "{report}"}],
    "GetRun": [{"name": "{run}"}],
    "ListRuns": [{"page_token": "{ListRuns}"}],
    "WatchRun": [{"name": "{run}"}],
    "ListRunDifferences": [{"run": "{run}"}, {"run": "{run}", "page_token": "{ListRunDifferences}"}],
    "ListRunRowErrors": [{"run": "{run}"}],
    "DeleteRun": [{"name": "{run}"}],
    "GetSupplier": [{"name": "suppliers/{code}"}, {"name": "suppliers/{code}", "as_of": "{run}"}],
    "ListSuppliers": [{"page_token": "{ListSuppliers}"}, {"search": "secret"}, {"as_of": "{run}"}],
    "BatchUpsertSuppliers": [],
    "UpdateSupplier": [
        {"supplier": {"name": "suppliers/{code}", "display_name": "mine"}, "update_mask": "displayName"}
    ],
    "CreateUpload": [],
    "AppendActivities": [{"open": {"upload": "{upload}"}}],
    "GetUpload": [{"name": "{upload}"}],
    "ListUploads": [{"page_token": "{ListUploads}"}],
    "ListRowErrors": [{"upload": "{upload}"}, {"upload": "{own_upload}", "page_token": "{ListRowErrors}"}],
    "FinalizeUpload": [{"name": "{upload}"}],
    "AbandonUpload": [{"name": "{upload}"}],
    "ListOperations": [{"page_token": "{ListOperations}"}],
    "StartOperation": [{"request_id": "{new}", "task": {"recalculation": {"factor_set": "{factor_set}"}}}],
    "GetOperation": [{"name": "{operation}"}],
    "DeleteOperation": [{"name": "{operation}"}],
    "CancelOperation": [{"name": "{operation}"}],
    "WaitOperation": [{"name": "{operation}", "timeout": "1s"}],
}
# Requests with ids that the first tenant has used: what is made is the caller's own.
REUSED: Mapping[str, Probe] = {
    "CreateUpload": {"request_id": "{request_id}"},
    "Calculate": {
        "request_id": "{request_id}",
        "keep": True,
        "activities": [
            {
                "factor": "made:steel",
                "supplier_code": "{code}-2",
                "category": 1,
                "unit": "kg",
                "quantity": 1,
                "reporting_period": {"year": 2024, "month": 1, "day": 1},
            }
        ],
    },
    "Recalculate": {"request_id": "{request_id}"},
    "GenerateReport": PERIOD | {"request_id": "{request_id}", "kind": 1, "format": 4},
    "BatchUpsertSuppliers": {"suppliers": [{"code": "{code}-2"}]},
}


@dataclass(frozen=True)
class Tenant:
    """A tenant's token, and what it has, by the words of the probes."""

    server: ServerProcess
    token: str
    has: dict[str, str]

    def client(self) -> AsyncClient:
        return AsyncClient(self.server.listening, self.token)


async def ask(client: AsyncClient, method: Method, probe: Probe, words: Mapping[str, str]) -> Answer:
    """Ask a method; return the status and what came with it, in which the words stand for their values again."""
    request = ParseDict(_filled(probe, words), GetMessageClass(method.descriptor.input_type)())
    connection = client.connection
    used = {word: words[word] for word in re.findall(r"\{(\w+)\}", repr(probe))}
    try:
        answers = await method.answers(connection.channel, request.SerializeToString(), [*connection.metadata])
    except grpc.aio.AioRpcError as error:
        status = status_pb2.Status.FromString(dict(error.trailing_metadata() or ())["grpc-status-details-bin"])
        return error.code().name, _without(used, f"{error.details()} {MessageToDict(status)}")
    return "OK", _without(used, repr(answers))


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(item, words) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, words) for item in value]
    return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], value) if isinstance(value, str) else value


def _without(used: Mapping[str, str], text: str) -> str:
    for word, value in used.items():
        text = text.replace(value, f"<{word}>").replace(value[:128], f"<{word}>")
    return text


@pytest.fixture(scope="module")
def tenants(server: ServerProcess) -> tuple[Tenant, Tenant]:
    """The first tenant, who has everything, and the second."""
    return asyncio.run(_new_tenant(server, SECRET)), asyncio.run(_new_tenant(server, "of no matter"))


async def _new_tenant(server: ServerProcess, text: str) -> Tenant:
    name = uuid4().hex
    async with embedded_database(server.state_dir) as url:
        db = await asyncpg.connect(url)
        await db.execute("INSERT INTO tenants (name) VALUES ($1)", name)
        await db.close()
    token = server.token(name)
    async with AsyncClient(server.listening, token) as client:
        return Tenant(server, token, await _filled_tenant(client, text))


async def _filled_tenant(client: AsyncClient, text: str) -> dict[str, str]:
    """Make one, or where it is needed for a second page two, of everything; return what it is called."""
    has = {"code": f"C-{uuid4().hex}", "request_id": uuid4().hex}
    await client.batch_upsert_suppliers(Supplier(code=has["code"] + end, display_name=text) for end in ("", "-2"))
    spec = factor_service_pb2.FactorSetSpec
    old = await client.import_factor_set(spec(display_name=text, activate=True), OLD)
    new = await client.import_factor_set(spec(display_name=text, activate=True), NEW)
    await client.activate_factor_set(old.name)
    prices = await client.import_price_set(
        price_service_pb2.PriceSetSpec(display_name=text, activate=True),
        [rate("USD", 2024, 1.1), rate("GBP", 2024, 0.8)],
    )
    await client.import_price_set(
        price_service_pb2.PriceSetSpec(display_name=text, activate=True), [rate("USD", 2024, 1.2)]
    )
    rows = [
        kind | {"supplier_code": has["code"] + end, "reference": text}
        for kind, end in ((ROW, ""), (ROW, "-2"), (ROW, "-2"), (WRONG, ""), (WRONG, "-2"))
    ]
    done = [
        await client.upload(rows, UploadOptions(request_id, display_name=text))
        for request_id in (has["request_id"], uuid4().hex)
    ]
    runs = [
        await client.recalculate(factor_set=new.name, display_name=text, request_id=request_id)
        for request_id in (has["request_id"], uuid4().hex)
    ]
    for run in runs:
        await client.wait_for_run(run.name)
    reports = [
        await client.generate_report(report_service_pb2.REPORT_FORMAT_JSON, organization=text, request_id=request_id)
        for request_id in (has["request_id"], uuid4().hex)
    ]
    factors = [factor async for factor in client.list_factors(old.name)]
    has |= {
        "upload": done[0].upload,
        "emission": f"{done[0].upload}/emissions/0",
        "run": runs[0].name,
        "operation": runs[0].name.replace("runs/", "operations/"),
        "report": reports[0].report.name,
        "factor_set": old.name,
        "factor": factors[0].name,
        "price_set": prices.name,
    }
    return has | await _tokens(client, has | {"new_factor_set": new.name})


async def _tokens(client: AsyncClient, has: Mapping[str, str]) -> dict[str, str]:
    """Return a token of each list that goes on, by the name of its method."""
    further: Mapping[str, Probe] = {
        "ListRowErrors": {"upload": "{upload}"},
        "ListFactors": {"factor_set": "{factor_set}"},
        "ListPrices": {"price_set": "{price_set}"},
        "ListRunDifferences": {"run": "{run}"},
        "DiffFactorSets": {"old_factor_set": "{factor_set}", "new_factor_set": "{new_factor_set}"},
    }
    found: dict[str, str] = {}
    for method in METHODS:
        fields = [field.name for field in method.descriptor.input_type.fields]
        token = {"page_token": "next_page_token", "resume_token": "resume_token"}
        taken = [token[name] for name in fields if name in token]
        if not taken or method.name == "ListRunRowErrors":
            continue
        probe = dict(further.get(method.name, {})) | ({"page_size": 1} if "page_size" in fields else {})
        request = ParseDict(_filled(probe, has), GetMessageClass(method.descriptor.input_type)())
        connection = client.connection
        answers = await method.answers(connection.channel, request.SerializeToString(), [*connection.metadata])
        message = GetMessageClass(method.descriptor.output_type).FromString(answers[0])
        found[method.name] = getattr(message, taken[0])
        assert found[method.name], method.name
    return found


def _of_nobody(has: Mapping[str, str]) -> dict[str, str]:
    """Return words of the same shape that nobody has."""
    made: dict[str, str] = {}
    for word, value in has.items():
        if word in {method.name for method in METHODS}:
            made[word] = base64.urlsafe_b64encode(uuid4().bytes * 20).decode()[: len(value)]
        else:
            made[word] = re.sub(r"\d+", "987654321", value, count=1) if "/" in value else f"C-{uuid4().hex}"
    return made


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_what_belongs_to_another_is_as_if_it_were_not_there(
    tenants: tuple[Tenant, Tenant], method: Method
) -> None:
    first, second = tenants
    own = {f"own_{word}": value for word, value in second.has.items()}
    theirs, nobodys = first.has | own, _of_nobody(first.has) | own
    async with second.client() as client:
        for probe in PROBES[method.name]:
            status, answer = await ask(client, method, probe, theirs | {"new": uuid4().hex})
            assert (status, answer) == await ask(client, method, probe, nobodys | {"new": uuid4().hex}), probe
            assert status in ("OK", "NOT_FOUND", "INVALID_ARGUMENT", "FAILED_PRECONDITION"), (probe, answer)
            assert SECRET not in answer
        if method.name in REUSED:
            status, answer = await ask(client, method, REUSED[method.name], theirs)
            assert status == "OK", answer
            assert SECRET not in answer


def _token(parts: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


def _parts(token: str) -> list[Any]:
    parts: list[Any] = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    return parts


async def test_a_forged_token_leads_only_through_what_is_the_callers_own(tenants: tuple[Tenant, Tenant]) -> None:
    """Tokens are bound to the tenant, not signed: one with a place of another tenant's list is a place in the own."""
    first, second = tenants
    own = second.has | {f"own_{word}": value for word, value in second.has.items()}
    taken = set()
    async with second.client() as client:
        for method in METHODS:
            for probe in PROBES[method.name]:
                if f"{{{method.name}}}" not in repr(probe):
                    continue
                scope, place = _parts(own[method.name])[:-1], _parts(first.has[method.name])[-1]
                status, answer = await ask(client, method, probe, own | {method.name: _token([*scope, place])})
                assert status in ("OK", "INVALID_ARGUMENT"), (method.name, answer)
                assert SECRET not in answer
                taken |= {method.name} if status == "OK" else set()
    assert {"ListUploads", "ListRuns", "ListAuditEvents", "ListReports", "ListOperations", "ListSuppliers"} <= taken


async def test_nothing_of_the_first_was_changed(tenants: tuple[Tenant, Tenant]) -> None:
    first, _ = tenants
    has = first.has
    async with first.client() as client:
        upload = await client.get_upload(has["upload"])
        assert (upload.display_name, upload.accepted_rows, upload.rejected_rows) == (SECRET, 3, 2)
        for code in (has["code"], f"{has['code']}-2"):
            assert (await client.get_supplier(f"suppliers/{code}")).display_name == SECRET
        assert (await client.get_factor_set(has["factor_set"])).active
        assert (await client.get_report(has["report"])).name
        assert (await client.get_run(has["run"])).display_name == SECRET
        assert (await client.get_operation(has["operation"])).done


async def test_to_the_first_the_same_probes_are_answered(tenants: tuple[Tenant, Tenant]) -> None:
    """The control: the words name something, and what is read of it has the secret."""
    first, _ = tenants
    words = first.has | {f"own_{word}": value for word, value in first.has.items()}
    reading = [method for method in METHODS if method.name.startswith(("Get", "List", "Explain", "Stream", "Download"))]
    seen = set()
    async with first.client() as client:
        for method in reading:
            for probe in PROBES[method.name]:
                status, answer = await ask(client, method, probe, words)
                assert status == "OK", (method.name, probe, answer)
                seen |= {method.name} if SECRET in answer else set()
    assert {"GetUpload", "GetRun", "GetSupplier", "GetFactorSet", "ListRowErrors"} <= seen

"""Every RPC that changes something leaves an event, which is read over gRPC; so do calls that are refused."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import grpc.aio
import pytest
from google.longrunning import operations_proto_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from vcci.v1 import audit_service_pb2 as pb
from vcci.v1.factor_service_pb2 import Factor, FactorSet, FactorSetSpec, UpdateFactorRequest
from vcci.v1.hotspot_service_pb2 import AnalyzeHotspotsRequest
from vcci.v1.price_service_pb2 import PriceSet, PriceSetSpec
from vcci.v1.report_service_pb2 import REPORT_FORMAT_JSON
from vcci.v1.supplier_service_pb2 import Supplier
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, ServerError
from vcci_client.upload import UploadOptions
from vcci_server.auth import Role, load_secret, make_token
from vcci_server.denials import Denials
from vcci_server.storage import audit
from vcci_server.storage.audit import NO_TENANT, Actor
from vcci_server.storage.audit_chain import verify
from vcci_server.storage.embedded import EmbeddedServer
from vcci_server.storage.pool import Pool, open_pool

from tests.failures import failure
from tests.prices import rate
from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch, line
from tests.waiting import until

PROTOS = Path(__file__).parents[2] / "protos/vcci/v1"

READS = {
    "AuditService": {"ListAuditEvents", "VerifyAuditEvents"},
    "CalculationService": {"CalculateStream", "Explain"},
    "EmissionService": {"StreamEmissions", "AggregateEmissions", "GetDashboard", "SimulateEmissions"},
    "FactorService": {
        *("ListFactors", "GetFactor", "DiffFactorSets", "GetFactorSet", "ListFactorSets"),
        "ListFactorSetActivations",
    },
    "HotspotService": {"AnalyzeHotspots", "RunScenario"},
    "Operations": {"ListOperations", "GetOperation", "WaitOperation"},
    "PriceService": {"ListPrices", "ListPriceSets", "ListPriceSetActivations"},
    "ReportService": {"GetReport", "ListReports", "DownloadReport"},
    "RunService": {"GetRun", "ListRuns", "WatchRun", "ListRunDifferences", "ListRunRowErrors"},
    "SupplierService": {"GetSupplier", "ListSuppliers"},
    "UploadService": {"GetUpload", "ListUploads", "ListRowErrors"},
}

Change = Callable[[AsyncClient], Awaitable[str]]  # returns the name of what it changed
_numbers = count(1)


async def create_upload(client: AsyncClient) -> str:
    return (await client.create_upload(UploadOptions(request_id=uuid4().hex))).name


async def append(client: AsyncClient) -> str:
    name = await create_upload(client)
    uploads = Uploads(client.connection.channel, client.connection.metadata)
    async with uploads.writing(name) as writer:
        await writer.ask(batch(0, 2))
        await writer.end()
    return name


async def finalize(client: AsyncClient) -> str:
    return (await client.finalize_upload(await append(client), 2)).name


async def abandon(client: AsyncClient) -> str:
    return (await client.abandon_upload(await append(client))).name


async def keep(client: AsyncClient) -> str:
    return (await client.calculate([line(1.0)], keep=True)).emissions[0].name


async def upsert(client: AsyncClient) -> str:
    (made,) = await client.batch_upsert_suppliers([Supplier(code=f"ä/{uuid4().hex}", display_name="Old")])
    return made.name


async def update_supplier(client: AsyncClient) -> str:
    return (await client.update_supplier(Supplier(name=await upsert(client), display_name="New"))).name


async def _import_factors(client: AsyncClient) -> FactorSet:
    factor = Factor(
        source="audited", code="x", display_name="X", year=2024, unit="kg", kg_co2e=next(_numbers), source_note="A test"
    )
    return await client.import_factor_set(FactorSetSpec(display_name="One"), [factor])


async def import_factors(client: AsyncClient) -> str:
    return (await _import_factors(client)).name


async def _factor(client: AsyncClient) -> Factor:
    made = await import_factors(client)
    return await anext(aiter(client.list_factors(made)))


async def update_factor(client: AsyncClient) -> str:
    return (await client.update_factor(Factor(name=(await _factor(client)).name, kg_co2e=next(_numbers)))).name


async def update_factors(client: AsyncClient) -> str:
    factor = await _factor(client)
    request = UpdateFactorRequest(factor=Factor(name=factor.name, kg_co2e=next(_numbers)))
    return (await client.batch_update_factors(factor.name.partition("/factors/")[0], [request])).factors[0].name


async def activate_factors(client: AsyncClient) -> str:
    active = await anext(made async for made in client.list_factor_sets() if made.active)
    name = (await client.activate_factor_set(await import_factors(client))).name
    await client.activate_factor_set(active.name)  # others share the server
    return name


async def _import_prices(client: AsyncClient) -> PriceSet:
    return await client.import_price_set(PriceSetSpec(display_name="One"), [rate("USD", 2024, next(_numbers))])


async def import_prices(client: AsyncClient) -> str:
    return (await _import_prices(client)).name


async def activate_prices(client: AsyncClient) -> str:
    active = await anext(made async for made in client.list_price_sets() if made.active)
    name = (await client.activate_price_set(await import_prices(client))).name
    await client.activate_price_set(active.name)
    return name


async def deactivate_prices(client: AsyncClient) -> str:
    active = await anext(made async for made in client.list_price_sets() if made.active)
    name = (await client.activate_price_set(await import_prices(client))).name
    await client.deactivate_price_set(name)
    await client.activate_price_set(active.name)
    return name


async def recalculate(client: AsyncClient) -> str:
    return (await client.recalculate()).name


async def cancel(client: AsyncClient) -> str:
    """Cancel a run before it has ended: a few attempts, since it may be quick."""
    while True:
        run = await client.recalculate()
        await client.cancel_operation(run.name.replace("runs", "operations"))
        if (await client.wait_for_run(run.name)).state == run.STATE_CANCELLED:
            return run.name


async def start_operation(client: AsyncClient) -> str:
    return (await client.start_operation(AnalyzeHotspotsRequest())).name


async def forget(client: AsyncClient) -> str:
    operation = (await recalculate(client)).replace("runs", "operations")
    await client.delete_operation(operation)
    return operation


async def report(client: AsyncClient) -> str:
    await keep(client)
    return (await client.generate_report(REPORT_FORMAT_JSON)).report.name


async def delete_report(client: AsyncClient) -> str:
    name = await report(client)
    await client.delete_report(name)
    return name


async def delete_run(client: AsyncClient) -> str:
    run = await client.wait_for_run(await recalculate(client))
    await client.delete_run(run.name)
    return run.name


CHANGES: Mapping[str, tuple[Change, set[str], set[str]]] = {  # and what is told of before and after, at least
    "UploadService.CreateUpload": (create_upload, set(), {"state", "mode", "request_id"}),
    "UploadService.AppendActivities": (append, {"epoch"}, {"epoch", "committed_rows"}),
    "UploadService.FinalizeUpload": (finalize, {"state"}, {"state", "accepted_rows"}),
    "UploadService.AbandonUpload": (abandon, {"state"}, {"state"}),
    "CalculationService.Calculate": (keep, set(), {"request_id", "rows"}),
    "CalculationService.Recalculate": (recalculate, set(), {"state", "factor_set"}),
    "SupplierService.BatchUpsertSuppliers": (upsert, set(), {"display_name", "status"}),
    "SupplierService.UpdateSupplier": (update_supplier, {"display_name"}, {"display_name"}),
    "FactorService.ImportFactorSet": (import_factors, set(), {"content_hash", "factor_count"}),
    "FactorService.UpdateFactor": (update_factor, {"kg_co2e"}, {"kg_co2e"}),
    "FactorService.BatchUpdateFactors": (update_factors, {"kg_co2e"}, {"kg_co2e"}),
    "FactorService.ActivateFactorSet": (activate_factors, {"active_factor_set"}, {"active_factor_set"}),
    "PriceService.ImportPriceSet": (import_prices, set(), {"content_hash", "rate_count"}),
    "PriceService.ActivatePriceSet": (activate_prices, {"active_price_set"}, {"active_price_set"}),
    "PriceService.DeactivatePriceSet": (deactivate_prices, {"active_price_set"}, {"active_price_set"}),
    "OperationService.StartOperation": (start_operation, set(), {"request_id"}),
    "Operations.CancelOperation": (cancel, {"state"}, {"state"}),
    "Operations.DeleteOperation": (forget, {"forgotten"}, {"forgotten"}),
    "RunService.DeleteRun": (delete_run, {"state", "factor_set"}, set()),
    "ReportService.DeleteReport": (delete_report, {"sha256"}, set()),
    "ReportService.GenerateReport": (report, set(), {"sha256", "period"}),
}


@asynccontextmanager
async def calling(server: ServerProcess, request_id: str = "", token: str = "") -> AsyncIterator[AsyncClient]:
    """A client whose calls have a request id."""
    async with AsyncClient(server.listening, token or server.token()) as client:
        if request_id:
            client.connection.further += (("x-request-id", request_id),)
        yield client


async def events_of(client: AsyncClient, **fields: object) -> list[pb.AuditEvent]:
    wanted = pb.AuditFilter(**fields)  # type: ignore[arg-type]
    return [event async for event in client.list_audit_events(wanted)]


def test_of_every_rpc_it_is_said_whether_it_changes_something() -> None:
    modules = [import_module(f"vcci.v1.{path.stem}_pb2") for path in PROTOS.glob("*_service.proto")]
    services = [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]
    services.append(operations_proto_pb2.DESCRIPTOR.services_by_name["Operations"])
    every = {f"{service.name}.{method.name}" for service in services for method in service.methods}
    reads = {f"{service}.{method}" for service, methods in READS.items() for method in methods}
    assert reads | CHANGES.keys() == every
    assert not reads & CHANGES.keys()


@pytest.mark.parametrize("rpc", CHANGES)
async def test_a_change_is_an_event(server: ServerProcess, rpc: str) -> None:
    change, before, after = CHANGES[rpc]
    request_id, started = f"walk-{uuid4().hex}", Timestamp()
    started.GetCurrentTime()
    started.seconds -= 1  # the database's clock is another
    async with calling(server, request_id) as client:
        name = await change(client)
        (event,) = [
            event
            for event in await events_of(client, action=rpc, resource=name, start_time=started)
            if event.request_id == request_id
        ]
    assert (event.subject, event.outcome, event.call_count) == ("test", pb.AUDIT_OUTCOME_CHANGED, 1)
    assert before <= (json.loads(event.before) if event.before else {}).keys()
    assert after <= (json.loads(event.after) if event.after else {}).keys()
    assert bool(after) == bool(event.after)
    assert bool(before) == bool(event.before)


async def test_what_changes_nothing_is_no_event(server: ServerProcess) -> None:
    async with calling(server) as client:
        finalized, (supplier,) = await finalize(client), await client.batch_upsert_suppliers([Supplier(code="same")])
    request_id = f"again-{uuid4().hex}"
    async with calling(server, request_id) as client:
        await client.finalize_upload(finalized)
        await client.batch_upsert_suppliers([supplier])
        active = await anext(made async for made in client.list_factor_sets() if made.active)
        await client.activate_factor_set(active.name)
        with pytest.raises(InvalidRequest):
            await client.batch_upsert_suppliers([Supplier()])
        assert not [event for event in await events_of(client) if event.request_id == request_id]


async def test_events_come_in_pages_and_go_on_behind_a_token(server: ServerProcess) -> None:
    async with calling(server) as client:
        names = [await create_upload(client) for _ in range(5)]
        wanted = pb.ListAuditEventsRequest(filter=pb.AuditFilter(action="UploadService.CreateUpload"), page_size=2)
        call = client.connection.audit.ListAuditEvents(wanted, metadata=client.connection.metadata)
        pages = [response async for response in call]
        assert all(len(page.events) <= 2 for page in pages)
        events = [event for page in pages for event in page.events]
        assert [event.resource for event in events[:5]] == names[::-1]
        assert not pages[-1].next_page_token
        wanted.page_token = pages[0].next_page_token
        call = client.connection.audit.ListAuditEvents(wanted, metadata=client.connection.metadata)
        assert [event async for page in call for event in page.events] == events[2:]
        numbers = [event.sequence async for event in client.list_audit_events(wanted.filter, page_size=3)]
        assert numbers == [event.sequence for event in events]


WRONG: Sequence[tuple[pb.ListAuditEventsRequest | pb.VerifyAuditEventsRequest, str, str]] = [
    (pb.ListAuditEventsRequest(page_size=-1), "page_size", "OUT_OF_RANGE"),
    (pb.ListAuditEventsRequest(page_token="x"), "page_token", "INVALID_TOKEN"),
    (pb.ListAuditEventsRequest(filter=pb.AuditFilter(outcome=9)), "filter.outcome", "OUT_OF_RANGE"),  # type: ignore[arg-type]
    (pb.ListAuditEventsRequest(filter=pb.AuditFilter(subject="\0")), "filter.subject", "MALFORMED_VALUE"),
    (
        pb.ListAuditEventsRequest(filter=pb.AuditFilter(start_time=Timestamp(seconds=2**62))),
        *("filter.start_time", "OUT_OF_RANGE"),
    ),
    (pb.VerifyAuditEventsRequest(known_sequence=-1), "known_sequence", "OUT_OF_RANGE"),
    (pb.VerifyAuditEventsRequest(known_sequence=1), "known_hash", "MALFORMED_VALUE"),
]


@pytest.mark.parametrize(("wrong", "field", "reason"), WRONG)
async def test_a_wrong_request_is_told_which_field_is_wrong(
    server: ServerProcess, wrong: pb.ListAuditEventsRequest | pb.VerifyAuditEventsRequest, field: str, reason: str
) -> None:
    async with calling(server) as client:

        async def call() -> None:
            metadata = client.connection.metadata
            if isinstance(wrong, pb.VerifyAuditEventsRequest):
                await client.connection.audit.VerifyAuditEvents(wrong, metadata=metadata)
            else:
                await client.connection.audit.ListAuditEvents(wrong, metadata=metadata).read()

        failed = await failure(call())
    assert failed.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failed.fields == [(field, reason)]


async def test_a_call_that_a_role_may_not_make_is_an_event_of_the_tenant(server: ServerProcess) -> None:
    subject = uuid4().hex
    token = make_token(load_secret(server.state_dir), "default", subject, 60, [Role.READER])
    async with calling(server) as admin, calling(server, "refused", token) as reader:
        with pytest.raises(ServerError) as raised:
            await create_upload(reader)
        assert raised.value.code is grpc.StatusCode.PERMISSION_DENIED

        async def refused() -> list[pb.AuditEvent]:
            return await events_of(admin, subject=subject, outcome=pb.AUDIT_OUTCOME_DENIED)

        (event,) = await until(refused)
    assert (event.action, event.resource) == ("UploadService.CreateUpload", "")
    assert (event.reason, event.call_count) == (raised.value.reason, 1)
    assert (event.request_id, [*event.roles]) == ("refused", ["reader"])


async def test_refused_calls_of_strangers_are_counted_in_the_services_own_chain(server: ServerProcess) -> None:
    method = "/vcci.v1.UploadService/ListUploads"
    postgres = EmbeddedServer(server.state_dir)
    try:
        async with open_pool(postgres.url, size=1) as pool, server.channel() as channel:
            list_uploads: Any = channel.unary_unary(method)
            before = await _refused(pool)
            for metadata in ((), (("authorization", "Bearer x"),)):
                with pytest.raises(grpc.aio.AioRpcError):
                    await list_uploads(b"", metadata=metadata)

            async def counted() -> bool:
                return await _refused(pool) == before + 2

            await until(counted, 90)
            (event, *_) = await audit.read_page(pool, NO_TENANT, limit=1)
            assert (event.subject, event.resource, event.reason) == ("", "", "UNAUTHENTICATED")
            assert not (await verify(pool, NO_TENANT)).faults
    finally:
        postgres.stop()


async def _refused(pool: Pool) -> int:
    events = await audit.read_page(pool, NO_TENANT, limit=1_000)
    return sum(event.calls for event in events if event.action == "UploadService.ListUploads")


async def test_many_calls_refused_alike_are_few_events_and_none_is_lost(pool: Pool, tenant_id: int) -> None:
    denials = Denials(pool, delay_s=0.01, rest_s=3_600)
    reader = Actor("eve", "reader", "r", "UploadService.CreateUpload")

    async def events() -> list[int]:
        return [event.calls for event in await audit.read_page(pool, tenant_id, limit=10)]

    async with denials.writing():
        denials.add(tenant_id, reader, "PERMISSION_DENIED")
        await until(events)
        for _ in range(10_000):
            denials.add(tenant_id, reader, "PERMISSION_DENIED")
    assert await events() == [10_000, 1]
    kinds = Denials(pool)
    async with kinds.writing():
        for number in range(1_500):
            kinds.add(tenant_id, Actor(f"s{number}", "", "", "X.Y"), "PERMISSION_DENIED")
    assert len(await audit.read_page(pool, tenant_id, limit=2_000)) == 1_002
    (others,) = [event for event in await audit.read_page(pool, NO_TENANT, limit=10) if event.calls == 500]
    assert (others.action, others.reason) == ("", "LIMIT_EXCEEDED")


async def test_a_drain_is_an_event_and_the_chain_goes_on_after_a_restart() -> None:
    with running_server() as server:
        async with calling(server) as client:
            name = await create_upload(client)
            writer = Uploads(client.connection.channel, client.connection.metadata).stream()
            await writer.open(name)
            await writer.ask(batch(0, 3))
            await keep(client)
            assert server.process is not None
            server.process.terminate()
            assert (await writer.failure()).reason == "DRAINING"
        assert server.ended() == 0
        server.start()
        async with calling(server) as client:
            first = (await events_of(client, resource=name))[0]
            assert (first.subject, first.action) == ("test", "UploadService.AppendActivities")
            assert json.loads(first.after) == {"drained": True, "committed_rows": 3}
            kept = await events_of(client, action="KeepCalculations")
            assert {event.subject for event in kept} == {""}
            assert [json.loads(event.after).get("state") for event in kept] == ["finalized", None, "open"]
            tenant = (await events_of(client))[-1]
            assert (tenant.sequence, tenant.resource) == (1, "tenants/default")
            verdict = await client.verify_audit_events()
            assert verdict.intact
            assert verdict.event_count == verdict.last_sequence > 8
            again = await client.verify_audit_events(verdict.last_sequence, verdict.last_hash)
            assert again.intact
            wrong = await client.verify_audit_events(1, "00" * 32)
            assert [(fault.sequence, fault.kind) for fault in wrong.faults] == [(1, pb.AuditFault.KIND_NOT_AS_KNOWN)]

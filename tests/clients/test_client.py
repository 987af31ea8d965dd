"""Every other call of the client, async and waiting, on a real server."""

import inspect
import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import grpc.aio
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from google.type.date_pb2 import Date
from vcci.v1 import (
    activity_pb2,
    calculation_service_pb2,
    emission_pb2,
    emission_service_pb2,
    factor_service_pb2,
    price_service_pb2,
    run_service_pb2,
    supplier_service_pb2,
    upload_pb2,
)
from vcci_client import AsyncClient, Client
from vcci_client.emissions import SCHEMA, to_arrow
from vcci_client.errors import FileProblem, InvalidRequest, NotFound, Unauthenticated, Unavailable
from vcci_client.export import FLAT_SCHEMA, export_emissions

from tests.clients.test_upload import rows, unique
from tests.server_process import ServerProcess

STEEL = activity_pb2.Activity(
    supplier_code="S-1",
    category=activity_pb2.CATEGORY_PURCHASED_GOODS_AND_SERVICES,
    quantity=1_000,
    unit="USD",
    factor="naics:331110",
    reporting_period=Date(year=2024, month=1, day=1),
)


def rpc_names() -> Iterator[str]:
    for module in (
        upload_pb2,
        calculation_service_pb2,
        supplier_service_pb2,
        factor_service_pb2,
        price_service_pb2,
        emission_service_pb2,
        run_service_pb2,
    ):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                yield "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in method.name)[1:]


def test_every_rpc_has_a_method_of_both_clients() -> None:
    names = {"upload" if name == "append_activities" else name for name in rpc_names()}
    for kind in (AsyncClient, Client):
        assert names <= {name for name, _ in inspect.getmembers(kind, callable)}


async def test_one_activity_is_calculated_and_kept_once(client: AsyncClient) -> None:
    alone = await client.calculate([STEEL])
    request_id = uuid.uuid4().hex
    kept = [await client.calculate([STEEL], keep=True, request_id=request_id) for _ in range(2)]
    assert alone.total.kg_co2e == pytest.approx(alone.emissions[0].amount * alone.emissions[0].factor_kg_co2e)
    assert [each.total for each in kept] == [alone.total, alone.total]
    assert kept[0].upload == kept[1].upload != ""


async def test_a_wrong_activity_names_its_fields(client: AsyncClient) -> None:
    wrong = activity_pb2.Activity()
    wrong.CopyFrom(STEEL)
    wrong.unit, wrong.quantity = "crate", 1
    with pytest.raises(InvalidRequest) as refused:
        await client.calculate([wrong])
    assert refused.value.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.value.reason == "UNKNOWN_UNIT"
    assert [problem.field for problem in refused.value.problems] == ["activities[0].unit"]


async def test_batches_are_calculated_in_order_without_being_stored(client: AsyncClient) -> None:
    answers = [answer async for answer in client.calculate_stream(rows(100), batch_rows=30)]
    assert [answer.batch.emissions.rows for answer in answers] == [30, 30, 30, 10]
    stored = await client.upload(rows(100), unique())
    assert sum(answer.batch.total.kg_co2e for answer in answers) == pytest.approx(stored.kg_co2e)


async def test_suppliers_are_written_read_and_listed(client: AsyncClient) -> None:
    code = f"C-{uuid.uuid4().hex[:8]}"
    (made,) = await client.batch_upsert_suppliers([supplier_service_pb2.Supplier(code=code, display_name="Steel Ltd")])
    assert await client.get_supplier(made.name) == made
    assert code in [supplier.code async for supplier in client.list_suppliers()]
    with pytest.raises(NotFound) as missing:
        await client.get_supplier("suppliers/none")
    assert missing.value.reason == "NOT_FOUND"


async def test_factor_sets_are_imported_listed_and_activated(client: AsyncClient, tmp_path: Path) -> None:
    active = [each async for each in client.list_factor_sets() if each.active]
    path = tmp_path / "factors.csv"
    path.write_text("source,code,name,year,unit,kg_co2e,source_note\nown,tea,Tea,2024,kg,1.5,Made up\n")
    spec = factor_service_pb2.FactorSetSpec(display_name="Own", format=factor_service_pb2.FACTOR_FORMAT_VCCI_CSV)
    from_file = await client.import_factor_set(spec, path)
    (factor,) = [each async for each in client.list_factors(from_file.name, source="own")]
    assert (factor.code, factor.kg_co2e, from_file.active) == ("tea", 1.5, False)
    assert await client.get_factor(factor.name) == factor
    as_messages = await client.import_factor_set(factor_service_pb2.FactorSetSpec(display_name="Own"), [factor])
    assert as_messages.name == from_file.name
    assert (await client.activate_factor_set(from_file.name)).active
    await client.activate_factor_set(active[0].name)


async def test_a_wrong_factor_file_names_its_line(client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "factors.csv"
    path.write_text("source,code,name,year,unit,kg_co2e,source_note\nown,tea,Tea,2024,kg,much,Made up\n")
    spec = factor_service_pb2.FactorSetSpec(display_name="Own", format=factor_service_pb2.FACTOR_FORMAT_VCCI_CSV)
    with pytest.raises(InvalidRequest) as refused:
        await client.import_factor_set(spec, path)
    assert "much" in str(refused.value)


async def test_uploads_are_listed_shown_finalized_and_abandoned(client: AsyncClient) -> None:
    options = unique(pending=True, display_name="A name")
    upload = await client.create_upload(options)
    assert upload == await client.create_upload(options)
    assert upload.name in [each.name async for each in client.list_uploads()]
    assert (await client.finalize_upload(upload.name, 0)).state == upload_pb2.Upload.STATE_FINALIZED
    abandoned = await client.abandon_upload(upload.name)
    assert abandoned.state == upload_pb2.Upload.STATE_ABANDONED
    assert (await client.get_upload(upload.name)).display_name == "A name"


async def test_emissions_come_back_as_they_were_sent(client: AsyncClient) -> None:
    sent = rows(3_000, reference="R", group="G", reliability=2, distance=1.0, unit="tonne", factor="freight:rail")
    summary = await client.upload(sent, unique())
    only = emission_pb2.EmissionFilter(upload=summary.upload)
    table = pa.Table.from_batches([to_arrow(columns) async for columns in client.stream_emissions(only)])
    table = table.sort_by("row")
    assert table.schema == SCHEMA
    assert table["row"].to_pylist() == list(range(3_000))
    assert table["quantity"].to_pylist() == list(range(3_000))
    calculated = ("kg_co2e", "kg_co2e_low", "kg_co2e_high", "notices", "gwp_set", "gases")
    assert table.slice(5, 1).drop_columns([*calculated]).to_pylist() == [
        {
            "upload": summary.upload,
            "row": 5,
            "supplier_code": "S-5",
            "category": 1,
            "method": "average_data",
            "reporting_period": pa.scalar(19723, pa.int32()).cast(pa.date32()).as_py(),
            "quantity": 5.0,
            "unit": "tonne",
            "factor": "freight:rail",
            "reliability": 2,
            "completeness": 0,
            "temporal": 0,
            "geographical": 0,
            "technological": 0,
            "group": "G",
            "reference": "R",
            "inputs": [("distance", 1.0)],
        }
    ]
    assert sum(table["kg_co2e"].to_pylist()) == pytest.approx(summary.kg_co2e)
    total = (await client.aggregate_emissions(emission_filter=only)).total
    assert (total.rows, total.estimate.kg_co2e) == (3_000, summary.kg_co2e)


async def test_stored_emissions_are_simulated(client: AsyncClient) -> None:
    summary = await client.upload(rows(300), unique())
    only = emission_pb2.EmissionFilter(upload=summary.upload)
    by = [emission_service_pb2.DIMENSION_CATEGORY]
    progress: list[tuple[int, int]] = []
    result = await client.simulate_emissions(
        by,
        emission_filter=only,
        draws=2_000,
        on_progress=lambda step: progress.append((step.row_draws, step.total_row_draws)),
    )
    assert progress[-1] == (600_000, 600_000)
    total = result.total.estimate
    assert total.simulation.draws == 2_000
    assert total.simulation.kg_co2e_p50 == pytest.approx(total.kg_co2e_median, rel=0.05)
    totals = await client.aggregate_emissions(by, emission_filter=only)
    assert [group.keys for group in result.groups] == [group.keys for group in totals.groups]
    again = await client.simulate_emissions(by, emission_filter=only, draws=2_000)
    other = await client.simulate_emissions(by, emission_filter=only, draws=2_000, seed=1)
    assert again == result != other


async def test_a_simulation_of_too_few_draws_is_refused(client: AsyncClient) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await client.simulate_emissions(draws=10)
    assert refused.value.problems[0].field == "draws"


async def test_columns_that_were_not_asked_for_are_null(client: AsyncClient) -> None:
    summary = await client.upload(rows(10), unique())
    only = emission_pb2.EmissionFilter(upload=summary.upload)
    columns = [emission_service_pb2.EMISSION_COLUMN_KG_CO2E]
    (batch,) = [to_arrow(columns) async for columns in client.stream_emissions(only, columns)]
    assert batch.num_rows == 10
    assert batch.column("kg_co2e").null_count == 0
    assert batch.column("supplier_code").null_count == 10


async def test_emissions_are_exported_as_parquet_and_csv(client: AsyncClient, tmp_path: Path) -> None:
    summary = await client.upload(rows(20, distance=1.5, unit="tonne", factor="freight:rail"), unique())
    only = emission_pb2.EmissionFilter(upload=summary.upload)
    for name in ("a.parquet", "a.csv"):
        assert await export_emissions(client, tmp_path / name, only) == 20
    parquet = pa.parquet.read_table(tmp_path / "a.parquet")
    text = pa.csv.read_csv(tmp_path / "a.csv")
    assert parquet.schema == SCHEMA
    assert text.column_names == FLAT_SCHEMA.names
    assert text["kg_co2e"].to_pylist() == parquet["kg_co2e"].to_pylist()
    assert set(text["inputs"].to_pylist()) == {"distance=1.5"}
    with pytest.raises(FileProblem, match=r"should end with \.parquet or \.csv"):
        await export_emissions(client, tmp_path / "a.xlsx", only)
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "a.parquet"]


async def test_nothing_to_export_is_an_empty_file(client: AsyncClient, tmp_path: Path) -> None:
    upload = await client.create_upload(unique())
    only = emission_pb2.EmissionFilter(upload=upload.name)
    assert await export_emissions(client, tmp_path / "a.parquet", only) == 0
    assert pa.parquet.read_table(tmp_path / "a.parquet").schema == SCHEMA


async def test_a_wrong_token_is_unauthenticated(server: ServerProcess) -> None:
    async with AsyncClient(server.listening, "wrong") as client:
        with pytest.raises(Unauthenticated) as refused:
            await client.get_upload("uploads/1")
    assert refused.value.reason == "UNAUTHENTICATED"


async def test_no_server_is_unavailable_and_names_the_address() -> None:
    async with AsyncClient("127.0.0.1:1", "none") as client:
        with pytest.raises(Unavailable, match=r"no server answers at 127\.0\.0\.1:1"):
            await client.get_upload("uploads/1")


def test_the_waiting_client_does_the_same_from_any_thread(server: ServerProcess, tmp_path: Path) -> None:
    found = []

    def work() -> None:
        with Client(server.listening, server.token()) as client:
            summary = client.upload(rows(100), unique())
            only = emission_pb2.EmissionFilter(upload=summary.upload)
            streamed = sum(columns.rows for columns in client.stream_emissions(only))
            listed = next(iter(client.list_uploads()))
            found.append((summary.committed, streamed, bool(listed.name)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [(100, 100, True)] * 3


def test_the_waiting_client_raises_the_same_errors(server: ServerProcess) -> None:
    with Client(server.listening, server.token()) as client:
        with pytest.raises(NotFound):
            client.get_upload("uploads/999999999")
        with pytest.raises(NotFound):
            list(client.list_row_errors("uploads/999999999"))

"""Explain on a real server: every row as it was calculated, before and after merging, and what was altered."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import grpc
import pytest
from google.type.date_pb2 import Date
from vcci.v1.activity_pb2 import Activity, Method, Quality
from vcci.v1.emission_pb2 import Notice
from vcci.v1.explanation_pb2 import Explanation, Origin
from vcci.v1.factor_service_pb2 import Factor, FactorSetSpec
from vcci.v1.price_service_pb2 import PriceKind
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest, NotFound, ServerError
from vcci_client.explanation import on_paper
from vcci_client.upload import UploadOptions
from vcci_engine.explanation import Origin as EngineOrigin

from tests.server_process import ServerProcess, running_server
from tests.waiting import until

ROWS = 90
STEEL = 0.787  # kg CO2e per USD: EPA v1.3 with margins, NAICS 331110


@pytest.fixture(scope="module")
def served(database: str) -> Iterator[ServerProcess]:
    """A server on the module's database."""
    with running_server(env={"VCCI_DATABASE_URL": database}) as server:
        yield server


@pytest.fixture
async def client(served: ServerProcess) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(served.listening, served.token()) as client:
        yield client


@pytest.fixture
async def db(database: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


def steel(**changes: Any) -> Activity:
    """Steel for 10 USD, with changes."""
    fields: dict[str, Any] = {
        "supplier_code": "S-17",
        "supplier_name": "Stahl AG",
        "country": "DE",
        "category": 1,
        "quantity": 10.0,
        "unit": "USD",
        "factor": "naics:331110",
        "reporting_period": Date(year=2022, month=3, day=1),
        "quality": Quality(reliability=1, completeness=2, temporal=3, geographical=4, technological=5),
    }
    return Activity(**(fields | changes))


async def explained(client: AsyncClient, activity: Activity) -> Explanation:
    """Keep an activity and explain its emission."""
    kept = await client.calculate([activity], keep=True, allow_negative=True)
    return await client.explain(kept.emissions[0].name)


async def uploaded(client: AsyncClient) -> str:
    """Upload rows in several batches; the row n is n + 1 USD of one of seven suppliers, in two quarters."""
    rows = [
        {
            "supplier_code": f"S-{row % 7}",
            "category": 1,
            "quantity": float(row + 1),
            "unit": "USD",
            "factor": "naics:331110" if row % 10 else "naics:none",
            "reporting_period": "2022-03-01" if row % 3 else "2022-06-30",
            "reference": f"line {row}",
        }
        for row in range(ROWS)
    ]
    summary = await client.upload(rows, UploadOptions(batch_rows=20))
    return summary.upload


async def test_an_activity_is_explained_as_it_was_given_and_calculated(client: AsyncClient) -> None:
    given = steel(group="Werk 2", reference="INV-1", inputs={"share": 0.25})
    found = await explained(client, given)
    assert found.activity == steel(group="Werk 2", reference="INV-1", inputs={"share": 0.25}, method=3)
    assert found.formula == "quantity × share × factor"
    assert found.calculation == "10 USD × 0.25 × 0.787 kg CO2e per USD = 1.9675 kg CO2e"
    assert [part.origin for term in found.terms for part in term.parts] == [
        Origin.ORIGIN_GIVEN,
        Origin.ORIGIN_GIVEN,
        Origin.ORIGIN_FACTOR_SET,
    ]
    assert found.estimate.kg_co2e == found.replay.kg_co2e == 10 * 0.25 * STEEL
    assert (found.replay.identical, found.replay.inputs_unaltered, found.replay.problem) == (True, True, "")
    assert len(found.replay.input_hash) == 64


async def test_factor_set_and_method_are_named_with_their_versions(client: AsyncClient) -> None:
    found = await explained(client, steel())
    assert (found.factor.source, found.factor.code, found.factor.kg_co2e) == ("naics", "331110", STEEL)
    assert "EPA" in found.factor.source_note
    assert found.factor.gwp_set == "AR5"
    assert found.factor.name.startswith(f"{found.factor_set.name}/factors/")
    assert len(found.factor_set.content_hash) == 64
    assert (found.method.method, found.method.version) == (Method.METHOD_SPEND_BASED, 1)
    assert "1.5" in found.method.source


async def test_the_spread_is_explained_by_its_parts(client: AsyncClient) -> None:
    found = (await explained(client, steel())).uncertainty
    assert [(it.name, it.score, it.gsd2) for it in found.scores] == [
        ("reliability", 1, 1.0),
        ("completeness", 2, 1.02),
        ("temporal", 3, 1.10),
        ("geographical", 4, 1.02),
        ("technological", 5, 2.0),
    ]
    assert found.factor_gsd2 == 1.05
    assert found.gsd2 == pytest.approx(2.017637, abs=1e-6)  # the oracle of (1, 2, 3, 4, 5) with 1.05


async def test_what_was_done_otherwise_than_asked_is_in_words(client: AsyncClient) -> None:
    kept = await client.calculate([steel(method=1, reporting_period=Date(year=2025, month=3, day=1))], keep=True)
    found = await client.explain(kept.emissions[0].name)
    assert found.notices == kept.emissions[0].notice_details
    assert [(it.notice, it.wanted, it.used) for it in found.notices] == [
        (Notice.NOTICE_SPEND_BASED_INSTEAD_OF_SUPPLIER_SPECIFIC, "supplier_specific", "spend_based"),
        (Notice.NOTICE_OTHER_REGION_FACTOR, "naics:331110 for DE", "naics:331110 for US, its only region"),
        (Notice.NOTICE_EARLIER_FACTOR_YEAR, "naics:331110 for 2025", "that for 2022, the nearest before it"),
        (
            Notice.NOTICE_DEFLATED,
            "naics:331110 at prices of 2025",
            "the amount at prices of 2022, by the index of its currency",
        ),
    ]
    assert all(it.why_not for it in found.notices)


async def test_rate_and_price_index_are_explained_with_their_set(client: AsyncClient) -> None:
    found = await explained(client, steel(unit="GBP", reporting_period=Date(year=2023, month=7, day=1)))
    rate, deflator = (term.parts[0] for term in found.terms[1:3])
    assert found.formula == "quantity × rate × deflator × factor"
    assert {rate.origin, deflator.origin} == {Origin.ORIGIN_PRICE_SET}
    assert rate.what == "average of 2023: per EUR 1.08127 USD and 0.869787 GBP"
    assert deflator.what == "prices of USD: index 292.655 in 2022 / 304.702 in 2023"
    assert (found.price_set.display_name, found.replay.identical) == ("Starter prices", True)
    assert [(line.kind, line.currency, line.year, line.month) for line in found.prices] == [
        (PriceKind.PRICE_KIND_RATE, "GBP", 2023, 0),
        (PriceKind.PRICE_KIND_RATE, "USD", 2023, 0),
        (PriceKind.PRICE_KIND_INDEX, "USD", 2022, 0),
        (PriceKind.PRICE_KIND_INDEX, "USD", 2023, 0),
    ]
    text = on_paper(found)
    assert f"Prices       0.869787 GBP per EUR, 2023; source: {found.prices[0].source_note}" in text
    assert f"{found.price_set.name} Starter prices, SHA-256 {found.price_set.content_hash}" in text


async def test_a_price_set_that_nothing_was_taken_from_is_named_only(client: AsyncClient) -> None:
    found = await explained(client, steel())
    assert (found.price_set.display_name, list(found.prices)) == ("Starter prices", [])


async def test_the_table_of_a_fuel_is_explained_with_its_source(client: AsyncClient) -> None:
    found = await explained(client, steel(unit="kWh", factor="fuel:diesel", category=4))
    scale = found.terms[1].parts[0]
    assert (scale.unit, scale.origin) == ("litre per kWh", Origin.ORIGIN_UNITS)
    assert scale.what.startswith("litre in one kWh of diesel: UK DESNZ")
    assert found.estimate.kg_co2e == pytest.approx(10 * 0.24411, rel=1e-9)
    assert found.replay.identical


@pytest.mark.parametrize(
    ("activity", "calculation"),
    [
        (steel(factor="", inputs={"supplier_factor": 0.5}), "10 USD × 0.5 kg CO2e per USD = 5 kg CO2e"),
        (steel(factor="", unit="t CO2e"), "10 t CO2e × 1,000 kg CO2e per t CO2e = 10,000 kg CO2e"),
        (steel(quantity=-10.0), "-10 USD × 0.787 kg CO2e per USD = -7.87 kg CO2e"),
        (steel(method=3, inputs={"supplier_factor": 0.5}), "10 USD × 0.787 kg CO2e per USD = 7.87 kg CO2e"),
    ],
)
async def test_what_needs_no_factor_of_the_set_is_explained_too(
    client: AsyncClient, activity: Activity, calculation: str
) -> None:
    found = await explained(client, activity)
    assert found.calculation == calculation
    assert found.replay.identical
    assert found.HasField("factor") == bool(activity.factor)


async def test_every_row_of_an_upload_is_found_before_and_after_merging(
    client: AsyncClient, db: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    name = await uploaded(client)
    upload_id = int(name.removeprefix("uploads/"))
    before = [await client.explain(f"{name}/emissions/{row}") for row in range(ROWS) if row % 10]
    assert [found.activity.reference for found in before] == [f"line {row}" for row in range(ROWS) if row % 10]
    assert [found.activity.quantity for found in before] == [row + 1.0 for row in range(ROWS) if row % 10]
    await until(lambda: db.fetchval("SELECT merged FROM uploads WHERE upload_id = $1", upload_id))
    assert await db.fetchval("SELECT bool_or(merge_version > 0) FROM emission_segments WHERE upload_id = $1", upload_id)
    after = [await client.explain(f"{name}/emissions/{row}") for row in range(ROWS) if row % 10]
    for one, other in zip(before, after, strict=True):
        assert (one.replay.identical, one.replay.inputs_unaltered) == (True, True)
        other.replay.input_hash = one.replay.input_hash  # of another segment
        assert one == other


@pytest.mark.parametrize("row", [0, 10, ROWS, 2**32, 10**17])
async def test_rejected_rows_and_rows_that_are_not_there_are_not_found(client: AsyncClient, row: int) -> None:
    name = await uploaded(client)
    with pytest.raises(NotFound):
        await client.explain(f"{name}/emissions/{row}")


async def test_an_upload_that_is_not_seen_is_not_explained(client: AsyncClient) -> None:
    name = await uploaded(client)
    await client.abandon_upload(name)
    with pytest.raises(NotFound):
        await client.explain(f"{name}/emissions/1")
    with pytest.raises(NotFound):
        await client.explain("uploads/999999999/emissions/1")


@pytest.mark.parametrize(
    "name", ["", "uploads/1", "uploads/1/emissions/", "uploads/1/emissions/-1", "uploads/x/emissions/1", "emissions/1"]
)
async def test_a_wrong_name_says_what_was_expected(client: AsyncClient, name: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        await client.explain(name)
    assert raised.value.metadata["expected"] == "a name `uploads/{upload}/emissions/{row}`"


async def test_another_tenants_emission_is_not_found(served: ServerProcess, client: AsyncClient, database: str) -> None:
    name = (await explained(client, steel())).name
    async with AsyncClient(served.listening, served.token(await _tenant(database))) as theirs:
        with pytest.raises(NotFound):
            await theirs.explain(name)


async def test_a_factor_for_a_wider_region_is_explained(served: ServerProcess, database: str) -> None:
    tenant = await _tenant(database)
    power = Factor(source="grid", code="power", display_name="Power", year=2022, unit="kWh", source_note="made up")
    factors = []
    for region, kg_co2e in (("155", 0.2), ("EU", 0.25), ("", 0.5)):
        power.region, power.kg_co2e = region, kg_co2e
        factors.append(Factor.FromString(power.SerializeToString()))
    async with AsyncClient(served.listening, served.token(tenant)) as client:
        await client.import_factor_set(FactorSetSpec(display_name="Regions", activate=True), factors)
        found = {
            country: await explained(
                client, steel(country=country, unit="kWh", factor="grid:power", quantity=1.0, method=2)
            )
            for country in ("DE", "PL", "US")
        }
    assert {country: of.estimate.kg_co2e for country, of in found.items()} == {"DE": 0.2, "PL": 0.25, "US": 0.5}
    assert all(of.replay.identical for of in found.values())
    [step] = found["DE"].notices
    assert (step.notice, step.wanted, step.why_not, step.used) == (
        Notice.NOTICE_WIDER_REGION_FACTOR,
        "grid:power for DE",
        "the set has it for the world, 155 (Western Europe), EU (European Union)",
        "grid:power for 155 (Western Europe)",
    )


async def test_the_variant_for_the_rows_prices_is_used_explained_and_restated_to_the_bit(
    served: ServerProcess, database: str
) -> None:
    def variant(code: str, kg_co2e: float, **prices: str) -> Factor:
        of = {"source": "naics", "display_name": "Steel", "year": 2022, "unit": "USD", "source_note": "made up"}
        return Factor(code=code, kg_co2e=kg_co2e, price_year=2022, **of, **prices)  # type: ignore[arg-type]

    factors = [
        variant("331110", 0.75, price_basis="purchaser", margins="with"),
        variant("331110.without_margins", 0.5, price_basis="purchaser", margins="without"),
    ]
    asked = {"with": {"margins": 1.0}, "without": {"margins": 2.0}, "producer": {"price_basis": 2.0}, "nothing": {}}
    async with AsyncClient(served.listening, served.token(await _tenant(database))) as client:
        await client.import_factor_set(FactorSetSpec(display_name="Variants", activate=True), factors)
        found = {name: await explained(client, steel(method=3, inputs=inputs)) for name, inputs in asked.items()}
    assert {name: of.estimate.kg_co2e for name, of in found.items()} == {
        "with": 7.5,
        "without": 5.0,
        "producer": 7.5,
        "nothing": 7.5,
    }
    assert all(of.replay.identical for of in found.values())
    assert found["without"].factor.code == "331110.without_margins"
    told = {name: [notice.notice for notice in of.notices] for name, of in found.items()}
    assert told.pop("producer") == [Notice.NOTICE_WORLD_FACTOR, Notice.NOTICE_PRICE_BASIS_DIFFERS]
    assert all(notices == [Notice.NOTICE_WORLD_FACTOR] for notices in told.values())


async def test_a_factor_for_the_world_only_is_a_step_for_a_supplier_with_a_country(
    served: ServerProcess, database: str
) -> None:
    glass = Factor(source="material", code="glass", display_name="Glass", year=2022, unit="kg", source_note="made up")
    async with AsyncClient(served.listening, served.token(await _tenant(database))) as client:
        await client.import_factor_set(FactorSetSpec(display_name="World", activate=True), [glass])
        of_glass = {"unit": "kg", "factor": "material:glass", "method": 2}
        told = {code: (await explained(client, steel(country=code, **of_glass))).notices for code in ("DE", "")}
    [step] = told["DE"]
    assert (step.notice, step.wanted, step.why_not, step.used) == (
        Notice.NOTICE_WORLD_FACTOR,
        "material:glass for DE",
        "the set has it for the world",
        "material:glass for the world",
    )
    assert not told[""]


@pytest.mark.parametrize(
    ("change", "identical", "problem"),
    [
        ("quantity = set_byte(quantity, 6, 64)", False, ""),
        ("quality = '\\x0000'", False, ""),
        ("units = '{VES}'", False, "unit: found"),
        ("category = '\\x02'", True, ""),
        ("method = '\\x63'", False, "method: found '99'"),
        ("factor = '\\xffffffff'", False, "factor: found"),
    ],
)
async def test_altered_inputs_are_told(
    client: AsyncClient, db: "asyncpg.Connection[asyncpg.Record]", change: str, identical: bool, problem: str
) -> None:
    name = await _kept_alone(client)
    upload_id = int(name.split("/")[1])
    await db.execute(f"UPDATE emission_segments SET {change} WHERE upload_id = $1", upload_id)
    replay = (await client.explain(name)).replay
    assert not replay.inputs_unaltered
    assert replay.problem.startswith(problem)
    assert replay.identical == identical


@pytest.mark.parametrize("change", ["kg_co2e = set_byte(kg_co2e, 6, 64)", "sigma = set_byte(sigma, 0, 9)"])
async def test_an_altered_result_is_not_identical(
    client: AsyncClient, db: "asyncpg.Connection[asyncpg.Record]", change: str
) -> None:
    name = await _kept_alone(client)
    await db.execute(f"UPDATE emission_segments SET {change} WHERE upload_id = $1", int(name.split("/")[1]))
    replay = (await client.explain(name)).replay
    assert (replay.identical, replay.inputs_unaltered) == (False, True)


@pytest.mark.parametrize("change", ["quantity = '\\x00'", "unit = '\\xffff'", "\"group\" = '\\x05000000ff'"])
async def test_bytes_that_cannot_be_read_are_lost_data(
    client: AsyncClient, db: "asyncpg.Connection[asyncpg.Record]", change: str
) -> None:
    name = await _kept_alone(client)
    await db.execute(f"UPDATE emission_segments SET {change} WHERE upload_id = $1", int(name.split("/")[1]))
    with pytest.raises(ServerError) as raised:
        await client.explain(name)
    assert (raised.value.code, raised.value.reason) == (grpc.StatusCode.DATA_LOSS, "INPUTS_ALTERED")


async def test_it_is_printed_as_on_paper(client: AsyncClient) -> None:
    found = await explained(client, steel(reference="INV-1"))
    text = on_paper(found)
    assert text.startswith(f"{found.name}: 7.87 kg CO2e\n")
    for line in (
        "quantity × factor",
        "10 USD × 0.787 kg CO2e per USD = 7.87 kg CO2e",
        "reference INV-1",
        f"source: {found.factor.source_note}",
        f"SHA-256 {found.factor_set.content_hash}",
        "calculated again: 7.87 kg CO2e, the same to the bit",
        f"the inputs are as they were stored: SHA-256 {found.replay.input_hash}",
    ):
        assert line in text


def test_origins_are_numbered_as_in_the_contract() -> None:
    contract = {name: number for name, number in Origin.items() if number}
    assert {f"ORIGIN_{origin.name}": int(origin) for origin in EngineOrigin} == contract


async def _tenant(database: str) -> str:
    """Make a tenant and return its name."""
    name = uuid4().hex
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO tenants (name) VALUES ($1)", name)
    await connection.close()
    return name


async def _kept_alone(client: AsyncClient) -> str:
    """Return the name of an emission that is the only one of its upload."""
    row = {
        "supplier_code": "S-1",
        "category": 1,
        "quantity": 3.0,
        "unit": "USD",
        "factor": "naics:331110",
        "reporting_period": "2022-03-01",
        "reliability": 2,
    }
    summary = await client.upload([row])
    return f"{summary.upload}/emissions/0"

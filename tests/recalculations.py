"""An inventory that recalculations change in every way, and what is seen of it before and after."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
from vcci.v1 import factor_service_pb2 as factor_pb
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.run_pb2 import Run, RunChange
from vcci_client import AsyncClient
from vcci_client.activities import Activities, Dictionary
from vcci_client.emissions import to_arrow
from vcci_client.upload import UploadOptions

FIRST_DAY = 19_723  # 2024-01-01
UNITS = ("kg", "kWh", "USD", "kg", "kg CO2e")
KEYS = ("made:steel", "made:power", "made:spend", "made:gone", "")
GASES = {"CO2": 1.5, "CH4": 0.02}  # 1.5 + 0.02 x 25 = 2 kg CO2e under AR4
UG_PER_KG = 10**9
ROWS = 3_000  # of a usual upload


def factor(code: str, kg_co2e: float, unit: str, region: str = "", year: int = 2023, **fields: Any) -> factor_pb.Factor:
    """Return a factor of the source `made`."""
    return factor_pb.Factor(
        source="made",
        code=code,
        display_name=code,
        region=region,
        year=year,
        unit=unit,
        **{"kg_co2e": kg_co2e, "gsd2": 1.1, "source_note": "made for a test", **fields},
    )


OLD = (
    factor("steel", 2.0, "kg", gases=GASES, gwp_set="AR4"),
    factor("power", 0.5, "kWh", region="DE"),
    factor("power", 0.25, "kWh"),
    factor("spend", 0.8, "USD", price_year=0),
    factor("gone", 9.0, "kg"),
)
# Another value, another region (of the suppliers in France), the same value, and none any more.
NEW = (
    factor("steel", 3.0, "kg", gases={"CO2": 2.5, "CH4": 0.02}, gwp_set="AR4"),
    factor("power", 0.5, "kWh", region="DE"),
    factor("power", 0.125, "kWh", region="FR"),
    factor("power", 0.25, "kWh"),
    factor("spend", 0.8, "USD", price_year=0),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """One emission, as it is streamed."""

    supplier: str
    category: int
    method: str
    day: date
    factor: str
    ug: int


Rows = Mapping[tuple[str, int], Seen]  # by upload and row


async def import_sets(client: AsyncClient) -> tuple[str, str]:
    """Import the old set, which becomes active, and the new one; return their names."""
    old = await client.import_factor_set(factor_pb.FactorSetSpec(display_name="old", activate=True), OLD)
    new = await client.import_factor_set(factor_pb.FactorSetSpec(display_name="new"), NEW)
    return old.name, new.name


async def upload(client: AsyncClient, rows: int, *, seed: int = 1, suppliers: int = 20, finalize: bool = True) -> str:
    """Upload random activities of two years; return the upload."""
    options = UploadOptions(request_id=uuid4().hex, finalize=finalize)
    return (await client.upload(activities(rows, seed, suppliers), options)).upload


def activities(rows: int, seed: int, suppliers: int, batch_rows: int = 25_000) -> Iterator[Activities]:
    """Yield random activities with every kind of factor."""
    rng = np.random.default_rng(seed)
    codes = [f"S{number:05}" for number in range(suppliers)]
    countries = [("DE", "FR", "")[number % 3] for number in range(suppliers)]
    for start in range(0, rows, batch_rows):
        n = min(batch_rows, rows - start)
        kind = rng.choice(len(KEYS), n, p=(0.4, 0.3, 0.2, 0.05, 0.05)).astype(np.uint32)
        yield Activities(
            supplier=Dictionary(codes, rng.integers(0, suppliers, n).astype(np.uint32)),
            countries=countries,
            category=rng.integers(1, 4, n).astype(np.uint32),
            period=(FIRST_DAY + rng.integers(0, 731, n)).astype(np.int32),
            quantity=rng.lognormal(3, 2, n),
            unit=Dictionary(UNITS, kind),
            factor=Dictionary(KEYS, kind),
        )


async def rows_of(client: AsyncClient, **fields: Any) -> Rows:
    """Return the emissions of a filter."""
    found: dict[tuple[str, int], Seen] = {}
    async for columns in client.stream_emissions(EmissionFilter(**fields)):
        for row in to_arrow(columns).to_pylist():
            found[row["upload"], row["row"]] = Seen(
                supplier=row["supplier_code"],
                category=row["category"],
                method=row["method"],
                day=row["reporting_period"],
                factor=row["factor"],
                ug=round(row["kg_co2e"] * UG_PER_KG),
            )
    return found


def ug(kg: Any) -> int:
    """Return an exact amount of the contract in micrograms."""
    micrograms = Decimal(kg.value) * UG_PER_KG
    assert micrograms == int(micrograms)
    return int(micrograms)


def check(change: RunChange, pairs: Sequence[tuple[Seen, Seen]]) -> None:
    """Check a change against the emissions before and after, to the microgram."""
    before, after = sum(old.ug for old, _ in pairs), sum(new.ug for _, new in pairs)
    assert change.rows == len(pairs)
    assert ug(change.before_kg_co2e) == before
    assert ug(change.after_kg_co2e) == after
    assert ug(change.difference_kg_co2e) == after - before
    assert sum(ug(of.difference_kg_co2e) for of in change.causes) == after - before


async def check_run(client: AsyncClient, run: Run, before: Rows, after: Rows, meant: set[tuple[str, int]]) -> None:
    """Check all that a run says it changed against the emissions before and after; `meant` are those of its filter."""
    pairs = {key: (before[key], after[key]) for key in before}
    assert all(old == new for key, (old, new) in pairs.items() if key not in meant)
    check(run.total, [pairs[key] for key in meant])
    by_category: dict[int, list[tuple[Seen, Seen]]] = defaultdict(list)
    by_supplier: dict[tuple[str, int], list[tuple[Seen, Seen]]] = defaultdict(list)
    for key in meant:
        old = before[key]
        by_category[old.category].append(pairs[key])
        by_supplier[old.supplier, old.category].append(pairs[key])
    assert [change.category for change in run.categories] == sorted(by_category)
    for change in run.categories:
        check(change, by_category[change.category])
    differences = [difference async for difference in client.list_run_differences(run.name)]
    told = {(of.supplier_code, of.change.category): of.change for of in differences}
    assert len(told) == len(differences)
    for place, change in told.items():
        check(change, by_supplier[place])
    changed = {place for place, found in by_supplier.items() if any(old.ug != new.ug for old, new in found)}
    assert changed <= told.keys() <= by_supplier.keys()


def quarter_of(day: date) -> str:
    """Return a quarter as AggregateEmissions has it."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


async def recalculated(client: AsyncClient, **fields: Any) -> Run:
    """Recalculate, `filter` by its fields, and return the run when it has succeeded."""
    if (chosen := fields.pop("filter", None)) is not None:
        fields["emission_filter"] = EmissionFilter(**chosen)
    run = await client.wait_for_run((await client.recalculate(**fields)).name)
    assert run.state == Run.STATE_SUCCEEDED, run
    return run


def causes(run: Run) -> set[int]:
    """Return the causes of what a run changed."""
    return {of.cause for of in run.total.causes}

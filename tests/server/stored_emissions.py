"""A tenant's emissions twice: in the store, and as plain rows to compare with."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import exp, fsum
from typing import TypeVar
from uuid import uuid4

import numpy as np
from vcci_engine.activities import InputColumn
from vcci_engine.dates import EPOCH
from vcci_engine.quality import VARIANCE
from vcci_engine.results import Basis, Emissions, RowErrors
from vcci_engine.segments import cut
from vcci_engine.suppliers import Suppliers
from vcci_engine.uncertainty import SIGMA2_BASIC, Estimate, of_moments, sigma2_of_gsd2
from vcci_server.importers import FactorRecord
from vcci_server.storage import factors as factor_sets
from vcci_server.storage import folding
from vcci_server.storage import uploads as ledger
from vcci_server.storage.ingest import PreparedBatch, commit_batches
from vcci_server.storage.partitions import PartitionKeeper
from vcci_server.storage.pool import Pool
from vcci_server.storage.suppliers import SupplierStore

K = TypeVar("K", bound=Hashable)
Factors = Mapping[int, tuple[str, float]]  # key and sigma2, by id; 0 is the suppliers' own

CODES = tuple(f"S{number:02}" for number in range(12))
COUNTRIES = ("DE", "FR", "", "DE", "US", "FR", "DE", "GB", "", "US", "DE", "FR")
UNITS = ("kg", "EUR", "m²", "kWh")
GROUPS = ("", "Werk Süd", "office")
FIRST_DAY, LAST_DAY = date(2024, 11, 3), date(2025, 5, 20)
# Key, region, GSD2: the first two are one key, and so one group by factor, but two factors.
FACTORS = (("steel", "DE", 1.5), ("steel", "US", 1.1), ("power", "", 1.05), ("freight", "", 2.0))
SPEND_FACTOR = "test:freight"  # per unit of money
# kg of gases per unit, of 1 kg CO2e under AR5 each: all of it known, and a part.
GASES = {
    "power": {"CO2": 0.72, "CH4": 0.01},
    "freight": {"CO2": 0.9, "CH4_nonfossil": 0.001, "CO2_biogenic": 0.3},
}
ROWS_PER_SEGMENT = 7  # so that a small batch has many segments


@dataclass(frozen=True, slots=True)
class Row:
    """One emission as it went into the store."""

    upload_id: int
    row: int
    supplier: str
    country: str
    category: int
    method: int
    period: date
    quantity: float
    unit: str
    factor_id: int
    factor: str
    quality: int
    kg_co2e: float
    sigma: float
    notices: int
    group: str
    reference: str
    inputs: Mapping[str, float]

    @property
    def terms(self) -> tuple[int, int, int, int]:
        """The value and the mean in micrograms, the variance in 2^-40 kg2, the third cumulant in 2^-60 kg3.

        All but the first are without the factor's part.
        """
        sigma2 = float(VARIANCE[self.quality]) + (0 if self.factor_id else SIGMA2_BASIC)
        mean = self.kg_co2e * exp(sigma2 / 2)
        variance = self.kg_co2e * self.kg_co2e * (exp(sigma2) * (exp(sigma2) - 1))
        skewness = exp(1.5 * sigma2) * (exp(sigma2) - 1) ** 2 * (exp(sigma2) + 2)
        third = self.kg_co2e * self.kg_co2e * self.kg_co2e * skewness
        return round(self.kg_co2e * 1e9), round(mean * 1e9), round(variance * 2**40), round(third * 2**60)


@dataclass(slots=True)
class StoredEmissions:
    """Stores random emissions of a tenant, and remembers them."""

    pool: Pool
    tenant: str
    tenant_id: int
    keeper: PartitionKeeper
    supplier_ids: np.ndarray
    factor_set_id: int
    factors: Factors
    uploads: dict[int, ledger.UploadRecord] = field(default_factory=dict)
    rows: dict[int, list[Row]] = field(default_factory=dict)

    @classmethod
    async def of_new_tenant(cls, pool: Pool) -> "StoredEmissions":
        """Make a tenant with its suppliers and factors."""
        tenant = uuid4().hex
        tenant_id = await pool.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id", tenant)
        ids = await SupplierStore(pool).resolve(tenant_id, Suppliers.of(CODES, (), COUNTRIES))
        records = [
            FactorRecord(
                *("test", code, code, region, 2022, _unit_of(code), 1.0, GASES.get(code, {}), "AR5"),
                *(gsd2, 0, "", "", "made for a test"),
            )
            for code, region, gsd2 in FACTORS
        ]
        imported = await factor_sets.import_set(pool, tenant_id, "test", records)
        stored = await pool.fetch("SELECT factor_id, code, gsd2 FROM emission_factors WHERE tenant_id = $1", tenant_id)
        known = {row["factor_id"]: (f"test:{row['code']}", sigma2_of_gsd2(row["gsd2"])) for row in stored}
        known[0] = ("", 0.0)
        return cls(pool, tenant, tenant_id, PartitionKeeper(pool), ids, imported.factor_set_id, known)

    @property
    def visible(self) -> list[Row]:
        """The rows that readers may see."""
        seen = [
            upload.upload_id
            for upload in self.uploads.values()
            if upload.state == "finalized" or (upload.state == "open" and upload.mode == "committed")
        ]
        return [row for upload_id in seen for row in self.rows[upload_id]]

    async def open(self, mode: ledger.Mode = "committed") -> int:
        """Make an upload and open it."""
        made = await ledger.create(self.pool, self.tenant_id, request_id=uuid4().hex, mode=mode)
        self.uploads[made.upload_id] = await ledger.open_upload(self.pool, self.tenant_id, made.upload_id)
        self.rows[made.upload_id] = []
        return made.upload_id

    async def append(self, upload_id: int, n: int, seed: int, *, rejected: int = 2) -> None:
        """Store a batch of n random emissions, and of some rejected rows that leave gaps in the row numbers."""
        offset = (await ledger.get(self.pool, self.tenant_id, upload_id)).committed_rows
        emissions = random_emissions(n, seed, self.factors, rejected)
        segments = cut(emissions, self.supplier_ids, UNITS, offset, ROWS_PER_SEGMENT)
        errors = RowErrors(np.empty(0, np.uint32))
        batch = PreparedBatch(offset, n + rejected, n, rejected, Basis(self.factor_set_id), segments, errors)
        epoch = self.uploads[upload_id].epoch
        await commit_batches(self.pool, self.keeper, self.tenant_id, upload_id, epoch, [batch])
        self.rows[upload_id] += [row_of(emissions, place, upload_id, offset, self.factors) for place in range(n)]

    async def finalize(self, upload_id: int) -> None:
        """Close an upload."""
        self.uploads[upload_id] = await ledger.finalize(self.pool, self.tenant_id, upload_id)

    async def abandon(self, upload_id: int) -> None:
        """Remove an upload."""
        self.uploads[upload_id] = await ledger.abandon(self.pool, self.tenant_id, upload_id, folding.unfold)

    def estimate(self, rows: Iterable[Row]) -> Estimate:
        """Return the total of rows, by the formulas: by factor first, then the factors as independent."""
        by_factor = sums_of(rows, lambda row: row.factor_id)
        cumulants = []
        for factor_id, (_, _, *units) in by_factor.items():
            s2 = self.factors[factor_id][1]
            k1, k2, k3 = units[0] / 10**9, units[1] / 2**40, units[2] / 2**60
            first, second, third = k1, k2 + k1**2, k3 + 3 * k2 * k1 + k1**3  # moments about zero
            first, second, third = (of * exp(n * n * s2 / 2) for n, of in enumerate((first, second, third), 1))
            cumulants.append((first, second - first**2, third - 3 * second * first + 2 * first**3))
        ug = sum(terms[1] for terms in by_factor.values())
        return of_moments(ug / 10**9, *map(fsum, zip(*cumulants, strict=True)) if cumulants else (0.0, 0.0, 0.0))


def _unit_of(code: str) -> str:
    return "USD" if f"test:{code}" == SPEND_FACTOR else "kg"


def random_emissions(n: int, seed: int, factor_ids: Iterable[int], rejected: int = 0) -> Emissions:
    """Return n emissions of a batch that had `rejected` more rows."""
    rng = np.random.default_rng(seed)
    days = ((FIRST_DAY - EPOCH).days, (LAST_DAY - EPOCH).days)
    kg = rng.lognormal(3, 3, n) * rng.choice([1, 1, 1, -1], n)
    distance = np.flatnonzero(rng.random(n) < 0.5).astype(np.uint32)
    return Emissions(
        row=np.sort(rng.permutation(n + rejected)[:n]).astype(np.uint32),
        supplier=rng.integers(0, len(CODES), n).astype(np.uint32),
        category=rng.integers(1, 16, n).astype(np.uint8),
        method=rng.integers(1, 4, n).astype(np.uint8),
        period=rng.integers(*days, n, endpoint=True).astype(np.int32),
        quantity=rng.lognormal(2, 2, n),
        unit=rng.integers(0, len(UNITS), n).astype(np.uint32),
        factor=rng.choice(np.array(sorted(factor_ids), np.uint32), n),
        quality=rng.choice(np.array([0, 0o11111, 0o12345, 0o55555], np.uint16), n),
        kg_co2e=kg,
        sigma=rng.random(n).astype(np.float32),
        notices=rng.choice(np.array([0, 2, 48], np.uint16), n),
        groups=GROUPS,
        group=rng.integers(0, len(GROUPS), n).astype(np.uint32),
        references=tuple(f"Zeile {number}" if number % 3 else "" for number in range(n)),
        inputs={
            "days": InputColumn(rng.random(n)),
            "distance": InputColumn(rng.random(len(distance)), distance),
        },
    )


def row_of(emissions: Emissions, place: int, upload_id: int, offset: int, factors: Factors) -> Row:
    """Return one of a batch's emissions as a row."""
    supplier = int(emissions.supplier[place])
    factor_id = int(emissions.factor[place])
    assert emissions.group is not None
    return Row(
        upload_id=upload_id,
        row=offset + int(emissions.row[place]),
        supplier=CODES[supplier],
        country=COUNTRIES[supplier],
        category=int(emissions.category[place]),
        method=int(emissions.method[place]),
        period=EPOCH + timedelta(days=int(emissions.period[place])),
        quantity=float(emissions.quantity[place]),
        unit=UNITS[emissions.unit[place]],
        factor_id=factor_id,
        factor=factors[factor_id][0],
        quality=int(emissions.quality[place]),
        kg_co2e=float(emissions.kg_co2e[place]),
        sigma=float(emissions.sigma[place]),
        notices=int(emissions.notices[place]),
        group=GROUPS[emissions.group[place]],
        reference=emissions.references[place],
        inputs={name: value for name, column in emissions.inputs.items() for value in _value_at(column, place)},
    )


def sums_of(rows: Iterable[Row], key: Callable[[Row], K]) -> dict[K, tuple[int, int, int, int, int]]:
    """Return rows, calculated value, mean, variance and third cumulant, exact, by a key."""
    sums: dict[K, tuple[int, int, int, int, int]] = {}
    for row in rows:
        old = sums.get(key(row), (0, 0, 0, 0, 0))
        sums[key(row)] = tuple(a + b for a, b in zip(old, (1, *row.terms), strict=True))  # type: ignore[assignment]
    return sums


def _value_at(column: InputColumn, place: int) -> list[float]:
    if column.rows is None:
        return [float(column.values[place])]
    return [float(value) for value in column.values[column.rows == place]]

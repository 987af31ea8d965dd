"""What a report is made of: plain data, read from the store in one snapshot. Amounts are t CO2e."""

from dataclasses import dataclass, field
from datetime import date, datetime

from vcci_server.dashboards import Period
from vcci_server.emission_sums import Group
from vcci_server.report.statements import Statements

KG = 1000.0  # of a tonne


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of emissions; its calculated value, and the median, mean and 95 % interval of its distribution."""

    keys: tuple[str, ...]
    rows: int
    tonnes: float
    median: float
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, group: Group) -> "Amount":
        """Return a group in tonnes."""
        of = group.estimate
        values = (of.kg_co2e / KG, of.median / KG, of.mean / KG, of.low / KG, of.high / KG)
        return cls(group.keys, group.rows, *values)


@dataclass(frozen=True, slots=True)
class Supplier:
    """A supplier and its sum."""

    code: str
    name: str
    country: str
    amount: Amount


@dataclass(frozen=True, slots=True)
class Factor:
    """An emission factor, as it was used."""

    factor_id: int
    factor_set: str
    source: str
    key: str
    name: str
    region: str
    year: int
    unit: str
    kg_co2e: float
    gwp_set: str
    note: str
    rows: int
    tonnes: float

    @property
    def publication(self) -> str:
        """What its note says of where it is from, up to the first semicolon."""
        return self.note.partition(";")[0].strip() or "not told"

    @property
    def place(self) -> str:
        """The rest: where it stands there."""
        return self.note.partition(";")[2].strip()


@dataclass(frozen=True, slots=True)
class DataSet:
    """A factor set, or a price set."""

    resource: str
    name: str
    sha256: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Restatement:
    """A recalculation that has succeeded."""

    resource: str
    name: str
    ended: datetime | None
    factor_set: str
    gwp_set: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Gas:
    """An amount of a gas."""

    gas: str
    kg: float
    tonnes: float  # CO2e


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many active suppliers there are, and of how many there are emissions."""

    suppliers: int
    with_emissions: int
    with_primary_data: int


@dataclass(frozen=True, slots=True)
class Operation:
    """Lines of transport of one chain, factor and method, with amounts of activity in one unit."""

    chain: str  # the group of the lines; empty: none
    factor_id: int  # 0: the supplier's own, or emissions as it reported them
    method: str
    unit: str  # empty: no amount in a unit of transport or of a hub
    amount: float
    rows: int
    tonnes: float


@dataclass(frozen=True, slots=True)
class Holding:
    """Lines of investments of one method and industry; money as it was uploaded."""

    method: str
    industry: str
    rows: int
    tonnes: float
    outstanding: float
    scored: float  # what is outstanding of those with a data quality score
    weighted_score: float  # sum of the scores x what is outstanding


@dataclass(frozen=True, slots=True)
class Earlier:
    """A period to compare with, that has emissions."""

    period: Period
    total: Amount
    categories: tuple[Amount, ...]  # by category
    biogenic_tonnes: float  # CO2, outside of the total


NO_AMOUNT = Amount((), 0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(slots=True)
class Facts:
    """All of it; filled step by step."""

    organization: str
    period: Period
    as_of: str
    gwp_set: str
    created: datetime
    base_year: int = 0  # that the base period begins in; 0: none
    statements: Statements = field(default=Statements())
    total: Amount = field(default=NO_AMOUNT)
    previous: Earlier | None = None  # the period of the same length before; None: nothing is stored of it
    base: Earlier | None = None  # the base period; None: none is wanted, or nothing is stored of it
    categories: list[Amount] = field(default_factory=list)  # by category
    tiers: list[Amount] = field(default_factory=list)  # by method tier
    category_tiers: list[Amount] = field(default_factory=list)  # by category and method tier
    methods: list[Amount] = field(default_factory=list)  # by category and method
    years: list[Amount] = field(default_factory=list)  # by year, up to the period's end
    suppliers: list[Supplier] = field(default_factory=list)
    supplier_count: int = 0
    coverage: Coverage = field(default=Coverage(0, 0, 0))
    grades: list[tuple[int, int, float]] = field(default_factory=list)  # score, rows, t CO2e
    gases: list[Gas] = field(default_factory=list)
    gwp_sets: list[tuple[str, float]] = field(default_factory=list)  # t CO2e by set
    mixed_gwp_sets: bool = False
    biogenic_tonnes: float = 0.0  # CO2, outside of the total
    rows_of_unknown_gases: int = 0
    factors: list[Factor] = field(default_factory=list)  # largest first
    factor_sets: list[DataSet] = field(default_factory=list)
    price_sets: list[DataSet] = field(default_factory=list)
    restatements: list[Restatement] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    chains: list[Amount] = field(default_factory=list)  # the largest, by group
    chain_count: int = 0
    holdings: list[Holding] = field(default_factory=list)
    portfolios: list[Amount] = field(default_factory=list)  # of category 15, by group
    emissions_sha256: str = ""

    @property
    def last_day(self) -> date:
        """The last day of the period."""
        return date.fromordinal(self.period.end.toordinal() - 1)

    @property
    def previous_tonnes(self) -> float | None:
        """The total of the period before; None: nothing is stored of it."""
        return None if self.previous is None else self.previous.total.tonnes

    @property
    def base_period(self) -> Period | None:
        """The months of the period in the base year."""
        if not self.base_year:
            return None
        start, end = self.period.start, self.period.end
        return Period(start.replace(year=self.base_year), end.replace(year=self.base_year + end.year - start.year))

    @property
    def is_restated(self) -> bool:
        """Whether amounts are otherwise than as stored."""
        return bool(self.as_of or self.gwp_set)

    @property
    def inputs(self) -> tuple[tuple[str, str], ...]:
        """Names and hashes of what the report is made of."""
        sets = ((of.resource, of.sha256) for of in (*self.factor_sets, *self.price_sets))
        return (("emissions", self.emissions_sha256), *sets)

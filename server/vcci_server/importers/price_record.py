"""One line of a price set, as every importer of prices returns it."""

from dataclasses import dataclass

RATE, INDEX = 1, 2  # PriceKind of the contract
KINDS = {"rate": RATE, "index": INDEX}

MAX_PRICES = 100_000  # of a set; a file has at most as many lines

PriceKey = tuple[int, str, int, int]  # kind, currency, year, month: once in a set


@dataclass(frozen=True, slots=True)
class PriceRecord:
    """An average rate of exchange, or the level of prices of a year."""

    kind: int
    currency: str  # ISO 4217
    base_currency: str  # that a rate is per one unit of; empty of an index
    year: int
    month: int  # 1 to 12; 0: of the year
    value: float  # units of the currency per one of the base; points of an index, of which only ratios count
    source_note: str  # citation: publication, table, row

    @property
    def key(self) -> PriceKey:
        """Its place in the order of a set."""
        return self.kind, self.currency, self.year, self.month

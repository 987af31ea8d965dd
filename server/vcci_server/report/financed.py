"""Financed emissions (category 15) as IFRS S2, B58 to B63, asks, with PCAF's attribution and data quality scores."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from math import fsum

from vcci_server.report import words
from vcci_server.report.facts import Facts, Holding
from vcci_server.report.layout import AMOUNTS, LINES, SHARE, TONNES, cells, share
from vcci_server.report.model import Block, Cell, Column, Section, Table

MILLION = 1e6
EXPOSURE = (
    Column("outstanding", "Outstanding", "number"),
    Column("t_per_million", "t CO2e per million", "number"),
    Column("score", "Data quality score", "number"),
    Column("scored_share", "Of it scored", "share"),
)
FINANCED = (
    "Emissions of investees and counterparties, attributed by what is outstanding (B58 to B63; the attribution of each "
    "asset class is told under Methods). An entity with activities in asset management, commercial banking or "
    "insurance discloses gross exposure and financed emissions, for the latter two by industry and asset class. Money "
    "is as uploaded: the store has no currency of it, so that sums tell something only where all is in one."
)
SCOPES = (
    "Scope 1, 2 and 3 of investees stand apart where their lines were uploaded in groups of their own; groups are "
    "named as uploaded."
)
NO_INVESTMENTS = (
    "No emissions of category 15 are stored for the period. An entity with activities in asset management, commercial "
    "banking or insurance discloses financed emissions (29(a)(vi)(2), B58 to B63)."
)


def financed(facts: Facts) -> Section:
    """Return the section."""
    title = "Financed emissions"
    if not facts.holdings:
        return Section(title, (NO_INVESTMENTS,))
    blocks: tuple[Block, ...] = (FINANCED, _asset_classes(facts), _industries(facts), SCOPES, _portfolios(facts))
    return Section(title, blocks)


def _asset_classes(facts: Facts) -> Table:
    columns = (Column("asset_class", "Asset class or method"), LINES, TONNES, *EXPOSURE)
    rows = _rows(facts.holdings, lambda of: words.method_name(of.method))
    return Table("asset_classes", "Financed emissions by asset class", columns, rows, _total(facts))


def _industries(facts: Facts) -> Table:
    columns = (Column("industry", "Industry of the investee"), LINES, TONNES, *EXPOSURE)
    rows = _rows(facts.holdings, lambda of: of.industry or "not told")
    return Table("industries", "Financed emissions by industry", columns, rows, _total(facts))


def _portfolios(facts: Facts) -> Table:
    whole = fsum(of.tonnes for of in facts.holdings)
    rows = tuple((of.keys[0] or "in no group", of.rows, *cells(of), share(of.tonnes, whole)) for of in facts.portfolios)
    columns = (Column("group", "Group"), LINES, *AMOUNTS, SHARE)
    return Table("portfolios", "Emissions of category 15 by group", columns, rows)


def _rows(holdings: Sequence[Holding], key: Callable[[Holding], str]) -> tuple[tuple[Cell, ...], ...]:
    groups: dict[str, list[Holding]] = defaultdict(list)
    for holding in holdings:
        groups[key(holding)].append(holding)
    largest = sorted(groups.items(), key=lambda pair: (-fsum(of.tonnes for of in pair[1]), pair[0]))
    return tuple((name, *_sums(of)) for name, of in largest)


def _total(facts: Facts) -> tuple[Cell, ...]:
    return ("Total", *_sums(facts.holdings))


def _sums(holdings: Sequence[Holding]) -> tuple[Cell, ...]:
    tonnes, outstanding, scored, weighted = (
        fsum(getattr(of, name) for of in holdings) for name in ("tonnes", "outstanding", "scored", "weighted_score")
    )
    per_million = share(tonnes * MILLION, outstanding)
    lines = sum(of.rows for of in holdings)
    return (lines, tonnes, outstanding or None, per_million, share(weighted, scored), share(scored, outstanding))

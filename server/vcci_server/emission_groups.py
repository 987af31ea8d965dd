"""Groups of emissions: how dimensions are made of stored columns, which groups are the largest, their estimates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from vcci.v1 import emission_service_pb2 as pb
from vcci.v1.activity_pb2 import Method
from vcci_engine.activities import Positions
from vcci_engine.dates import FIRST_YEAR
from vcci_engine.totals import Terms, estimates, ug_ints
from vcci_engine.uncertainty import Estimate

from vcci_server.emission_gases import StoredParts
from vcci_server.storage.labels import FactorLabel
from vcci_server.storage.sums import Keys, Sums, grouped, regroup

Chosen = tuple[int, tuple[str, ...]]  # a group's number, and its labels


@dataclass(frozen=True, slots=True)
class Dimension:
    """A dimension: the column that it is made of, the group's number for each key of it, and a number's label."""

    column: str
    label: Callable[[int], str] | None = None  # None: looked up
    number: Callable[[Keys], Keys] = lambda keys: keys


def _month(number: int) -> str:
    return f"{FIRST_YEAR + number // 12}-{number % 12 + 1:02}"


def _quarter(number: int) -> str:
    return f"{FIRST_YEAR + number // 4}-Q{number % 4 + 1}"


def _year(number: int) -> str:
    return str(FIRST_YEAR + number)


def method_label(number: int) -> str:
    return Method.Name(number).removeprefix("METHOD_").lower()  # type: ignore[arg-type]


DIMENSIONS: Mapping[int, Dimension] = {
    pb.DIMENSION_SUPPLIER: Dimension("supplier"),
    pb.DIMENSION_CATEGORY: Dimension("category", str),
    pb.DIMENSION_MONTH: Dimension("month", _month),
    pb.DIMENSION_QUARTER: Dimension("month", _quarter, lambda months: months // 3),
    pb.DIMENSION_YEAR: Dimension("month", _year, lambda months: months // 12),
    pb.DIMENSION_COUNTRY: Dimension("country"),
    pb.DIMENSION_GROUP: Dimension("group"),
    pb.DIMENSION_METHOD: Dimension("method", method_label),
    pb.DIMENSION_FACTOR: Dimension("factor"),
    pb.DIMENSION_SOURCE: Dimension("factor"),
    pb.DIMENSION_METHOD_TIER: Dimension("factor"),
}
OF_FACTOR: Mapping[int, Callable[[FactorLabel], str]] = {  # dimensions whose groups are those of a label
    pb.DIMENSION_FACTOR: lambda label: label.key,
    pb.DIMENSION_SOURCE: lambda label: label.source,
    pb.DIMENSION_METHOD_TIER: lambda label: label.tier,
}


@dataclass(frozen=True, slots=True)
class Ranking:
    """The groups of some terms, and which of them may be among the largest."""

    numbers: tuple[Keys, ...]  # by dimension, [groups]
    sums: Terms  # [groups]
    candidates: Positions  # those not smaller than the last that is wanted


def rank(numbers: Sequence[Keys], terms: Terms, limit: int) -> Ranking:
    """Group terms by their numbers in each dimension; find the groups that may be among the `limit` largest."""
    if not len(terms):
        return Ranking(tuple(numbers), terms, np.empty(0, np.intp))
    group, first = grouped(numbers, len(terms))
    sums = terms.regroup(group, len(first))
    high, low = sums.ug.T
    last = np.lexsort((low, high))[::-1][:limit][-1]
    candidates = np.flatnonzero((high > high[last]) | ((high == high[last]) & (low >= low[last])))
    return Ranking(tuple(column[first] for column in numbers), sums, candidates)


def largest(ranking: Ranking, labels: Sequence[Sequence[str]], limit: int) -> list[Chosen]:
    """Return the largest groups and their labels, equal ones by label; `labels` by dimension, of the candidates."""
    ug = ug_ints(ranking.sums.ug[ranking.candidates])
    rows = zip(ranking.candidates.tolist(), ug, zip(*labels, strict=True), strict=True)
    ordered = sorted(((-value, label, group) for group, value, label in rows))
    return [(group, label) for _, label, group in ordered[:limit]]


def estimates_of(
    terms: Terms,
    factor: Keys,
    sigma2: Mapping[int, float],
    group: Positions,
    n_groups: int,
    parts: StoredParts | None = None,
) -> list[Estimate]:
    """Return the estimate of each group: `group` of each term, -1 for none; `sigma2` of ln(factor) by its id.

    As stored, or under the GWP set that `parts` are wanted under.
    """
    kept = Sums((group, factor), terms).where(group >= 0)
    by_factor = regroup(kept.keys, kept.terms)
    group, factor = by_factor.keys
    spread = np.array([sigma2[number] for number in factor.tolist()])
    ratio = parts.ratio_of(factor) if parts else None
    return estimates(by_factor.terms, spread, group, n_groups, ratio)


def places(ranking: Ranking, chosen: Sequence[Chosen], numbers: Sequence[Keys]) -> Positions:
    """Return the place among the chosen groups of sums with these numbers, by dimension; -1 where it has none."""
    groups = np.array([number for number, _ in chosen], np.intp)
    pairs = zip(ranking.numbers, numbers, strict=True)
    columns = [np.concatenate((of_groups[groups], keys)) for of_groups, keys in pairs]
    if not len(columns[0]):
        return np.empty(0, np.intp)
    group, first = grouped(columns, len(columns[0]))
    place = np.full(len(first), -1, np.intp)
    place[group[: len(groups)]] = np.arange(len(groups))
    return place[group[len(groups) :]]

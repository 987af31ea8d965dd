"""Sums of emissions by dimensions, the largest groups with their uncertainty: where the sums come from, and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.uncertainty import Estimate

from vcci_server.emission_groups import DIMENSIONS, Chosen, Ranking, estimates_of, largest, place_in, rank
from vcci_server.storage.aggregate import is_summarised, read_countries, sums_by, sums_by_supplier
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Connection
from vcci_server.storage.reading import Filter
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Keys, Sums


@dataclass(frozen=True, slots=True)
class Group:
    """A group's label in each dimension, its rows, and their sum."""

    keys: tuple[str, ...]
    rows: int
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Totals:
    """The largest groups, the sum of all, and how many groups there are."""

    groups: list[Group]
    total: Group
    group_count: int


class Summation:
    """One question of a tenant, answered in one snapshot."""

    def __init__(self, db: Connection, run: Run, labels: Labels, tenant_id: int, chosen: Filter) -> None:
        self._db = db
        self._run = run
        self._labels = labels
        self._tenant_id = tenant_id
        self._chosen = chosen
        self._names: dict[int, Sequence[str]] = {}  # by dimension, where its numbers are places in a list

    async def totals(self, dimensions: Sequence[int], limit: int) -> Totals:
        """Return the sums by dimensions."""
        if [*dimensions] == [pb.DIMENSION_SUPPLIER] and is_summarised(self._chosen):
            return await self._by_supplier(limit)
        columns = [*dict.fromkeys((*(DIMENSIONS[number].column for number in dimensions), "factor"))]
        sums = await self._sums(columns)
        keys = dict(zip(columns, sums.keys, strict=True))
        sigma2 = await self._sigma2(keys["factor"])
        total = await self._total(sums, keys["factor"], sigma2)
        if not dimensions:
            return Totals([], total, 0)
        numbers = [await self._numbers(dimension, keys) for dimension in dimensions]
        ranking = await self._run(rank, numbers, sums.terms, limit)
        chosen = await self._largest(dimensions, ranking, limit)
        group = place_in([number for number, _ in chosen], len(ranking.sums))[ranking.group]
        estimates = await self._run(estimates_of, sums.terms, keys["factor"], sigma2, group, len(chosen))
        return Totals(_groups(chosen, ranking, estimates), total, len(ranking.sums))

    async def _by_supplier(self, limit: int) -> Totals:
        """Rank by the supplier summaries; scan only the rows of the largest, for their uncertainty.

        So memory grows with the suppliers, not with the pairs of supplier and factor.
        """
        by_factor = await self._sums(["factor"])
        total = await self._total(by_factor, by_factor.keys[0], await self._sigma2(by_factor.keys[0]))
        suppliers = await sums_by_supplier(self._db, self._run, self._tenant_id, self._chosen)
        ranking = await self._run(rank, suppliers.keys, suppliers.terms, limit)
        chosen = await self._largest([pb.DIMENSION_SUPPLIER], ranking, limit)
        ids = ranking.numbers[0][[number for number, _ in chosen]]
        order = np.argsort(ids)
        self._chosen = replace(self._chosen, suppliers=ids[order].astype(np.int32))
        rows = await self._sums(["supplier", "factor"])
        group = order[np.searchsorted(ids[order], rows.keys[0])]
        sigma2 = await self._sigma2(rows.keys[1])
        estimates = await self._run(estimates_of, rows.terms, rows.keys[1], sigma2, group, len(chosen))
        return Totals(_groups(chosen, ranking, estimates), total, len(ranking.sums))

    async def _sums(self, columns: Sequence[str]) -> Sums:
        countries = await read_countries(self._db, self._tenant_id) if "country" in columns else None
        if countries is not None:
            self._names[pb.DIMENSION_COUNTRY] = countries.names
        return await sums_by(self._db, self._run, self._tenant_id, self._chosen, columns, countries)

    async def _sigma2(self, factor: Keys) -> dict[int, float]:
        factors = await self._labels.factors(self._db, self._tenant_id, np.unique(factor).tolist())
        return {number: label.sigma2 for number, label in factors.items()}

    async def _total(self, sums: Sums, factor: Keys, sigma2: Mapping[int, float]) -> Group:
        group = np.zeros(len(sums), np.intp)
        (estimate,) = await self._run(estimates_of, sums.terms, factor, sigma2, group, 1)
        return Group((), int(sums.terms.rows.sum()), estimate)

    async def _numbers(self, dimension: int, keys: Mapping[str, Keys]) -> Keys:
        """Return the number of each term's group in a dimension."""
        if dimension != pb.DIMENSION_FACTOR:
            return DIMENSIONS[dimension].number(keys[DIMENSIONS[dimension].column])
        ids, place = np.unique(keys["factor"], return_inverse=True)
        factors = await self._labels.factors(self._db, self._tenant_id, ids.tolist())
        names = sorted({label.key for label in factors.values()})
        self._names[dimension] = names
        number = {name: n for n, name in enumerate(names)}
        return np.array([number[factors[factor].key] for factor in ids.tolist()], np.int64)[place]

    async def _largest(self, dimensions: Sequence[int], ranking: Ranking, limit: int) -> list[Chosen]:
        numbers = [column[ranking.candidates].tolist() for column in ranking.numbers]
        labels = [await self._label(*pair) for pair in zip(dimensions, numbers, strict=True)]
        return largest(ranking, labels, limit)

    async def _label(self, dimension: int, numbers: Sequence[int]) -> list[str]:
        if dimension == pb.DIMENSION_SUPPLIER:
            codes = await self._labels.suppliers(self._db, self._tenant_id, numbers)
            return [codes[number] for number in numbers]
        label = DIMENSIONS[dimension].label or self._names[dimension].__getitem__
        return [label(number) for number in numbers]


def _groups(chosen: Sequence[Chosen], ranking: Ranking, estimates: Sequence[Estimate]) -> list[Group]:
    rows = ranking.sums.rows
    pairs = zip(chosen, estimates, strict=True)
    return [Group(keys, int(rows[number]), estimate) for (number, keys), estimate in pairs]

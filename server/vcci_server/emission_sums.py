"""Sums of emissions by dimensions, the largest groups with their uncertainty: where the sums come from, and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from vcci.v1 import emission_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.totals import Terms
from vcci_engine.uncertainty import Estimate

from vcci_server.emission_gases import Amounts, StoredParts, amounts_by_group, compositions_of, stored_parts
from vcci_server.emission_groups import DIMENSIONS, OF_FACTOR, Chosen, Ranking, estimates_of, largest, places, rank
from vcci_server.storage.aggregate import (
    is_rolled_up,
    is_summarised,
    read_countries,
    read_groups,
    sums_by,
    sums_by_supplier,
)
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Connection
from vcci_server.storage.reading import Filter
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Countries, Groups, Keys, Made, Sums
from vcci_server.stored_amounts import sum_amounts


@dataclass(frozen=True, slots=True)
class Group:
    """A group's label in each dimension, its rows, and their sum."""

    keys: tuple[str, ...]
    rows: int
    estimate: Estimate
    composition: emission_pb2.Composition


@dataclass(frozen=True, slots=True)
class Totals:
    """The largest groups, the sum of all, and how many groups there are."""

    groups: list[Group]
    total: Group
    group_count: int


@dataclass(frozen=True, slots=True)
class Table:
    """Sums with their keys by column."""

    keys: Mapping[str, Keys]
    terms: Terms

    @classmethod
    def of(cls, columns: Sequence[str], sums: Sums) -> "Table":
        return cls(dict(zip(columns, sums.keys, strict=True)), sums.terms)


@dataclass(frozen=True, slots=True)
class Found:
    """The largest groups, and the sums by the dimensions' columns and factor that they are made of."""

    chosen: list[Chosen]
    ranking: Ranking | None  # None: only the total was asked for
    sums: Table  # with a column `factor`; of the chosen groups at least
    place: Keys  # of each of the sums among the chosen groups; -1: none
    by_factor: Table  # of all emissions
    made: Made  # the columns that the sums are by, where they had to be made


class Summation:
    """One question of a tenant, answered in one snapshot; `gwp_set` is the one that sums are wanted under, if any."""

    def __init__(
        self,
        db: Connection,
        run: Run,
        labels: Labels,
        tenant_id: int,
        chosen: Filter,
        *,
        gwp_set: str = "",
        include_gases: bool = False,
    ) -> None:
        self._db = db
        self._run = run
        self._labels = labels
        self._tenant_id = tenant_id
        self._chosen = chosen
        self._gwp_set = gwp_set
        self._include_gases = include_gases
        self._made: dict[str, Countries | Groups] = {}
        self._names: dict[int, Sequence[str]] = {}  # by dimension, where its numbers are places in a list

    async def totals(self, dimensions: Sequence[int], limit: int) -> Totals:
        """Return the sums by dimensions."""
        return await self.estimate(await self.find(dimensions, limit))

    async def find(self, dimensions: Sequence[int], limit: int) -> Found:
        """Find the largest groups, and the sums that they and the total are made of."""
        columns = [*dict.fromkeys(DIMENSIONS[dimension].column for dimension in dimensions)]
        with_factor = [*dict.fromkeys((*columns, "factor"))]
        apart = "supplier" in columns and "factor" not in columns
        if apart:
            sums, by_factor = await self._without_factors(columns)
        else:
            (sums,) = await self._sums([with_factor])
            by_factor = (await self._sums([["factor"]]))[0] if self._is_rolled_up else sums
        if not dimensions:
            return Found([], None, sums, np.full(len(sums.terms), -1), by_factor, self._made)
        numbers = await self._numbers(dimensions, sums)
        ranking = await self._run(rank, numbers, sums.terms, limit)
        chosen = await self._largest(dimensions, ranking, limit)
        if apart:
            (sums,) = await self._sums([with_factor], of=_suppliers(ranking, chosen, dimensions))
            numbers = await self._numbers(dimensions, sums)
        group = await self._run(places, ranking, chosen, numbers)
        return Found(chosen, ranking, sums, group, by_factor, self._made)

    async def estimate(self, found: Found) -> Totals:
        """Return the estimates of what was found."""
        total = await self._total(found.by_factor)
        if found.ranking is None:
            return Totals([], total, 0)
        groups = await self._groups(found.ranking, found.chosen, found.sums, found.place)
        return Totals(groups, total, len(found.ranking.sums))

    async def sigma2(self, sums: Table) -> dict[int, float]:
        """Return the variance of ln(factor) of the factors of sums, by their ids."""
        ids = np.unique(sums.keys["factor"]).tolist()
        labels = await self._labels.factors(self._db, self._tenant_id, ids)
        return {number: label.sigma2 for number, label in labels.items()}

    @property
    def _is_rolled_up(self) -> bool:
        return is_rolled_up(self._chosen, [["factor"]])

    async def _without_factors(self, columns: Sequence[str]) -> tuple[Table, Table]:
        """Return sums that rank groups by supplier, and the sums by factor for the total.

        The terms of the spread, by supplier and factor, are many: they are summed for the largest groups only.
        """
        if columns == ["supplier"] and is_summarised(self._chosen):
            (by_factor,) = await self._sums([["factor"]])
            sums = await sums_by_supplier(self._db, self._run, self._tenant_id, self._chosen)
            return Table.of(columns, sums), by_factor
        if self._is_rolled_up:
            (by_factor,) = await self._sums([["factor"]])
            (ranked,) = await self._sums([columns], spread=False)
        else:
            ranked, by_factor = await self._sums([columns, ["factor"]])
        return ranked, by_factor

    async def _sums(
        self, groupings: Sequence[Sequence[str]], of: Sequence[int] | None = None, *, spread: bool = True
    ) -> list[Table]:
        """Sum by groupings, `of` some suppliers only; without `spread` only rows and calculated values."""
        for dimension, column in ((pb.DIMENSION_COUNTRY, "country"), (pb.DIMENSION_GROUP, "group")):
            if column not in self._made and any(column in by for by in groupings):
                self._made[column] = await self._make(column)
                self._names[dimension] = self._made[column].names
        chosen = self._chosen if of is None else replace(self._chosen, suppliers=np.array(of, np.int32))
        sums = await sums_by(self._db, self._run, self._tenant_id, chosen, groupings, self._made, spread=spread)
        return [Table.of(*pair) for pair in zip(groupings, sums, strict=True)]

    async def _make(self, column: str) -> Countries | Groups:
        if column == "country":
            return await read_countries(self._db, self._tenant_id)
        return await read_groups(self._db, self._run, self._tenant_id, self._chosen)

    async def _total(self, sums: Table) -> Group:
        [of_all] = await self.estimates(sums, np.zeros(len(sums.terms), np.intp), 1)
        return Group((), int(sums.terms.rows.sum()), *of_all)

    async def _groups(self, ranking: Ranking, chosen: Sequence[Chosen], sums: Table, group: Keys) -> list[Group]:
        estimates = await self.estimates(sums, group, len(chosen))
        pairs = zip(chosen, estimates, strict=True)
        return [Group(labels, int(ranking.sums.rows[number]), *of) for (number, labels), of in pairs]

    async def estimates(
        self, sums: Table, group: Keys, n_groups: int
    ) -> list[tuple[Estimate, emission_pb2.Composition]]:
        """Return what each group comes to and consists of: `group` of each of the sums, -1 for none."""
        terms, factor = sums.terms, sums.keys["factor"]
        sigma2 = await self.sigma2(sums)
        if self._chosen.gwp_set:
            estimates = await self._run(estimates_of, terms, factor, sigma2, group, n_groups, stored_parts({}, ""))
            return [(estimate, emission_pb2.Composition(mixed_gwp_sets=True)) for estimate in estimates]
        gases = await self._labels.gases(self._db, self._tenant_id, [*sigma2])
        parts = await self._run(stored_parts, gases, self._gwp_set)
        estimates = await self._run(estimates_of, terms, factor, sigma2, group, n_groups, parts)
        amounts = await self._amounts(sums, group, parts)
        of_gases = await self._run(compositions_of, terms, factor, parts, group, n_groups, self._include_gases, amounts)
        return [*zip(estimates, of_gases, strict=True)]

    async def _amounts(self, sums: Table, group: Keys, parts: StoredParts) -> Amounts | None:
        """Return amounts of activity where gases do not follow from the sums; that needs a pass over the rows."""
        if not self._include_gases or not (factors := parts.unknown()):
            return None
        by = [*sums.keys]
        found = await sum_amounts(self._db, self._run, self._tenant_id, self._chosen, by, factors, self._made)
        return await self._run(amounts_by_group, found, sums.keys, group, factors)

    async def _numbers(self, dimensions: Sequence[int], sums: Table) -> list[Keys]:
        """Return the number of each sum's group, by dimension."""
        numbers = []
        for dimension in dimensions:
            keys = sums.keys[DIMENSIONS[dimension].column]
            if dimension in OF_FACTOR:
                numbers.append(await self._label_numbers(dimension, keys))
            else:
                numbers.append(DIMENSIONS[dimension].number(keys))
        return numbers

    async def _label_numbers(self, dimension: int, factor: Keys) -> Keys:
        """Number factors by what the dimension takes of their labels: those with the same are one group."""
        ids, place = np.unique(factor, return_inverse=True)
        factors = await self._labels.factors(self._db, self._tenant_id, ids.tolist())
        labels = {factor: OF_FACTOR[dimension](label) for factor, label in factors.items()}
        names = self._names.setdefault(dimension, sorted({*labels.values()}))
        number = {name: n for n, name in enumerate(names)}
        return np.array([number[labels[factor]] for factor in ids.tolist()], np.int64)[place]

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


def _suppliers(ranking: Ranking, chosen: Sequence[Chosen], dimensions: Sequence[int]) -> list[int]:
    """Return the suppliers of the chosen groups, ascending."""
    suppliers = ranking.numbers[list(dimensions).index(pb.DIMENSION_SUPPLIER)]
    return sorted({int(suppliers[number]) for number, _ in chosen})

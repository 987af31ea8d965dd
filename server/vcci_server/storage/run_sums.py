"""What runs changed, as sums in columns: exact, signed, and added to while a run goes on.

A block is int64 columns, little-endian, one behind the other: the keys, rows, micrograms in two limbs and, of rollups,
the terms of the spread in ten (engine: totals.py).
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from vcci_engine import totals
from vcci_engine.restatement import Cause
from vcci_engine.totals import Terms, ug_ints

from vcci_server.storage.blocks import pack_tally, unpack_tally
from vcci_server.storage.figures import AMOUNTS, ROLLUPS
from vcci_server.storage.passes import Tally, combine_tallies
from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Keys, Sums, combine, nothing

CHANGES = ("category", "cause")
DIFFERENCES = ("supplier", "category", "cause")
FIGURES = (3, AMOUNTS)  # keys and amounts of `figures`
OLD = 0  # in the place of a cause: the old values, all rows of them

BUCKET_BITS = 14  # suppliers of a block of differences: some megabytes at most

_INT64 = np.dtype("<i8")
_UG, _SPREAD = 3, 10  # columns: rows and micrograms; mean, variance and third cumulant


@dataclass(frozen=True, slots=True)
class UploadSums:
    """What a part of a run changes of one upload."""

    rollups: Sums  # by ROLLUPS
    changes: Sums  # by CHANGES
    differences: Mapping[int, Sums]  # by DIFFERENCES, by bucket of suppliers
    figures: Mapping[int, Tally]  # by supplier, currency and own: what is added to suppliers' totals, by bucket


@dataclass(frozen=True, slots=True)
class Change:
    """What a run changed of some emissions, in micrograms: old + the causes' differences = new."""

    rows: int
    old_ug: int
    causes: Mapping[int, tuple[int, int]]  # rows and micrograms by Cause, ascending

    @property
    def difference_ug(self) -> int:
        return sum(ug for _, ug in self.causes.values())


def of_ug(keys: tuple[Keys, ...], terms: Terms) -> Sums:
    """Return sums of which only rows and micrograms count."""
    return Sums(keys, totals.of_ug(terms.rows, terms.ug))


def pack(sums: Sums, *, spread: bool = False) -> bytes:
    """Return sums as a block, with the terms of the spread or without."""
    terms = sums.terms
    columns = [*sums.keys, terms.rows, *terms.ug.T]
    if spread:
        columns += [*terms.mean.T, *terms.variance.T, *terms.third.T]
    return np.array(columns, _INT64).reshape(len(columns), len(sums)).tobytes()


def unpack(block: bytes, keys: int, *, spread: bool = False) -> Sums:
    """Return the sums of a block with so many keys."""
    columns = keys + _UG + (_SPREAD if spread else 0)
    values = np.frombuffer(block, _INT64).reshape(columns, -1)
    rows, ug, rest = values[keys], values[keys + 1 : keys + 3].T, values[keys + 3 :]
    found = tuple(values[:keys])
    if not spread:
        return Sums(found, totals.of_ug(rows, ug))
    return Sums(found, Terms(rows, ug, rest[:2].T, rest[2:5].T, rest[5:].T))


async def add(db: Connection, run: Run, key: tuple[int, int, int], sums: UploadSums) -> None:
    """Add what a part changes of the upload of a key (tenant, run, upload)."""
    kept = await db.fetchrow(QUERIES["run_upload_sums"], *key)
    assert kept is not None  # the upload is locked, and one of the run's
    rollups = await run(_added, kept["rollups"], sums.rollups, len(ROLLUPS), True)
    changes = await run(_added, kept["changes"], sums.changes, len(CHANGES), False)
    await db.execute(QUERIES["put_run_upload_sums"], *key, rollups, changes)
    tenant_id, run_id, upload_id = key
    for bucket, part in sums.differences.items():
        place = (tenant_id, run_id, bucket, upload_id)
        stored = await db.fetchrow(QUERIES["run_differences_of"], *place) or {"changes": b"", "figures": b""}
        differences = await run(_added, stored["changes"], part, len(DIFFERENCES), False)
        figures = await run(_added_figures, stored["figures"] or b"", sums.figures.get(bucket))
        await db.execute(QUERIES["put_run_differences"], *place, differences, figures)


async def read_changes(db: Connection, run: Run, tenant_id: int, run_id: int) -> dict[int, Change]:
    """Return what a run changed by category."""
    rows = await db.fetch(QUERIES["run_changes"], tenant_id, run_id)
    sums = await run(_combined, [row["changes"] for row in rows], len(CHANGES), False)
    return {category: change for (category,), change in changes_by(sums).items()}


async def read_rollups(db: Connection, run: Run, tenant_id: int, run_id: int) -> Sums:
    """Return what a run adds to the rollups, by ROLLUPS."""
    rows = await db.fetch(QUERIES["run_rollups"], tenant_id, run_id)
    return await run(_combined, [row["rollups"] for row in rows], len(ROLLUPS), True)


async def read_differences(
    db: Connection, run: Run, tenant_id: int, run_id: int, after: tuple[int, int]
) -> AsyncIterator[tuple[tuple[int, int], Change]]:
    """Yield what a run changed by supplier and category, those behind `after` in their order, without the unchanged."""
    bucket = max(after[0], 0) >> BUCKET_BITS
    while (found := await db.fetchval(QUERIES["next_run_bucket"], tenant_id, run_id, bucket)) is not None:
        rows = await db.fetch(QUERIES["run_differences_in"], tenant_id, run_id, found)
        sums = await run(_combined, [row["changes"] for row in rows], len(DIFFERENCES), False)
        for (supplier, category), change in (await run(changes_by, sums)).items():
            if change.causes and (supplier, category) > after:
                yield (supplier, category), change
        bucket = found + 1


def changes_by(sums: Sums) -> dict[tuple[int, ...], Change]:
    """Return the changes by all keys but the last, the cause; ascending."""
    found: dict[tuple[int, ...], dict[int, tuple[int, int]]] = {}
    keys = zip(*(key.tolist() for key in sums.keys), strict=True)
    values = zip(sums.terms.rows.tolist(), ug_ints(sums.terms.ug), strict=True)
    for (*key, cause), value in sorted(zip(keys, values, strict=True)):
        found.setdefault(tuple(key), {})[cause] = value
    return {key: _change(of) for key, of in found.items()}


def total_of(changes: Sequence[Change]) -> Change:
    """Return the change of all."""
    causes = {
        int(cause): (
            sum(of.causes.get(cause, (0, 0))[0] for of in changes),
            sum(of.causes.get(cause, (0, 0))[1] for of in changes),
        )
        for cause in Cause
    }
    told = {cause: value for cause, value in causes.items() if value[0]}
    return Change(sum(of.rows for of in changes), sum(of.old_ug for of in changes), told)


def _change(of: Mapping[int, tuple[int, int]]) -> Change:
    rows, old_ug = of.get(OLD, (0, 0))
    return Change(rows, old_ug, {cause: value for cause, value in of.items() if cause != OLD})


def _added(block: bytes, part: Sums, keys: int, spread: bool) -> bytes:
    return pack(combine([unpack(block, keys, spread=spread), part]), spread=spread)


def _added_figures(block: bytes, part: Tally | None) -> bytes:
    return block if part is None else pack_tally(combine_tallies([unpack_tally(block, *FIGURES), part]))


def _combined(blocks: Sequence[bytes], keys: int, spread: bool) -> Sums:
    return combine([nothing(keys), *(unpack(block, keys, spread=spread) for block in blocks)])

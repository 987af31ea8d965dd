"""Standings that are kept in the process, and brought up to date with what was committed since.

A fold changes no sum of what is folded and what is not; it only moves rows from one to the other. So a kept standing is
right for a snapshot when it has the rows of every upload that the snapshot sees: those in the rollups, of which the
table `folds` says which rows came when, and those not folded yet. Rows that it lacks are read and added. What was taken
away (an abandoned upload) leaves a gap in `folds`, or an upload that is counted and not there; then all is made anew.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from vcci_server.storage.pool import Connection
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import Position, StoredSegment, pin_version, scan
from vcci_server.storage.standing import COLUMNS, Quarters, Standing, add_to, read_standing, sum_rows
from vcci_server.storage.summing import Run

MOST_KEPT = 64  # of all tenants and quarters; with 100,000 suppliers 5 MB each
MOST_FOLDS = 1_000  # since a standing was kept
MOST_FOLDED_ROWS = 500_000  # since then, and not in it: to read the rollups is quicker


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of the batches [start, stop) of an upload."""

    upload_id: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What a snapshot sees of a tenant."""

    folds: int
    version: int  # of merges
    not_folded: Mapping[int, Rows]  # by upload


@dataclass(frozen=True, slots=True)
class Kept:
    """A standing, and which rows are in it: all that were folded at its moment, and these uploads' up to a row."""

    standing: Standing
    folds: int
    version: int
    counted: Mapping[int, int]


_Key = tuple[int, Quarters, int]  # tenant, and the run as of which it is


class Standings:
    """The standings of all tenants."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._kept: OrderedDict[_Key, Kept] = OrderedDict()

    async def get(self, db: Connection, tenant_id: int, quarters: Quarters, as_of: int = 0) -> Standing:
        """Return the standing at the moment of the snapshot; the same object while nothing has changed.

        As of a run, unless that is 0, nothing is added: it is made anew when anything has changed.
        """
        key = tenant_id, quarters, as_of
        kept, moment = self._kept.get(key), await _moment(db, tenant_id)
        lacking = await _lacking(db, tenant_id, kept, moment) if kept is not None else None
        if kept is None or lacking is None or (as_of and (lacking or moment.folds != kept.folds)):
            standing = await read_standing(db, self._run, tenant_id, quarters, as_of=as_of)
        else:
            standing = await self._added(db, tenant_id, quarters, kept, lacking)
        counted = {upload_id: rows.stop for upload_id, rows in moment.not_folded.items()}
        if kept is None or moment.folds >= kept.folds:
            self._keep(key, Kept(standing, moment.folds, moment.version, counted))
        return standing

    async def _added(
        self, db: Connection, tenant_id: int, quarters: Quarters, kept: Kept, lacking: Sequence[Rows]
    ) -> Standing:
        if not lacking:
            return kept.standing
        segments = _segments(db, tenant_id, quarters, kept.version, lacking)
        added = await sum_rows(self._run, segments, quarters)
        return await self._run(add_to, kept.standing, added) if len(added) else kept.standing

    def _keep(self, key: _Key, kept: Kept) -> None:
        self._kept[key] = kept
        self._kept.move_to_end(key)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)


async def _moment(db: Connection, tenant_id: int) -> Moment:
    folds: int = await db.fetchval(QUERIES["count_of_folds"], tenant_id)
    not_folded = [Rows(*row) for row in await db.fetch(QUERIES["unfolded_uploads"], tenant_id)]
    return Moment(folds, await pin_version(db), {rows.upload_id: rows for rows in not_folded})


async def _lacking(db: Connection, tenant_id: int, kept: Kept, moment: Moment) -> list[Rows] | None:
    """Return the rows that a kept standing lacks; None: some are to be taken away, or too many, or not to be read."""
    count = moment.folds - kept.folds
    if not 0 <= count <= MOST_FOLDS:
        return None
    folded = [Rows(*row) for row in await db.fetch(QUERIES["folds_since"], tenant_id, kept.folds)] if count else []
    if len(folded) != count:
        return None
    lacking = lacking_rows(kept.counted, folded, moment.not_folded)
    if lacking is None or not folded:
        return lacking
    uploads = {rows.upload_id for rows in folded}
    if sum(rows.stop - rows.start for rows in lacking if rows.upload_id in uploads) > MOST_FOLDED_ROWS:
        return None
    swept: bool = await db.fetchval(QUERIES["version_is_swept"], kept.version)
    return None if swept else lacking


def lacking_rows(
    counted: Mapping[int, int], folded: Sequence[Rows], not_folded: Mapping[int, Rows]
) -> list[Rows] | None:
    """Return the rows that were folded since, or are not folded, and not counted; None: more is counted than is there.

    `folded` in the order of the folds, each of which begins where the one before of the same upload has ended.
    """
    there: dict[int, Rows] = {}
    for rows in (*folded, *not_folded.values()):
        first = there.get(rows.upload_id, rows)
        there[rows.upload_id] = Rows(rows.upload_id, first.start, rows.stop)
    if any(upload_id not in there or there[upload_id].stop < stop for upload_id, stop in counted.items()):
        return None
    new = [Rows(id, counted.get(id, rows.start), rows.stop) for id, rows in sorted(there.items())]
    return [rows for rows in new if rows.start < rows.stop]


async def _segments(
    db: Connection, tenant_id: int, quarters: Quarters, version: int, lacking: Sequence[Rows]
) -> AsyncIterator[StoredSegment]:
    """Yield the segments of rows as they were committed: none of them was merged at the version."""
    for rows in lacking:
        chosen = quarters.all.of_upload(rows.upload_id)
        after = Position(rows.upload_id, 0, rows.start)
        async for segment in scan(db, tenant_id, chosen, COLUMNS, version=version, after=after):
            if segment.position.batch_offset >= rows.stop:
                break
            yield segment

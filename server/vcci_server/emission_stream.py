"""Reading emissions page by page: each in a short transaction, all at the merge version of the first."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256

from vcci.v1 import emission_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.dates import EPOCH
from vcci_engine.errors import InvalidField

from vcci_server.emission_filters import check_expression, read_filter
from vcci_server.emission_gases import stored_parts
from vcci_server.emission_messages import OF_GASES, WRITERS, Dictionaries, distinct, parts
from vcci_server.storage.labels import FactorGases, Labels
from vcci_server.storage.pool import Connection, Pool
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import START, Filter, Position, StoredSegment, pin_version, scan, snapshot
from vcci_server.storage.summing import Run
from vcci_server.stored_pieces import Part
from vcci_server.tokens import read_token, write_token

PAGE_ROWS = 60_000  # emissions of one page; a stream holds two in memory
NEWEST = -1  # the merge version of a stream that has not begun
_DATES = range((date.min - EPOCH).days + 1, (date.max - EPOCH).days)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stream goes on: behind a segment, among those alive at a merge version."""

    version: int = NEWEST
    behind: Position = START


def read_place(request: pb.StreamEmissionsRequest, tenant_id: int) -> Place:
    """Return the place of a request's resume token, or the beginning."""
    token = request.resume_token
    key = read_token(token, _scope(request), tenant_id, default=(NEWEST, 0, 0, 0, 0, 0), field="resume_token")
    version, upload_id, merge_version, batch_offset, segment, quarter = map(int, key)
    if version == NEWEST:
        return Place()
    if quarter not in _DATES or not 0 <= segment < 1 << 31:
        raise InvalidField("resume_token", token, "a token of this stream", reason="INVALID_TOKEN")
    return Place(version, Position(upload_id, merge_version, batch_offset, segment, EPOCH + timedelta(days=quarter)))


def write_place(request: pb.StreamEmissionsRequest, tenant_id: int, place: Place) -> str:
    """Return the resume token of a place, good for the same request of the same tenant."""
    *key, quarter = place.behind
    return write_token(_scope(request), tenant_id, (place.version, *key, (quarter - EPOCH).days))


def _scope(request: pb.StreamEmissionsRequest) -> str:
    asked = pb.StreamEmissionsRequest(filter=request.filter, columns=request.columns, gwp_set=request.gwp_set)
    return f"emissions/{sha256(asked.SerializeToString(deterministic=True)).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Page:
    """Some parts of a stream, and what their ids stand for."""

    version: int
    parts: list[Part]
    dictionaries: Dictionaries


class EmissionReader:
    """Reads emissions of a tenant with the columns wanted, numbers of EmissionColumn, under the GWP set wanted."""

    def __init__(
        self, pool: Pool, run: Run, labels: Labels, tenant_id: int, wanted: frozenset[int], gwp_set: str
    ) -> None:
        self._pool = pool
        self._run = run
        self._labels = labels
        self._tenant_id = tenant_id
        self.wanted = wanted
        self._gwp_set = gwp_set
        self._chosen: Filter | None = None  # the filter, once it is read

    async def pages(self, given: emission_pb2.EmissionFilter, place: Place) -> AsyncGenerator[Page]:
        """Yield the pages behind a place. While one is in use the next is read, and no transaction stays open."""
        reading = asyncio.ensure_future(self._page(given, place))
        try:
            while True:
                page, behind = await reading
                if behind is None:
                    yield page
                    return
                reading = asyncio.ensure_future(self._page(given, behind))
                yield page
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _page(self, given: emission_pb2.EmissionFilter, place: Place) -> tuple[Page, Place | None]:
        """Return the page behind a place, and where the next one begins, if there is one."""
        async with snapshot(self._pool) as db:
            self._chosen = chosen = self._chosen or await self._filter(db, given)
            version = await _pin(db, place)
            segments = await self._read(db, chosen, Place(version, place.behind))
            found = await self._run(parts, segments, chosen)
            dictionaries = await self._dictionaries(db, found)
        more = sum(segment.n for segment in segments) >= PAGE_ROWS
        behind = Place(version, segments[-1].position) if more else None
        return Page(version, found, dictionaries), behind

    async def _filter(self, db: Connection, given: emission_pb2.EmissionFilter) -> Filter:
        chosen = await read_filter(db, self._tenant_id, given)
        check_expression(chosen, self._gwp_set)
        if chosen.gwp_set:
            self.wanted -= OF_GASES  # which set a row is in is not told by its factor then
        return chosen

    async def _read(self, db: Connection, chosen: Filter, place: Place) -> list[StoredSegment]:
        columns = sorted(chosen.columns.union(*(WRITERS[column].stored for column in self.wanted)))
        segments: list[StoredSegment] = []
        rows = 0
        scanned = scan(db, self._tenant_id, chosen, columns, version=place.version, after=place.behind)
        async with aclosing(scanned):
            async for segment in scanned:
                segments.append(segment)
                rows += segment.n
                if rows >= PAGE_ROWS:
                    break
        return segments

    async def _dictionaries(self, db: Connection, found: Sequence[Part]) -> Dictionaries:
        suppliers: dict[int, str] = {}
        keys: dict[int, str] = {}
        if pb.EMISSION_COLUMN_SUPPLIER in self.wanted:
            ids = await self._run(distinct, found, "supplier")
            suppliers = await self._labels.suppliers(db, self._tenant_id, ids)
        if pb.EMISSION_COLUMN_FACTOR in self.wanted:
            ids = await self._run(distinct, found, "factor")
            labels = await self._labels.factors(db, self._tenant_id, ids)
            keys = {number: label.key for number, label in labels.items()}
        gases: dict[int, FactorGases] = {}
        if self.wanted & OF_GASES:
            ids = await self._run(distinct, found, "factor")
            gases = await self._labels.gases(db, self._tenant_id, ids)
        return Dictionaries(suppliers, keys, await self._run(stored_parts, gases, self._gwp_set))


async def _pin(db: Connection, place: Place) -> int:
    """Return the merge version to read at: the stream's, as long as none of its segments is deleted."""
    if place.version == NEWEST:
        return await pin_version(db)
    if await db.fetchval(QUERIES["version_is_swept"], place.version):
        raise InvalidField("resume_token", "", "a stream begun less than an hour ago", reason="INVALID_TOKEN")
    return place.version

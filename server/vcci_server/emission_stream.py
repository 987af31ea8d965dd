"""Reading emissions page by page: each in a short transaction, all at the merge version of the first."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from hashlib import sha256

from vcci.v1 import emission_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.dates import EPOCH
from vcci_engine.errors import InvalidField

from vcci_server.emission_dictionaries import Dictionaries
from vcci_server.emission_filters import check_expression, read_filter
from vcci_server.emission_gases import StoredParts, stored_parts
from vcci_server.emission_messages import OF_GASES, WRITERS, Labels, Numbered, factors_of, numbered, write_response
from vcci_server.storage.labels import Labels as KnownLabels
from vcci_server.storage.pool import Connection, Pool
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.reading import (
    MOST_FETCHED,
    START,
    Filter,
    Position,
    StoredSegment,
    fetches,
    pin_version,
    snapshot,
)
from vcci_server.storage.summing import Run
from vcci_server.streams import ahead
from vcci_server.tokens import read_token, write_token

PAGE_BYTES = 4 << 20  # of the columns of a page; a stream holds two in memory
FIRST_ROWS = 10_000  # of the first page, so that there is soon something to send
NO_GASES = stored_parts({}, "")
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
    key = read_token(token, scope_of(request), tenant_id, default=(NEWEST, 0, 0, 0, 0, 0), field="resume_token")
    version, upload_id, merge_version, batch_offset, segment, quarter = map(int, key)
    if version == NEWEST:
        return Place()
    if quarter not in _DATES or not 0 <= segment < 1 << 31:
        raise InvalidField("resume_token", token, "a token of this stream", reason="INVALID_TOKEN")
    return Place(version, Position(upload_id, merge_version, batch_offset, segment, EPOCH + timedelta(days=quarter)))


def write_place(scope: str, tenant_id: int, version: int, behind: Position) -> str:
    """Return the resume token of a place, good for requests of the same scope of the same tenant."""
    *key, quarter = behind
    return write_token(scope, tenant_id, (version, *key, (quarter - EPOCH).days))


def scope_of(request: pb.StreamEmissionsRequest) -> str:
    """Return what a resume token is good for: all that a request asks for."""
    asked = pb.StreamEmissionsRequest(filter=request.filter, columns=request.columns, gwp_set=request.gwp_set)
    return f"emissions/{sha256(asked.SerializeToString(deterministic=True)).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Page:
    """Some parts of a stream, what is needed to write them, and where the next page begins, if there is one."""

    version: int
    parts: list[Numbered]
    dictionaries: Dictionaries
    labels: list[Labels]  # of each part
    behind: Place | None


@dataclass(frozen=True, slots=True)
class Fetch:
    """How many segments and rows are about a page."""

    segments: int
    rows: int

    @classmethod
    def like(cls, segments: Sequence[StoredSegment]) -> "Fetch":
        """Return how many it takes of segments like these."""
        size = sum(len(data) for segment in segments for data in segment.columns.values() if data)
        times = PAGE_BYTES / max(1, size)
        return cls(
            max(1, min(MOST_FETCHED, round(times * len(segments)))),
            max(1, round(times * sum(segment.n for segment in segments))),
        )


def write_page(page: Page, wanted: frozenset[int], token: Callable[[Position], str]) -> list[bytes]:
    """Return the responses with a page's rows, at once: to make a message takes no longer than to hand it over."""
    return [
        write_response(part, wanted, page.dictionaries, labels, token(part.pieces[-1].segment.position))
        for part, labels in zip(page.parts, page.labels, strict=True)
    ]


class EmissionReader:
    """Reads emissions of a tenant with the columns wanted, numbers of EmissionColumn, under the GWP set wanted."""

    def __init__(
        self, pool: Pool, run: Run, known: KnownLabels, tenant_id: int, wanted: frozenset[int], gwp_set: str
    ) -> None:
        self._pool = pool
        self._run = run
        self._known = known
        self._tenant_id = tenant_id
        self._wanted = wanted
        self._gwp_set = gwp_set
        self._chosen: Filter | None = None  # the filter, once it is read
        self._dictionaries = Dictionaries()
        self._fetch = Fetch(1, FIRST_ROWS)

    async def responses(self, request: pb.StreamEmissionsRequest) -> AsyncGenerator[bytes]:
        """Yield the responses to a request. While one is sent the next is made, and the page behind it is read."""
        place = read_place(request, self._tenant_id)
        pages = ahead(self.pages(request.filter, place))
        async with aclosing(ahead(self._written(pages, scope_of(request)))) as written:
            async for responses in written:
                for response in responses:
                    yield response

    async def _written(self, pages: AsyncGenerator[Page], scope: str) -> AsyncGenerator[list[bytes]]:
        async with aclosing(pages):
            async for page in pages:
                token = partial(write_place, scope, self._tenant_id, page.version)
                yield await self._run(write_page, page, self._wanted, token)

    async def pages(self, given: emission_pb2.EmissionFilter, place: Place) -> AsyncGenerator[Page]:
        """Yield the pages behind a place; while one is in use, no transaction is open."""
        behind: Place | None = place
        while behind is not None:
            page = await self._page(given, behind)
            behind = page.behind
            yield page

    async def _page(self, given: emission_pb2.EmissionFilter, place: Place) -> Page:
        if self._dictionaries.are_large:
            self._dictionaries = Dictionaries()
        async with snapshot(self._pool) as db:
            self._chosen = chosen = self._chosen or await self._filter(db, given)
            version = await _pin(db, place)
            segments, more = await self._read(db, chosen, Place(version, place.behind))
            parts = await self._run(numbered, segments, chosen, self._wanted, self._dictionaries)
            labels = await self._labels(db, parts)
        behind = Place(version, segments[-1].position) if more else None
        return Page(version, parts, self._dictionaries, labels, behind)

    async def _filter(self, db: Connection, given: emission_pb2.EmissionFilter) -> Filter:
        chosen = await read_filter(db, self._tenant_id, given)
        check_expression(chosen, self._gwp_set)
        if chosen.gwp_set:
            self._wanted -= OF_GASES  # which set a row is in is not told by its factor then
        return chosen

    async def _read(self, db: Connection, chosen: Filter, place: Place) -> tuple[list[StoredSegment], bool]:
        """Return about a page of segments behind a place, and whether there may be more."""
        columns = sorted(chosen.columns.union(*(WRITERS[column].stored for column in self._wanted)))
        segments: list[StoredSegment] = []
        size, rows = self._fetch, 0
        fetched = fetches(
            *(db, self._tenant_id, chosen, columns),
            version=place.version,
            after=place.behind,
            first=size.segments,
            rows=size.rows,
        )
        async with aclosing(fetched):
            async for some in fetched:
                segments += some
                rows += sum(segment.n for segment in some)
                if rows >= size.rows // 2:
                    self._fetch = Fetch.like(segments)
                    return segments, True
        return segments, False

    async def _labels(self, db: Connection, parts: Sequence[Numbered]) -> list[Labels]:
        gases = NO_GASES
        if self._wanted & OF_GASES:
            found = await self._known.gases(db, self._tenant_id, await self._run(factors_of, parts))
            gases = await self._run(stored_parts, found, self._gwp_set)
        return [await self._labels_of(db, part, gases) for part in parts]

    async def _labels_of(self, db: Connection, part: Numbered, gases: StoredParts) -> Labels:
        suppliers = part.supplier.new if part.supplier else ()
        factors = part.factor.new if part.factor else ()
        codes = await self._known.codes(db, self._tenant_id, suppliers)
        found = await self._known.factors(db, self._tenant_id, factors)
        return Labels(codes, [found[number].key for number in factors], gases)


async def _pin(db: Connection, place: Place) -> int:
    """Return the merge version to read at: the stream's, as long as none of its segments is deleted."""
    if place.version == NEWEST:
        return await pin_version(db)
    if await db.fetchval(QUERIES["version_is_swept"], place.version):
        raise InvalidField("resume_token", "", "a stream begun less than an hour ago", reason="INVALID_TOKEN")
    return place.version

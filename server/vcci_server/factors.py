"""FactorService: emission factors in immutable sets, one of them active."""

import asyncio
import re
from collections.abc import AsyncIterator

from vcci.v1 import factor_service_pb2 as pb
from vcci.v1 import factor_service_pb2_grpc
from vcci_engine.errors import InvalidField

from vcci_server.auth import caller
from vcci_server.cache import FactorCache
from vcci_server.factor_import import receive, starter_records
from vcci_server.factor_messages import COLLECTION, factor_message, set_message
from vcci_server.storage import factors
from vcci_server.storage.factors import FIRST, LAST
from vcci_server.storage.pool import Pool
from vcci_server.tokens import read_token, write_token
from vcci_server.validation import MAX_NAME_BYTES, MAX_STRING_BYTES, Problems, page_size, resource_id

IMPORTS_AT_ONCE = 2  # each holds a file and its factors; the next one's stream is not read before there is room
STARTER_NAME = "Starter factors"
_FACTOR_NAME = re.compile(rf"{COLLECTION}/(\d{{1,18}})/factors/(\d{{1,18}})", re.ASCII)


async def ensure_starter(pool: Pool, tenant_id: int) -> None:
    """Import the starter set and activate it, for a tenant that has no set at all."""
    if not await factors.list_sets(pool, tenant_id, limit=1):
        records = await asyncio.to_thread(starter_records)
        await factors.import_set(pool, tenant_id, STARTER_NAME, records, activate=True)


class FactorServicer(factor_service_pb2_grpc.FactorServiceServicer):
    """Factors of the caller's tenant."""

    def __init__(self, pool: Pool, cache: FactorCache) -> None:
        self._pool = pool
        self._cache = cache
        self._room = asyncio.Semaphore(IMPORTS_AT_ONCE)

    async def ListFactors(self, request: pb.ListFactorsRequest, context: object) -> pb.ListFactorsResponse:
        """List the factors of a set; a page token stays with the set of the first page."""
        tenant_id = caller().tenant_id
        _check_filter(request)
        size = page_size(request.page_size, 100, 1_000)
        scope = f"factors {[request.factor_set, request.source, request.text]}"
        place = read_token(request.page_token, scope, tenant_id, default=(0, *FIRST))
        set_id = int(place[0]) or await self._set_id(tenant_id, request.factor_set)
        found = await factors.list_factors(
            *(self._pool, tenant_id, set_id),
            limit=size + 1,
            after=place[1:],
            source=request.source,
            text=request.text,
        )
        more = len(found) > size
        return pb.ListFactorsResponse(
            factors=map(factor_message, found[:size]),
            next_page_token=write_token(scope, tenant_id, (set_id, *found[size - 1].key)) if more else "",
        )

    async def GetFactor(self, request: pb.GetFactorRequest, context: object) -> pb.Factor:
        """Return one factor."""
        set_id, factor_id = _factor_ids(request.name)
        return factor_message(await factors.get_factor(self._pool, caller().tenant_id, set_id, factor_id))

    async def ImportFactorSet(
        self, requests: AsyncIterator[pb.ImportFactorSetRequest], context: object
    ) -> pb.FactorSet:
        """Make a set from a file or from messages, all or nothing."""
        tenant_id = caller().tenant_id
        async with self._room:
            received = await receive(aiter(requests))
            base_id = received.base_set_id
            base = [] if base_id is None else await factors.read_set(self._pool, tenant_id, base_id)
            records = await asyncio.to_thread(received.records, base)
            name, activate = received.spec.display_name, received.spec.activate
            made = await factors.import_set(self._pool, tenant_id, name, records, activate=activate)
        if activate:
            await self._cache.activated(tenant_id)
        return set_message(made)

    async def ListFactorSets(self, request: pb.ListFactorSetsRequest, context: object) -> pb.ListFactorSetsResponse:
        """List the sets, newest first."""
        tenant_id = caller().tenant_id
        size = page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, COLLECTION, tenant_id, default=LAST)
        sets = await factors.list_sets(self._pool, tenant_id, limit=size + 1, before=before)
        more = len(sets) > size
        return pb.ListFactorSetsResponse(
            factor_sets=map(set_message, sets[:size]),
            next_page_token=write_token(COLLECTION, tenant_id, sets[size - 1].factor_set_id) if more else "",
        )

    async def ActivateFactorSet(self, request: pb.ActivateFactorSetRequest, context: object) -> pb.FactorSet:
        """Make a set the active one; in this process it is in use when this returns."""
        tenant_id = caller().tenant_id
        activated = await factors.activate(self._pool, tenant_id, resource_id(request.name, COLLECTION))
        await self._cache.activated(tenant_id)
        return set_message(activated)

    async def _set_id(self, tenant_id: int, name: str) -> int:
        """Return the id of a set that exists, of the active one when there is no name."""
        if not name:
            return await factors.active_set_id(self._pool, tenant_id)
        wanted = resource_id(name, COLLECTION, "factor_set")
        return (await factors.get_set(self._pool, tenant_id, wanted)).factor_set_id


def _factor_ids(name: str) -> tuple[int, int]:
    match = _FACTOR_NAME.fullmatch(name)
    if match is None:
        reason = "MALFORMED_VALUE" if name else "REQUIRED_FIELD"
        raise InvalidField("name", name, "a name `factorSets/{number}/factors/{number}`", reason=reason)
    return int(match[1]), int(match[2])


def _check_filter(request: pb.ListFactorsRequest) -> None:
    problems = Problems()
    problems.text("source", request.source, MAX_STRING_BYTES)
    problems.text("text", request.text, MAX_NAME_BYTES)
    problems.check()

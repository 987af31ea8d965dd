"""FactorService: emission factors in immutable sets, one of them active."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from vcci.v1 import factor_service_pb2 as pb
from vcci.v1 import factor_service_pb2_grpc

from vcci_server.auth import caller
from vcci_server.cache import FactorCache
from vcci_server.factor_changes import changed_records, check_batch, check_name, factor_ids
from vcci_server.factor_import import receive, starter_records
from vcci_server.factor_messages import (
    COLLECTION,
    activation_message,
    difference_message,
    factor_message,
    set_message,
)
from vcci_server.factor_search import FactorSearch, check_search, scope
from vcci_server.prices import import_starter
from vcci_server.storage import activations, audit, factor_changes, factor_differences, factors
from vcci_server.storage.activations import LAST
from vcci_server.storage.factors import FIRST, FactorSetRecord, StoredFactor
from vcci_server.storage.pool import Pool
from vcci_server.tokens import read_token, write_token
from vcci_server.validation import page_size, resource_id

IMPORTS_AT_ONCE = 2  # each holds a file and its factors; the next one's stream is not read before there is room
CHANGES_AT_ONCE = 2  # each copies a set, in a transaction
STARTER_NAME = "Starter factors"


async def ensure_starter(pool: Pool, tenant_id: int) -> None:
    """Import the starter factors and prices and activate them, for a tenant that has no set of factors at all."""
    if not await factors.list_sets(pool, tenant_id, limit=1):
        records = await asyncio.to_thread(starter_records)
        with audit.by_itself("ImportStarterSets"):
            await import_starter(pool, tenant_id)
            await factors.import_set(pool, tenant_id, STARTER_NAME, records, activate=True)


class FactorServicer(factor_service_pb2_grpc.FactorServiceServicer):
    """Factors of the caller's tenant."""

    def __init__(self, reader: Pool, writer: Pool, cache: FactorCache) -> None:
        self._reader = reader
        self._writer = writer
        self._cache = cache
        self._search = FactorSearch(reader)
        self._room = asyncio.Semaphore(IMPORTS_AT_ONCE)
        self._room_to_change = asyncio.Semaphore(CHANGES_AT_ONCE)

    async def ListFactors(self, request: pb.ListFactorsRequest, context: object) -> pb.ListFactorsResponse:
        """List the factors of a set; a page token stays with the set of the first page."""
        tenant_id = caller().tenant_id
        check_search(request)
        size = page_size(request.page_size, 100, 1_000)
        of = scope(request)
        place = read_token(request.page_token, of, tenant_id, default=(0, *FIRST))
        set_id = int(place[0]) or await self._set_id(tenant_id, request.factor_set)
        wanted = await self._search.wanted(tenant_id, set_id, request)
        found = await factors.list_factors(
            self._reader, tenant_id, set_id, limit=size + 1, after=place[1:], wanted=wanted
        )
        more = len(found) > size
        return pb.ListFactorsResponse(
            factors=map(factor_message, found[:size]),
            next_page_token=write_token(of, tenant_id, (set_id, *found[size - 1].key)) if more else "",
        )

    async def GetFactor(self, request: pb.GetFactorRequest, context: object) -> pb.Factor:
        """Return one factor."""
        set_id, factor_id = factor_ids(request.name)
        return factor_message(await factors.get_factor(self._reader, caller().tenant_id, set_id, factor_id))

    async def ImportFactorSet(
        self, requests: AsyncIterator[pb.ImportFactorSetRequest], context: object
    ) -> pb.FactorSet:
        """Make a set from a file or from messages, all or nothing."""
        tenant_id = caller().tenant_id
        async with self._room:
            received = await receive(aiter(requests))
            base_id = received.base_set_id
            base = [] if base_id is None else await factors.read_set(self._reader, tenant_id, base_id)
            records = await asyncio.to_thread(received.records, base)
            made = await factors.import_set(
                *(self._writer, tenant_id, received.spec.display_name, records),
                base_id=base_id,
                activate=received.spec.activate,
            )
        if received.spec.activate:
            await self._cache.activated(tenant_id)
        return set_message(made)

    async def UpdateFactor(self, request: pb.UpdateFactorRequest, context: object) -> pb.Factor:
        """Make a set in which a factor is changed; return the factor in it."""
        set_id, _ = factor_ids(request.factor.name, "factor.name")
        _, (factor,) = await self._change(set_id, [request], [""], request.set_display_name, request.activate)
        return factor_message(factor)

    async def BatchUpdateFactors(
        self, request: pb.BatchUpdateFactorsRequest, context: object
    ) -> pb.BatchUpdateFactorsResponse:
        """Make a set in which factors are changed."""
        set_id = resource_id(request.parent, COLLECTION, "parent")
        check_batch(request, set_id)
        places = [f"requests[{number}]." for number in range(len(request.requests))]
        made, changed = await self._change(set_id, request.requests, places, request.set_display_name, request.activate)
        return pb.BatchUpdateFactorsResponse(factors=map(factor_message, changed), factor_set=set_message(made))

    async def DiffFactorSets(self, request: pb.DiffFactorSetsRequest, context: object) -> pb.DiffFactorSetsResponse:
        """List what is different between two sets."""
        tenant_id = caller().tenant_id
        size = page_size(request.page_size, 100, 1_000)
        old, new = [
            (await self._set(tenant_id, getattr(request, field), field)).factor_set_id
            for field in ("old_factor_set", "new_factor_set")
        ]
        of = f"differences {old} {new}"
        after = read_token(request.page_token, of, tenant_id, default=FIRST)
        found = await factor_differences.list_differences(
            self._reader, tenant_id, old, new, limit=size + 1, after=after
        )
        more = len(found) > size
        return pb.DiffFactorSetsResponse(
            differences=map(difference_message, found[:size]),
            next_page_token=write_token(of, tenant_id, found[size - 1].key) if more else "",
        )

    async def GetFactorSet(self, request: pb.GetFactorSetRequest, context: object) -> pb.FactorSet:
        """Return one set."""
        return set_message(await self._set(caller().tenant_id, request.name, "name"))

    async def ListFactorSets(self, request: pb.ListFactorSetsRequest, context: object) -> pb.ListFactorSetsResponse:
        """List the sets, newest first."""
        tenant_id = caller().tenant_id
        size = page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, COLLECTION, tenant_id, default=LAST)
        sets = await factors.list_sets(self._reader, tenant_id, limit=size + 1, before=before)
        more = len(sets) > size
        return pb.ListFactorSetsResponse(
            factor_sets=map(set_message, sets[:size]),
            next_page_token=write_token(COLLECTION, tenant_id, sets[size - 1].factor_set_id) if more else "",
        )

    async def ActivateFactorSet(self, request: pb.ActivateFactorSetRequest, context: object) -> pb.FactorSet:
        """Make a set the active one; in this process it is in use when this returns."""
        tenant_id = caller().tenant_id
        set_id = resource_id(request.name, COLLECTION)
        activated = await factors.activate(self._writer, tenant_id, set_id)
        await self._cache.activated(tenant_id)
        return set_message(activated)

    async def ListFactorSetActivations(
        self, request: pb.ListFactorSetActivationsRequest, context: object
    ) -> pb.ListFactorSetActivationsResponse:
        """List who activated what, newest first."""
        tenant_id = caller().tenant_id
        size = page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, "activations", tenant_id, default=LAST)
        found = await activations.list_activations(self._reader, tenant_id, limit=size + 1, before=before)
        more = len(found) > size
        return pb.ListFactorSetActivationsResponse(
            activations=map(activation_message, found[:size]),
            next_page_token=write_token("activations", tenant_id, found[size - 1].activation_id) if more else "",
        )

    async def _change(
        self,
        set_id: int,
        requests: Sequence[pb.UpdateFactorRequest],
        places: Sequence[str],
        display_name: str,
        activate: bool,
    ) -> tuple[FactorSetRecord, list[StoredFactor]]:
        """Make a set of one with these changes; return it, and the changed factors in the order of the requests."""
        tenant_id = caller().tenant_id
        check_name(display_name)
        ids = [factor_ids(request.factor.name)[1] for request in requests]
        found = await factor_changes.select(self._reader, tenant_id, set_id, ids)
        changed = await asyncio.to_thread(changed_records, requests, found, places)
        async with self._room_to_change:
            made = await factor_changes.make_version(
                *(self._writer, tenant_id, set_id, changed),
                display_name=display_name,
                activate=activate,
            )
        if activate:
            await self._cache.activated(tenant_id)
        return made

    async def _set_id(self, tenant_id: int, name: str) -> int:
        """Return the id of a set that exists, of the active one when there is no name."""
        if not name:
            return await factors.active_set_id(self._reader, tenant_id)
        return (await self._set(tenant_id, name, "factor_set")).factor_set_id

    async def _set(self, tenant_id: int, name: str, field: str) -> FactorSetRecord:
        return await factors.get_set(self._reader, tenant_id, resource_id(name, COLLECTION, field))

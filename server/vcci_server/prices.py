"""PriceService: currency rates and price indices in immutable sets, at most one of them active."""

import asyncio
from collections.abc import AsyncIterator

from vcci.v1 import price_service_pb2 as pb
from vcci.v1 import price_service_pb2_grpc
from vcci_engine.currencies import CURRENCIES

from vcci_server.auth import caller
from vcci_server.cache import FactorCache
from vcci_server.importers import prices_csv, starter_prices
from vcci_server.price_import import receive
from vcci_server.price_messages import COLLECTION, activation_message, price_message, set_message
from vcci_server.storage import price_activations, prices
from vcci_server.storage.activations import LAST
from vcci_server.storage.pool import Pool
from vcci_server.storage.prices import FIRST
from vcci_server.tokens import read_token, write_token
from vcci_server.validation import Problems, page_size, resource_id

IMPORTS_AT_ONCE = 2  # each holds a file and its lines; the next one's stream is not read before there is room
STARTER_NAME = "Starter prices"


async def import_starter(pool: Pool, tenant_id: int) -> None:
    """Import the starter set and activate it."""
    records = await asyncio.to_thread(lambda: prices_csv.read(starter_prices()))
    await prices.import_set(pool, tenant_id, STARTER_NAME, records, activate=True)


class PriceServicer(price_service_pb2_grpc.PriceServiceServicer):
    """Prices of the caller's tenant; the cache keeps them with the factors."""

    def __init__(self, reader: Pool, writer: Pool, cache: FactorCache) -> None:
        self._reader = reader
        self._writer = writer
        self._cache = cache
        self._room = asyncio.Semaphore(IMPORTS_AT_ONCE)

    async def ListPrices(self, request: pb.ListPricesRequest, context: object) -> pb.ListPricesResponse:
        """List the lines of a set; a page token stays with the set of the first page."""
        tenant_id = caller().tenant_id
        problems = Problems()
        if request.currency and request.currency not in CURRENCIES:
            problems.add("currency", request.currency, "a code of ISO 4217, like EUR", "MALFORMED_VALUE")
        problems.check()
        size = page_size(request.page_size, 100, 1_000)
        scope = f"prices {[request.price_set, request.currency]}"
        place = read_token(request.page_token, scope, tenant_id, default=(0, *FIRST))
        set_id = int(place[0]) or await self._set_id(tenant_id, request.price_set)
        found = await prices.list_prices(
            *(self._reader, tenant_id, set_id), limit=size + 1, after=place[1:], currency=request.currency
        )
        more = len(found) > size
        return pb.ListPricesResponse(
            prices=map(price_message, found[:size]),
            next_page_token=write_token(scope, tenant_id, (set_id, *found[size - 1].key)) if more else "",
        )

    async def ImportPriceSet(self, requests: AsyncIterator[pb.ImportPriceSetRequest], context: object) -> pb.PriceSet:
        """Make a set from a file or from messages, all or nothing."""
        tenant_id = caller().tenant_id
        async with self._room:
            received = await receive(aiter(requests))
            base_id = received.base_set_id
            base = [] if base_id is None else await prices.read_set(self._reader, tenant_id, base_id)
            records = await asyncio.to_thread(received.records, base)
            name, activate = received.spec.display_name, received.spec.activate
            made = await prices.import_set(self._writer, tenant_id, name, records, activate=activate)
        if activate:
            await self._cache.activated(tenant_id)
        return set_message(made)

    async def ListPriceSets(self, request: pb.ListPriceSetsRequest, context: object) -> pb.ListPriceSetsResponse:
        """List the sets, newest first."""
        tenant_id = caller().tenant_id
        size = page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, COLLECTION, tenant_id, default=LAST)
        sets = await prices.list_sets(self._reader, tenant_id, limit=size + 1, before=before)
        more = len(sets) > size
        return pb.ListPriceSetsResponse(
            price_sets=map(set_message, sets[:size]),
            next_page_token=write_token(COLLECTION, tenant_id, sets[size - 1].price_set_id) if more else "",
        )

    async def ActivatePriceSet(self, request: pb.ActivatePriceSetRequest, context: object) -> pb.PriceSet:
        """Make a set the active one; in this process it is in use when this returns."""
        tenant_id = caller().tenant_id
        activated = await prices.activate(self._writer, tenant_id, resource_id(request.name, COLLECTION))
        await self._cache.activated(tenant_id)
        return set_message(activated)

    async def DeactivatePriceSet(self, request: pb.DeactivatePriceSetRequest, context: object) -> pb.PriceSet:
        """Leave the tenant without an active set, if it is this one; in this process at once."""
        tenant_id = caller().tenant_id
        set_id = resource_id(request.name, COLLECTION)
        deactivated = await prices.deactivate(self._writer, tenant_id, set_id)
        await self._cache.activated(tenant_id)
        return set_message(deactivated)

    async def ListPriceSetActivations(
        self, request: pb.ListPriceSetActivationsRequest, context: object
    ) -> pb.ListPriceSetActivationsResponse:
        """List who activated what, newest first."""
        tenant_id = caller().tenant_id
        size = page_size(request.page_size, 50, 1_000)
        before = read_token(request.page_token, "price activations", tenant_id, default=LAST)
        found = await price_activations.list_activations(self._reader, tenant_id, limit=size + 1, before=before)
        more = len(found) > size
        token = write_token("price activations", tenant_id, found[size - 1].activation_id) if more else ""
        return pb.ListPriceSetActivationsResponse(
            activations=map(activation_message, found[:size]), next_page_token=token
        )

    async def _set_id(self, tenant_id: int, name: str) -> int:
        """Return the id of a set that exists, of the active one when there is no name."""
        if not name:
            return await prices.active_set_id(self._reader, tenant_id)
        wanted = resource_id(name, COLLECTION, "price_set")
        return (await prices.get_set(self._reader, tenant_id, wanted)).price_set_id

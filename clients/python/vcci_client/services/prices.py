"""PriceService."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import grpc.aio
from vcci.v1 import price_service_pb2 as pb

from vcci_client.connection import Service

CHUNK_BYTES = 1 << 20
PRICES_PER_MESSAGE = 1_000
PRICES_PER_PAGE = 1_000

Contents = Path | Iterable[pb.Price] | None


class Prices(Service):
    """Currency rates and price indices, in immutable sets."""

    async def list_prices(self, price_set: str = "", *, currency: str = "") -> AsyncIterator[pb.Price]:
        """Yield the lines of a set, else of the active one: rates first, by currency, year and month."""
        request = pb.ListPricesRequest(price_set=price_set, page_size=PRICES_PER_PAGE, currency=currency)
        async for page in self.connection.pages(self.connection.prices.ListPrices, request):
            for price in page.prices:
                yield price

    async def import_price_set(self, spec: pb.PriceSetSpec, contents: Contents = None) -> pb.PriceSet:
        """Make a price set of a file in the spec's format, of lines, or (the starter set) of nothing."""
        requests = _import_requests(spec, contents)
        try:
            return await self.connection.prices.ImportPriceSet(requests, metadata=self.connection.metadata)
        except grpc.aio.AioRpcError as error:
            raise self.connection.error(error) from None

    async def list_price_sets(self) -> AsyncIterator[pb.PriceSet]:
        """Yield the price sets, newest first."""
        async for page in self.connection.pages(self.connection.prices.ListPriceSets, pb.ListPriceSetsRequest()):
            for price_set in page.price_sets:
                yield price_set

    async def activate_price_set(self, name: str) -> pb.PriceSet:
        """Make `priceSets/{set}` the active one."""
        request = pb.ActivatePriceSetRequest(name=name)
        return await self.connection.call(self.connection.prices.ActivatePriceSet, request)

    async def deactivate_price_set(self, name: str) -> pb.PriceSet:
        """Leave no set active, if `priceSets/{set}` is: money is then neither converted nor deflated."""
        request = pb.DeactivatePriceSetRequest(name=name)
        return await self.connection.call(self.connection.prices.DeactivatePriceSet, request)

    async def list_price_set_activations(self) -> AsyncIterator[pb.PriceSetActivation]:
        """Yield who activated or deactivated which set, newest first."""
        method = self.connection.prices.ListPriceSetActivations
        async for page in self.connection.pages(method, pb.ListPriceSetActivationsRequest()):
            for activation in page.activations:
                yield activation


async def _import_requests(spec: pb.PriceSetSpec, contents: Contents) -> AsyncIterator[pb.ImportPriceSetRequest]:
    yield pb.ImportPriceSetRequest(spec=spec)
    if isinstance(contents, Path):
        with contents.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield pb.ImportPriceSetRequest(chunk=chunk)
    else:
        prices = list(contents or ())
        for start in range(0, len(prices), PRICES_PER_MESSAGE):
            batch = pb.PriceBatch(prices=prices[start : start + PRICES_PER_MESSAGE])
            yield pb.ImportPriceSetRequest(prices=batch)

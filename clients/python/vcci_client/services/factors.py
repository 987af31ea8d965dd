"""FactorService."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import grpc.aio
from vcci.v1 import factor_service_pb2 as pb

from vcci_client.connection import Service

CHUNK_BYTES = 1 << 20
FACTORS_PER_MESSAGE = 1_000
FACTORS_PER_PAGE = 1_000

Contents = Path | Iterable[pb.Factor] | None


class Factors(Service):
    """Emission factors, in immutable sets."""

    async def list_factors(self, factor_set: str = "", *, source: str = "", text: str = "") -> AsyncIterator[pb.Factor]:
        """Yield the factors of a set, else of the active one, by key, region and year."""
        request = pb.ListFactorsRequest(factor_set=factor_set, page_size=FACTORS_PER_PAGE, source=source, text=text)
        async for page in self.connection.pages(self.connection.factors.ListFactors, request):
            for factor in page.factors:
                yield factor

    async def get_factor(self, name: str) -> pb.Factor:
        """Return the factor `factorSets/{set}/factors/{factor}`."""
        return await self.connection.call(self.connection.factors.GetFactor, pb.GetFactorRequest(name=name))

    async def import_factor_set(self, spec: pb.FactorSetSpec, contents: Contents = None) -> pb.FactorSet:
        """Make a factor set of a file in the spec's format, of factors, or (the starter set) of nothing."""
        requests = _import_requests(spec, contents)
        try:
            return await self.connection.factors.ImportFactorSet(requests, metadata=self.connection.metadata)
        except grpc.aio.AioRpcError as error:
            raise self.connection.error(error) from None

    async def list_factor_sets(self) -> AsyncIterator[pb.FactorSet]:
        """Yield the factor sets, newest first."""
        async for page in self.connection.pages(self.connection.factors.ListFactorSets, pb.ListFactorSetsRequest()):
            for factor_set in page.factor_sets:
                yield factor_set

    async def activate_factor_set(self, name: str) -> pb.FactorSet:
        """Make `factorSets/{set}` the active one."""
        request = pb.ActivateFactorSetRequest(name=name)
        return await self.connection.call(self.connection.factors.ActivateFactorSet, request)


async def _import_requests(spec: pb.FactorSetSpec, contents: Contents) -> AsyncIterator[pb.ImportFactorSetRequest]:
    yield pb.ImportFactorSetRequest(spec=spec)
    if isinstance(contents, Path):
        with contents.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield pb.ImportFactorSetRequest(chunk=chunk)
    else:
        factors = list(contents or ())
        for start in range(0, len(factors), FACTORS_PER_MESSAGE):
            batch = pb.FactorBatch(factors=factors[start : start + FACTORS_PER_MESSAGE])
            yield pb.ImportFactorSetRequest(factors=batch)

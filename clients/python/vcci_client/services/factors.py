"""FactorService."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask
from vcci.v1 import factor_service_pb2 as pb

from vcci_client.connection import Service

CHUNK_BYTES = 1 << 20
FACTORS_PER_MESSAGE = 1_000
FACTORS_PER_PAGE = 1_000

Contents = Path | Iterable[pb.Factor] | None


class Factors(Service):
    """Emission factors, in immutable sets."""

    async def list_factors(
        self,
        factor_set: str = "",
        *,
        source: str = "",
        text: str = "",
        region: str | None = None,
        year: int = 0,
        unit: str = "",
    ) -> AsyncIterator[pb.Factor]:
        """Yield the factors of a set, else of the active one, by source, code, region and year.

        Only those of a `source`, with every word of `text` in key or name, for a `region` (empty: the whole world), of
        a `year`, and per a `unit` or one that it can be converted into.
        """
        request = pb.ListFactorsRequest(
            factor_set=factor_set,
            page_size=FACTORS_PER_PAGE,
            source=source,
            text=text,
            region=region,
            year=year,
            unit=unit,
        )
        async for page in self.connection.pages(self.connection.factors.ListFactors, request):
            for factor in page.factors:
                yield factor

    async def get_factor(self, name: str) -> pb.Factor:
        """Return the factor `factorSets/{set}/factors/{factor}`."""
        return await self.connection.call(self.connection.factors.GetFactor, pb.GetFactorRequest(name=name))

    async def update_factor(
        self, factor: pb.Factor, fields: Iterable[str] = (), *, activate: bool = False, set_display_name: str = ""
    ) -> pb.Factor:
        """Make a set in which the factor of this name has the values given; return it as it is in that set.

        `fields` are those that change, "*" all of them; else those that are not empty in `factor`. To activate the set,
        the one that it is made of must be active.
        """
        request = pb.UpdateFactorRequest(
            factor=factor,
            update_mask=FieldMask(paths=fields),
            activate=activate,
            set_display_name=set_display_name,
        )
        return await self.connection.call(self.connection.factors.UpdateFactor, request)

    async def batch_update_factors(
        self,
        factor_set: str,
        requests: Iterable[pb.UpdateFactorRequest],
        *,
        activate: bool = False,
        set_display_name: str = "",
    ) -> pb.BatchUpdateFactorsResponse:
        """Make a set of `factorSets/{set}` with up to 1,000 changed factors, all or none."""
        request = pb.BatchUpdateFactorsRequest(
            parent=factor_set, requests=requests, activate=activate, set_display_name=set_display_name
        )
        return await self.connection.call(self.connection.factors.BatchUpdateFactors, request)

    async def import_factor_set(self, spec: pb.FactorSetSpec, contents: Contents = None) -> pb.FactorSet:
        """Make a factor set of a file in the spec's format, of factors, or (the starter set) of nothing."""
        requests = _import_requests(spec, contents)
        try:
            return await self.connection.factors.ImportFactorSet(requests, metadata=self.connection.metadata)
        except grpc.aio.AioRpcError as error:
            raise self.connection.error(error) from None

    async def get_factor_set(self, name: str) -> pb.FactorSet:
        """Return `factorSets/{set}`."""
        request = pb.GetFactorSetRequest(name=name)
        return await self.connection.call(self.connection.factors.GetFactorSet, request)

    async def list_factor_sets(self) -> AsyncIterator[pb.FactorSet]:
        """Yield the factor sets, newest first."""
        async for page in self.connection.pages(self.connection.factors.ListFactorSets, pb.ListFactorSetsRequest()):
            for factor_set in page.factor_sets:
                yield factor_set

    async def activate_factor_set(self, name: str) -> pb.FactorSet:
        """Make `factorSets/{set}` the active one."""
        request = pb.ActivateFactorSetRequest(name=name)
        return await self.connection.call(self.connection.factors.ActivateFactorSet, request)

    async def diff_factor_sets(self, old_factor_set: str, new_factor_set: str) -> AsyncIterator[pb.FactorDifference]:
        """Yield what is different in the new set, by source, code, region and year."""
        request = pb.DiffFactorSetsRequest(
            old_factor_set=old_factor_set, new_factor_set=new_factor_set, page_size=FACTORS_PER_PAGE
        )
        async for page in self.connection.pages(self.connection.factors.DiffFactorSets, request):
            for difference in page.differences:
                yield difference

    async def list_factor_set_activations(self) -> AsyncIterator[pb.FactorSetActivation]:
        """Yield who activated which set, newest first."""
        method = self.connection.factors.ListFactorSetActivations
        async for page in self.connection.pages(method, pb.ListFactorSetActivationsRequest()):
            for activation in page.activations:
                yield activation


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

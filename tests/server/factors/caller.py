"""A tenant's caller of FactorService, by its messages."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vcci.v1 import factor_service_pb2 as pb
from vcci.v1 import factor_service_pb2_grpc as rpc
from vcci_server.cache import FactorCache

SECRET = "a secret of the tests, long enough"
CHUNK_BYTES = 1 << 20
EPA_CO2E = "SupplyChainGHGEmissionFactors_v1.3.0_NAICS_CO2e_USD2022.csv"
EPA_BY_GAS = "SupplyChainGHGEmissionFactors_v1.3.0_NAICS_byGHG_USD2022.csv"
DESNZ = "desnz2025_flat.xlsx"
HEADER = "source,code,name,year,unit,kg_co2e,source_note"
DIESEL = "fuel,diesel,Diesel,2025,litre,2.57082,DESNZ 2025"
STARTER_FACTORS = 425

Requests = Iterable[pb.ImportFactorSetRequest]


@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant's caller of the service."""

    tenant_id: int
    stub: "rpc.FactorServiceAsyncStub"
    cache: FactorCache
    metadata: Sequence[tuple[str, str]]

    async def send(self, requests: Requests) -> pb.FactorSet:
        """Import what is sent as it is."""
        return await self.stub.ImportFactorSet(iter(requests), metadata=self.metadata)

    async def import_file(self, data: bytes, format: pb.FactorFormat.ValueType, **spec: Any) -> pb.FactorSet:
        """Import a file in chunks."""
        return await self.send(file_requests(data, format=format, **spec))

    async def import_csv(self, *lines: str, **spec: Any) -> pb.FactorSet:
        """Import lines below the usual header."""
        return await self.import_file("\n".join((HEADER, *lines)).encode(), pb.FACTOR_FORMAT_VCCI_CSV, **spec)

    async def import_messages(self, *factors: pb.Factor, **spec: Any) -> pb.FactorSet:
        """Import factors, a hundred a message."""
        batches = (pb.FactorBatch(factors=factors[start : start + 100]) for start in range(0, len(factors), 100))
        return await self.send([spec_request(**spec), *(pb.ImportFactorSetRequest(factors=batch) for batch in batches)])

    async def activate(self, name: str) -> pb.FactorSet:
        return await self.stub.ActivateFactorSet(pb.ActivateFactorSetRequest(name=name), metadata=self.metadata)

    async def get(self, name: str) -> pb.Factor:
        return await self.stub.GetFactor(pb.GetFactorRequest(name=name), metadata=self.metadata)

    async def page(self, **request: Any) -> pb.ListFactorsResponse:
        return await self.stub.ListFactors(pb.ListFactorsRequest(**request), metadata=self.metadata)

    async def factors(self, **request: Any) -> list[pb.Factor]:
        """All pages."""
        found: list[pb.Factor] = []
        page = await self.page(**request)
        found.extend(page.factors)
        while page.next_page_token:
            page = await self.page(**request, page_token=page.next_page_token)
            found.extend(page.factors)
        return found

    async def sets(self, **request: Any) -> pb.ListFactorSetsResponse:
        return await self.stub.ListFactorSets(pb.ListFactorSetsRequest(**request), metadata=self.metadata)


def spec_request(**spec: Any) -> pb.ImportFactorSetRequest:
    return pb.ImportFactorSetRequest(spec=pb.FactorSetSpec(**{"display_name": "A set", **spec}))


def file_requests(data: bytes, **spec: Any) -> Iterator[pb.ImportFactorSetRequest]:
    yield spec_request(**spec)
    for start in range(0, len(data), CHUNK_BYTES):
        yield pb.ImportFactorSetRequest(chunk=data[start : start + CHUNK_BYTES])


def diesel(**fields: Any) -> pb.Factor:
    diesel = {
        "source": "fuel", "code": "diesel", "display_name": "Diesel", "year": 2025, "unit": "litre",
        "kg_co2e": 2.57082, "source_note": "DESNZ 2025",
    }  # fmt: skip
    return pb.Factor(**{**diesel, **fields})

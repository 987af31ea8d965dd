"""EmissionService on a port, over uploads at every stage; and what it should say."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
from google.rpc import error_details_pb2, status_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci.v1 import emission_service_pb2_grpc as rpc
from vcci_client.emission_arrays import EmissionArrays, EmissionDecoder
from vcci_cluster import Executor
from vcci_engine.dates import EPOCH
from vcci_engine.quality import unpack
from vcci_server.auth import make_token
from vcci_server.emissions import EmissionServicer
from vcci_server.storage.pool import Pool

from tests.server.behind import behind, boundary_of
from tests.server.stages import Stages, mixed_stages
from tests.server.stored_emissions import SPEND_FACTOR, Row, StoredEmissions

SECRET = "a secret of the tests, long enough"
DIMENSIONS: dict[int, Callable[[Row], str]] = {
    pb.DIMENSION_SUPPLIER: lambda row: row.supplier,
    pb.DIMENSION_CATEGORY: lambda row: str(row.category),
    pb.DIMENSION_MONTH: lambda row: f"{row.period:%Y-%m}",
    pb.DIMENSION_QUARTER: lambda row: f"{row.period.year}-Q{(row.period.month + 2) // 3}",
    pb.DIMENSION_YEAR: lambda row: str(row.period.year),
    pb.DIMENSION_COUNTRY: lambda row: row.country,
    pb.DIMENSION_METHOD: lambda row: ("", "supplier_specific", "average_data", "spend_based")[row.method],
    pb.DIMENSION_FACTOR: lambda row: row.factor,
    pb.DIMENSION_GROUP: lambda row: row.group,
    pb.DIMENSION_SOURCE: lambda row: row.factor.partition(":")[0],
    pb.DIMENSION_METHOD_TIER: lambda row: _tier(row.factor),
}


def _tier(factor: str) -> str:
    if not factor:
        return "supplier_specific"
    return "spend_based" if factor == SPEND_FACTOR else "average_data"


@dataclass(frozen=True, slots=True)
class Reader:
    """A caller of the service, and what the service should say."""

    stages: Stages
    stub: "rpc.EmissionServiceAsyncStub"

    @property
    def store(self) -> StoredEmissions:
        return self.stages.store

    def metadata(self, tenant: str = "") -> Sequence[tuple[str, str]]:
        token = make_token(SECRET, tenant or self.store.tenant, "tester", 600)
        return (("authorization", f"Bearer {token}"),)

    def stream(self, tenant: str = "", **request: Any) -> AsyncIterator[pb.StreamEmissionsResponse]:
        return aiter(self.stub.StreamEmissions(pb.StreamEmissionsRequest(**request), metadata=self.metadata(tenant)))

    async def first(self, **request: Any) -> pb.StreamEmissionsResponse:
        """Return the first response of a stream, and end it."""
        call = self.stub.StreamEmissions(pb.StreamEmissionsRequest(**request), metadata=self.metadata())
        try:
            response = await call.read()
            assert isinstance(response, pb.StreamEmissionsResponse)
            return response
        finally:
            call.cancel()

    async def rows(self, **request: Any) -> list[Row]:
        return rows_of([response async for response in self.stream(**request)])

    async def totals(self, tenant: str = "", **request: Any) -> pb.AggregateEmissionsResponse:
        message = pb.AggregateEmissionsRequest(**request)
        return await self.stub.AggregateEmissions(message, metadata=self.metadata(tenant))

    def simulate(self, tenant: str = "", **request: Any) -> Any:
        return self.stub.SimulateEmissions(pb.SimulateEmissionsRequest(**request), metadata=self.metadata(tenant))

    async def simulated(self, **request: Any) -> pb.SimulatedEmissions:
        *_, last = [response async for response in self.simulate(**request)]
        assert isinstance(last, pb.SimulateEmissionsResponse)
        return last.result

    def expected(self, dimensions: Sequence[int], rows: Sequence[Row]) -> list[tuple[tuple[str, ...], int, float]]:
        """Return the groups of rows, largest first: keys, number of rows, kg."""
        groups: dict[tuple[str, ...], list[Row]] = {}
        for row in rows:
            groups.setdefault(tuple(DIMENSIONS[dimension](row) for dimension in dimensions), []).append(row)
        ordered = sorted((-sum(row.terms[0] for row in group), keys) for keys, group in groups.items())
        return [(keys, len(groups[keys]), -ug / 10**9) for ug, keys in ordered]


@asynccontextmanager
async def serve_emissions(pool: Pool, executor: Executor | None = None) -> AsyncIterator[Reader]:
    """Serve behind the boundary, on a port; works run on `executor`, else in this process."""
    async with mixed_stages(pool) as stages:
        adding = rpc.add_EmissionServiceServicer_to_server, EmissionServicer(pool, executor or stages.executor)
        async with behind(boundary_of(pool, SECRET), adding) as address, grpc.aio.insecure_channel(address) as channel:
            yield Reader(stages, rpc.EmissionServiceStub(channel))


def rows_of(responses: Iterable[pb.StreamEmissionsResponse]) -> list[Row]:
    """Return responses of all columns, from the first of a call on, as rows."""
    return [row for emissions in decoded(responses) for row in _rows(emissions)]


def decoded(responses: Iterable[pb.StreamEmissionsResponse]) -> list[EmissionArrays]:
    """Return responses, from the first of a call on, as the client does."""
    return [*map(EmissionDecoder().decode, responses)]


def _rows(emissions: EmissionArrays) -> list[Row]:
    """Sigma is left out, since gsd2 is compared apart."""
    n = emissions.rows
    inputs: list[dict[str, float]] = [{} for _ in range(n)]
    for name, column in emissions.inputs.items():
        for row, value in zip(range(n) if column.rows is None else column.rows, column.values, strict=True):
            inputs[row][name] = float(value)
    uploads, suppliers, units, factors, groups = (
        texts.texts() or [""] * n
        for texts in (emissions.upload, emissions.supplier, emissions.unit, emissions.factor, emissions.group)
    )
    return [
        Row(
            upload_id=int(uploads[n].removeprefix("uploads/")),
            row=int(emissions.row[n]),
            supplier=suppliers[n],
            country="",
            category=int(emissions.category[n]),
            method=int(emissions.method[n]),
            period=date.fromordinal(EPOCH.toordinal() + int(emissions.period[n])),
            quantity=float(emissions.quantity[n]),
            unit=units[n],
            factor_id=0,
            factor=factors[n],
            quality=int(emissions.quality[n]),
            kg_co2e=float(emissions.kg_co2e[n]),
            sigma=float(emissions.gsd2[n]),
            notices=int(emissions.notices[n]),
            group=groups[n],
            reference=emissions.references[n] if emissions.references else "",
            inputs=inputs[n],
        )
        for n in range(n)
    ]


def as_sent(rows: Sequence[Row]) -> list[Row]:
    """Return rows as a client sees them, by upload and row."""
    sent = []
    for row in rows:
        values = {name: getattr(row, name) for name in Row.__slots__}
        quality = int(unpack(np.array([row.quality], np.uint16))[0])
        gsd2 = float(np.float32(np.exp(2 * row.sigma)))
        sent.append(Row(**{**values, "country": "", "factor_id": 0, "quality": quality, "sigma": gsd2}))
    return by_key(sent)


def by_key(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row.upload_id, row.row))


async def status_of(call: Awaitable[object]) -> tuple[str, status_pb2.Status]:
    """Return the code and details of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    details = dict(raised.value.trailing_metadata() or ())["grpc-status-details-bin"]
    assert isinstance(details, bytes)
    return raised.value.code().name, status_pb2.Status.FromString(details)


async def refusal(call: Awaitable[object]) -> tuple[str, str]:
    """Return the code and reason of a call that fails."""
    code, status = await status_of(call)
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    return code, info.reason


async def problem(call: Awaitable[object]) -> tuple[str, str]:
    """Return the field and reason of a call that is refused for one field."""
    code, status = await status_of(call)
    assert code == "INVALID_ARGUMENT"
    request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(request) for detail in status.details)
    (violation,) = request.field_violations
    return violation.field, violation.reason

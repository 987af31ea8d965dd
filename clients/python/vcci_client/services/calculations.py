"""CalculationService."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any

import grpc.aio
from vcci.v1 import activity_pb2
from vcci.v1 import calculation_service_pb2 as pb
from vcci.v1.explanation_pb2 import Explanation

from vcci_client.connection import Service
from vcci_client.encode import calculate_request
from vcci_client.source import Rows, batches_of

BATCH_ROWS = 25_000
STREAM = "/vcci.v1.CalculationService/CalculateStream"


class Calculations(Service):
    """Calculation without an upload."""

    async def calculate(
        self,
        activities: Iterable[activity_pb2.Activity],
        *,
        keep: bool = False,
        request_id: str = "",
        allow_negative: bool = False,
        gwp_set: str = "",
        include_composition: bool = False,
        draws: int = 0,
        seed: int = 0,
    ) -> pb.CalculateResponse:
        """Calculate up to 100 activities, all or none; with `keep` they are stored too, once per request id.

        `gwp_set` expresses them under that set of global warming potentials (`AR6`), else each is under its factor's.
        With `draws`, 1,000 to 1,000,000, each estimate has a `simulation` by Monte Carlo.
        """
        request = pb.CalculateRequest(
            activities=activities,
            keep=keep,
            request_id=request_id or (uuid.uuid4().hex if keep else ""),
            allow_negative=allow_negative,
            gwp_set=gwp_set,
            include_composition=include_composition,
            draws=draws,
            seed=seed,
        )
        return await self.connection.call(self.connection.calculations.Calculate, request)

    async def explain(self, name: str, *, as_of: str = "") -> Explanation:
        """Explain the stored emission `uploads/{upload}/emissions/{row}`, as ingested or as of `runs/{run}`.

        `vcci_client.explanation.on_paper` prints it.
        """
        request = pb.ExplainRequest(name=name, as_of=as_of)
        return await self.connection.call(self.connection.calculations.Explain, request)

    async def calculate_stream(
        self,
        rows: Rows,
        *,
        allow_negative: bool = False,
        gwp_set: str = "",
        include_composition: bool = False,
        batch_rows: int = BATCH_ROWS,
    ) -> AsyncIterator[pb.CalculateStreamResponse]:
        """Calculate rows, as `upload` takes them, and store nothing; one answer per batch, in order."""

        encode = partial(
            calculate_request,
            allow_negative=allow_negative,
            gwp_set=gwp_set,
            include_composition=include_composition,
        )

        async def requests() -> AsyncIterator[bytes]:
            async for batch in batches_of(rows, batch_rows):
                yield await asyncio.to_thread(encode, batch)

        method: Any = self.connection.channel.stream_stream(
            STREAM, response_deserializer=pb.CalculateStreamResponse.FromString
        )
        call = method(requests(), metadata=self.connection.metadata)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise self.connection.error(error) from None
        finally:
            call.cancel()

"""CalculationService: emissions without an upload."""

import asyncio
from collections.abc import AsyncIterator

from vcci import columns as twins
from vcci.v1 import calculation_service_pb2 as pb
from vcci.v1 import calculation_service_pb2_grpc
from vcci_cluster.placement import Executor, Work
from vcci_engine.errors import FieldProblem, InvalidBatch, InvalidField, InvalidFields, InvalidInput, Unavailable
from vcci_engine.factors import FactorTable
from vcci_engine.groups import group_totals
from vcci_engine.results import RowErrors
from vcci_engine.totals import total

from vcci_server.admission import Admission
from vcci_server.auth import caller
from vcci_server.batches import decode_and_calculate, estimated_s, row_count, row_error_messages, tell
from vcci_server.cache import FactorCache
from vcci_server.calculation_messages import emission_messages, estimate_message, fill_emission_columns, group_message
from vcci_server.early import EarlyErrors
from vcci_server.keeping import Keeping
from vcci_server.messages import calculate_batch
from vcci_server.recall import Recall
from vcci_server.row_messages import decode
from vcci_server.validation import BatchLimits, Problems

MOST_ACTIVITIES = 100


class CalculationServicer(calculation_service_pb2_grpc.CalculationServiceServicer):
    """Calculates with the active factors of the caller's tenant."""

    def __init__(
        self, factors: FactorCache, executor: Executor, admission: Admission, keeping: Keeping, limits: BatchLimits
    ) -> None:
        self._factors = factors
        self._executor = executor
        self._admission = admission
        self._keeping = keeping
        self._limits = limits
        self._recall = Recall()
        self._draining = asyncio.Event()

    async def Calculate(self, request: pb.CalculateRequest, context: object) -> pb.CalculateResponse:
        """Calculate a few activities, all or none, on the event loop: they cost less than a thread's turn."""
        _check(request)
        tenant_id = caller().tenant_id
        table = self._factors.peek(tenant_id) or await self._factors.table(tenant_id)
        single = len(request.activities) == 1 and not request.keep and not request.activities[0].group
        if single and (known := self._recall.response(request.activities[0], table, request.allow_negative)):
            return known
        activities, early = decode(request.activities, EarlyErrors())
        calculation = calculate_batch(activities, early, table, request.allow_negative, whole_groups=True)
        if len(calculation.errors):
            raise InvalidFields(_problems(calculation.errors))
        response = pb.CalculateResponse(
            emissions=emission_messages(calculation.emissions, activities, table),
            total=estimate_message(total(calculation.emissions, table)),
            groups=map(group_message, group_totals(calculation.emissions, table)),
        )
        if single:
            self._recall.remember(request.activities[0], table, activities, calculation.emissions)
        if request.keep:
            upload_id = await self._keeping.keep(tenant_id, request.request_id, activities, calculation)
            response.upload = f"uploads/{upload_id}"
        return response

    async def CalculateStream(  # type: ignore[override]  # serialized already, as the boundary takes it
        self, requests: AsyncIterator[pb.CalculateStreamRequest], context: object
    ) -> AsyncIterator[bytes]:
        """Calculate batches one after the other, each within the room for batches in memory."""
        tenant_id = caller().tenant_id
        async with self._admission.stream():
            while True:
                try:
                    request = await self._next(requests)
                except InvalidInput as error:
                    yield _refused(error)
                    continue
                if request is None:
                    return
                yield await self._calculate(request, tenant_id)

    def drain(self) -> None:
        """End the open streams after the batch that each is at."""
        self._draining.set()

    async def _calculate(self, request: pb.CalculateStreamRequest, tenant_id: int) -> bytes:
        size = request.ByteSize()
        await self._admission.take(size)
        try:
            table = await self._factors.table(tenant_id)
            return await self._executor.run(_work(request, table, self._limits))
        finally:
            self._admission.give_back(size)

    async def _next(self, requests: AsyncIterator[pb.CalculateStreamRequest]) -> pb.CalculateStreamRequest | None:
        """Return the next request, None at the end; raise Unavailable when the server drains."""
        following = asyncio.ensure_future(_next_or_none(requests))
        draining = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait((following, draining), return_when=asyncio.FIRST_COMPLETED)
            if self._draining.is_set():
                raise Unavailable("The server is going down: connect again", reason="DRAINING")
            return following.result()
        finally:
            following.cancel()
            draining.cancel()


async def _next_or_none(requests: AsyncIterator[pb.CalculateStreamRequest]) -> pb.CalculateStreamRequest | None:
    return await anext(requests, None)


def _check(request: pb.CalculateRequest) -> None:
    count = len(request.activities)
    if not 1 <= count <= MOST_ACTIVITIES:
        reason = "LIMIT_EXCEEDED" if count else "REQUIRED_FIELD"
        raise InvalidField("activities", count, f"1 to {MOST_ACTIVITIES} activities", reason=reason)
    if request.keep:
        problems = Problems()
        problems.request_id(request.request_id)
        problems.check()


def _problems(errors: RowErrors) -> list[FieldProblem]:
    columns = zip(errors.row.tolist(), errors.reason, errors.field, errors.value, errors.expected, strict=True)
    return [
        FieldProblem(f"activities[{row}].{field}", value, expected, reason.name)
        for row, reason, field, value, expected in columns
    ]


def _work(request: pb.CalculateStreamRequest, table: FactorTable, limits: BatchLimits) -> Work[bytes]:
    return Work(
        name="calculate_stream",
        function=answer,
        args=(request, limits),
        estimated_s=estimated_s(request),
        rows=row_count(request),
        shared=(table,),
    )


def answer(table: FactorTable, request: pb.CalculateStreamRequest, limits: BatchLimits) -> bytes:
    """Return the serialized response to one batch; a function of the module, so that Ray can run it."""
    try:
        activities, calculation = decode_and_calculate(table, request, limits, request.allow_negative)
    except InvalidBatch as error:
        return _refused(error)
    response = twins.CalculateStreamResponse()
    batch = response.batch
    fill_emission_columns(batch.emissions, calculation.emissions, activities, table)
    batch.row_errors.extend(row_error_messages(calculation, activities, 0, len(calculation.errors)))
    batch.total.CopyFrom(estimate_message(total(calculation.emissions, table)))
    batch.factor_set = f"factorSets/{table.set_id}"
    serialized: bytes = response.SerializeToString()
    return serialized


def _refused(error: InvalidInput) -> bytes:
    response = pb.CalculateStreamResponse()
    tell(response.refusal, error)
    return response.SerializeToString()

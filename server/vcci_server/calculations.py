"""CalculationService: emissions without an upload."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import numpy as np
from google.longrunning import operations_proto_pb2 as longrunning
from vcci import columns as twins
from vcci.v1 import calculation_service_pb2 as pb
from vcci.v1 import calculation_service_pb2_grpc, emission_pb2, explanation_pb2
from vcci_cluster.placement import Executor, Work
from vcci_engine.errors import FieldProblem, InvalidBatch, InvalidField, InvalidFields, InvalidInput, Unavailable
from vcci_engine.express import consist_of, mixes_sets, total_of
from vcci_engine.factors import FactorTable
from vcci_engine.groups import group_totals
from vcci_engine.gwp import GWP_SETS
from vcci_engine.results import Emissions, RowErrors
from vcci_engine.simulations import simulate
from vcci_engine.totals import total

from vcci_server.admission import Admission, Stream
from vcci_server.auth import caller
from vcci_server.batches import decode_and_calculate, estimated_s, row_count, row_error_messages, tell
from vcci_server.cache import FactorCache
from vcci_server.calculation_messages import (
    emission_messages,
    estimate_message,
    fill_composition,
    fill_emission_columns,
    group_message,
    tell_simulations,
)
from vcci_server.early import EarlyErrors
from vcci_server.explanations import emission_name, explanation_message
from vcci_server.gas_messages import GWP_SETS_EXPECTED, check_gwp_set, composition_messages
from vcci_server.keeping import Keeping
from vcci_server.messages import calculate_batch
from vcci_server.quotas import Quotas
from vcci_server.recall import Recall
from vcci_server.row_messages import decode
from vcci_server.runs import RunServicer
from vcci_server.simulating import check_draws, simulation_work
from vcci_server.storage import uploads
from vcci_server.storage.explaining import read_evidence
from vcci_server.storage.pool import Pool
from vcci_server.validation import BatchLimits, Problems, resource_id

MOST_ACTIVITIES = 100
MOST_ROW_DRAWS = 10_000_000  # all in memory: 80 MB


class CalculationServicer(calculation_service_pb2_grpc.CalculationServiceServicer):
    """Calculates with the active factors of the caller's tenant."""

    def __init__(
        self,
        factors: FactorCache,
        executor: Executor,
        admission: Admission,
        keeping: Keeping,
        limits: BatchLimits,
        pool: Pool,
        runs: RunServicer,
        quotas: Quotas,
    ) -> None:
        self._quotas = quotas
        self._pool = pool
        self._factors = factors
        self._executor = executor
        self._admission = admission
        self._keeping = keeping
        self._runs = runs
        self._limits = limits
        self._recall = Recall()
        self._draining = asyncio.Event()

    async def Calculate(  # type: ignore[override]  # it may be serialized already, as the boundary takes it
        self, request: pb.CalculateRequest, context: object
    ) -> pb.CalculateResponse | bytes:
        """Calculate a few activities, all or none, on the event loop: they cost less than a thread's turn."""
        tenant_id = caller().tenant_id
        if (table := self._factors.peek(tenant_id)) is None:
            table = await self._factors.table(tenant_id)
        if known := self._recall.response(request, table):
            return known
        _check(request)
        single = len(request.activities) == 1 and not (request.keep or request.draws or request.activities[0].group)
        single = single and not request.gwp_set and not request.include_composition
        activities, early = decode(request.activities, EarlyErrors())
        calculation = calculate_batch(
            *(activities, early, table, request.allow_negative), whole_groups=True, gwp_set=request.gwp_set
        )
        if len(calculation.errors):
            raise InvalidFields(_problems(calculation.errors))
        response = pb.CalculateResponse(
            emissions=emission_messages(calculation.emissions, activities, table, request.gwp_set),
            total=estimate_message(total(calculation.emissions, table)),
            groups=map(group_message, group_totals(calculation.emissions, table)),
            mixed_gwp_sets=mixes_sets(calculation.emissions, table, request.gwp_set),
        )
        if request.include_composition:
            _add_compositions(response, calculation.emissions, table, request.gwp_set)
        # Of a factor of several GWP sets an amount of 0 does not show that they are mixed.
        if single and not response.mixed_gwp_sets and (table.parts.one_set or response.total.kg_co2e):
            self._recall.remember(request, table, activities, calculation.emissions)
        if request.draws:
            asked = (calculation.emissions, request.draws, request.seed)
            work = simulation_work(simulate, (table,), asked, len(calculation.emissions), request.draws)
            tell_simulations(response, await self._executor.run(work))
        if request.keep:
            stored = partial(uploads.stored_rows, self._pool, tenant_id)
            async with self._quotas.of(caller()).storing(len(activities), stored):
                kept = await self._keeping.keep(tenant_id, request.request_id, activities, calculation)
            response.upload = f"uploads/{kept.upload_id}"
            for row, emission in enumerate(response.emissions, kept.first_row):
                emission.name = f"{response.upload}/emissions/{row}"
        return response

    async def CalculateStream(  # type: ignore[override]  # serialized already, as the boundary takes it
        self, requests: AsyncIterator[pb.CalculateStreamRequest], context: object
    ) -> AsyncIterator[bytes]:
        """Calculate batches one after the other, each within the room for batches in memory."""
        tenant_id = caller().tenant_id
        async with self._admission.stream(caller()) as stream:
            while True:
                try:
                    request = await self._next(requests)
                except InvalidInput as error:
                    yield _refused(error)
                    continue
                if request is None:
                    return
                yield await self._calculate(request, tenant_id, stream)

    async def Explain(self, request: pb.ExplainRequest, context: object) -> explanation_pb2.Explanation:
        """Say how one stored emission was calculated, and calculate it again."""
        upload_id, row = emission_name(request.name)
        as_of = resource_id(request.as_of, "runs", "as_of") if request.as_of else 0
        evidence = await read_evidence(self._pool, caller().tenant_id, upload_id, row, as_of)
        return await asyncio.to_thread(explanation_message, request.name, evidence)

    async def Recalculate(self, request: pb.RecalculateRequest, context: object) -> longrunning.Operation:
        """Begin to restate what is stored."""
        return await self._runs.begin(request)

    def drain(self) -> None:
        """End the open streams after the batch that each is at."""
        self._draining.set()

    async def _calculate(self, request: pb.CalculateStreamRequest, tenant_id: int, stream: Stream) -> bytes:
        size = request.ByteSize()
        await stream.take(size, row_count(request))
        try:
            table = await self._factors.table(tenant_id)
            return await self._executor.run(_work(request, table, self._limits))
        finally:
            stream.give_back(size)

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
    problems = Problems()
    check_gwp_set(problems, "gwp_set", request.gwp_set)
    if request.keep:
        problems.request_id(request.request_id)
        if request.gwp_set:
            expected = "none with keep: what is stored stays under its factors' own; ask for another when it is read"
            problems.add("gwp_set", request.gwp_set, expected, "MALFORMED_VALUE")
    if request.draws:
        check_draws(request.draws, problems)
        if _row_draws(request) > MOST_ROW_DRAWS:
            expected = f"at most {MOST_ROW_DRAWS // count:,} draws of {count} activities"
            problems.add("draws", request.draws, expected, "LIMIT_EXCEEDED")
    problems.check()


def _add_compositions(response: pb.CalculateResponse, emissions: Emissions, table: FactorTable, gwp_set: str) -> None:
    lines = np.arange(len(emissions))
    each = composition_messages(consist_of(emissions, table, lines, len(lines), gwp_set))
    for emission, composition in zip(response.emissions, each, strict=True):
        emission.composition.CopyFrom(composition)
    response.composition.CopyFrom(_of_all(emissions, table, gwp_set))


def _of_all(emissions: Emissions, table: FactorTable, gwp_set: str) -> emission_pb2.Composition:
    return composition_messages(total_of(emissions, table, gwp_set))[0]


def _row_draws(request: pb.CalculateRequest) -> int:
    return len(request.activities) * request.draws


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
    gwp_set = request.gwp_set
    try:
        if gwp_set and gwp_set not in GWP_SETS:
            raise InvalidBatch("gwp_set", gwp_set, GWP_SETS_EXPECTED, reason="UNKNOWN_GWP_SET")
        arguments = table, request, limits, request.allow_negative
        activities, calculation = decode_and_calculate(*arguments, gwp_set=gwp_set)
    except InvalidBatch as error:
        return _refused(error)
    response = twins.CalculateStreamResponse()
    batch = response.batch
    fill_emission_columns(batch.emissions, calculation.emissions, activities, table)
    batch.row_errors.extend(row_error_messages(calculation, activities, 0, len(calculation.errors)))
    batch.total.CopyFrom(estimate_message(total(calculation.emissions, table)))
    batch.factor_set = f"factorSets/{table.set_id}"
    batch.mixed_gwp_sets = mixes_sets(calculation.emissions, table, gwp_set)
    if request.include_composition:
        fill_composition(batch.emissions, calculation.emissions, table, gwp_set)
        batch.composition.CopyFrom(_of_all(calculation.emissions, table, gwp_set))
    serialized: bytes = response.SerializeToString()
    return serialized


def _refused(error: InvalidInput) -> bytes:
    response = pb.CalculateStreamResponse()
    tell(response.refusal, error)
    return response.SerializeToString()

"""EmissionService: reading what is stored, as rows or as sums."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

from vcci.v1 import emission_service_pb2 as pb
from vcci.v1 import emission_service_pb2_grpc
from vcci_cluster import Executor
from vcci_engine.errors import Overloaded
from vcci_engine.simulations import Simulation

from vcci_server.auth import caller
from vcci_server.calculation_messages import estimate_message, simulation_message
from vcci_server.dashboards import Dashboards
from vcci_server.emission_filters import check_aggregate, check_expression, check_stream, read_filter
from vcci_server.emission_stream import EmissionReader
from vcci_server.emission_sums import Group, Summation
from vcci_server.simulating import StoredSimulation, check_simulate, check_size, plan_of
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Pool
from vcci_server.storage.reading import snapshot
from vcci_server.storage.summing import on_executor

MOST_SIMULATIONS = 2  # at once: each holds a connection to the database, and hundreds of megabytes
SIMULATION_RETRY_S = 5.0


class EmissionServicer(emission_service_pb2_grpc.EmissionServiceServicer):
    """Emissions of the caller's tenant."""

    def __init__(self, pool: Pool, executor: Executor) -> None:
        self._pool = pool
        self._executor = executor
        self._simulations = 0
        self._run = on_executor(executor, "reading")
        self._labels = Labels()
        self._dashboards = Dashboards(pool, self._run, self._labels)

    async def StreamEmissions(self, request: pb.StreamEmissionsRequest, context: object) -> AsyncIterator[Any]:
        """Stream emissions as columns; a slow reader costs the memory of two pages, and no transaction."""
        wanted = check_stream(request)
        reader = EmissionReader(self._pool, self._run, self._labels, caller().tenant_id, wanted, request.gwp_set)
        async with aclosing(reader.responses(request)) as responses:
            async for response in responses:
                yield response

    async def AggregateEmissions(
        self, request: pb.AggregateEmissionsRequest, context: object
    ) -> pb.AggregateEmissionsResponse:
        """Sum emissions by dimensions, in one snapshot."""
        limit = check_aggregate(request)
        tenant_id = caller().tenant_id
        async with snapshot(self._pool) as db:
            chosen = await read_filter(db, tenant_id, request.filter)
            check_expression(chosen, request.gwp_set)
            check_expression(chosen, str(request.include_gases or ""), "include_gases")
            summation = Summation(
                *(db, self._run, self._labels, tenant_id, chosen),
                gwp_set=request.gwp_set,
                include_gases=request.include_gases,
            )
            totals = await summation.totals(request.group_by, limit)
        return pb.AggregateEmissionsResponse(
            groups=map(_group, totals.groups), total=_group(totals.total), group_count=totals.group_count
        )

    async def GetDashboard(self, request: pb.GetDashboardRequest, context: object) -> pb.Dashboard:
        """Return the tenant's state at a glance."""
        return await self._dashboards.get(caller().tenant_id, request)

    async def SimulateEmissions(
        self, request: pb.SimulateEmissionsRequest, context: object
    ) -> AsyncIterator[pb.SimulateEmissionsResponse]:
        """Sum emissions by dimensions and by Monte Carlo, in one snapshot, whose connection it holds to the end."""
        limit, draws = check_simulate(request)
        tenant_id = caller().tenant_id
        async with self._one_of_few(), snapshot(self._pool) as db:
            chosen = await read_filter(db, tenant_id, request.filter)
            summation = Summation(db, self._run, self._labels, tenant_id, chosen)
            found = await summation.find(request.group_by, limit)
            totals = await summation.estimate(found)
            check_size(totals.total.rows, len(totals.groups) + 1, draws)
            plan, cells = plan_of(chosen, found, await summation.sigma2(found.by_factor))
            simulation = StoredSimulation(db, self._executor, tenant_id, plan, cells)
            progress = pb.SimulationProgress(total_row_draws=totals.total.rows * draws)
            async with aclosing(simulation.run(draws, request.seed)) as steps:
                async for row_draws in steps:
                    progress.row_draws += row_draws
                    yield pb.SimulateEmissionsResponse(progress=progress)
            simulations = await simulation.result()
        *groups, total = map(_simulated, [*totals.groups, totals.total], simulations)
        result = pb.SimulatedEmissions(groups=groups, total=total, group_count=totals.group_count)
        yield pb.SimulateEmissionsResponse(result=result)

    @asynccontextmanager
    async def _one_of_few(self) -> AsyncIterator[None]:
        if self._simulations >= MOST_SIMULATIONS:
            message = f"{MOST_SIMULATIONS} simulations are under way already"
            raise Overloaded(message, retry_after_s=SIMULATION_RETRY_S)
        self._simulations += 1
        try:
            yield
        finally:
            self._simulations -= 1


def _simulated(group: Group, simulation: Simulation) -> pb.EmissionGroup:
    message = _group(group)
    message.estimate.simulation.CopyFrom(simulation_message(simulation))
    return message


def _group(group: Group) -> pb.EmissionGroup:
    estimate = estimate_message(group.estimate)
    return pb.EmissionGroup(keys=group.keys, rows=group.rows, estimate=estimate, composition=group.composition)

"""Activation over server processes: one is told by a client, all calculate with the new set, also after a kill."""

from google.type import date_pb2
from vcci.v1 import activity_pb2, calculation_service_pb2, calculation_service_pb2_grpc
from vcci.v1 import factor_service_pb2 as pb
from vcci.v1 import factor_service_pb2_grpc as rpc

from tests.server_process import ServerProcess, running_server
from tests.waiting import until


async def _import(server: ServerProcess, kg_co2e: float) -> pb.FactorSet:
    factor = pb.Factor(
        source="fuel", code="diesel", display_name="Diesel", year=2025, unit="litre", kg_co2e=kg_co2e, source_note="A"
    )
    requests = [
        pb.ImportFactorSetRequest(spec=pb.FactorSetSpec(display_name=str(kg_co2e))),
        pb.ImportFactorSetRequest(factors=pb.FactorBatch(factors=[factor])),
    ]
    async with server.channel() as channel:
        return await rpc.FactorServiceStub(channel).ImportFactorSet(iter(requests), metadata=server.metadata())


async def _activate(server: ServerProcess, factor_set: pb.FactorSet) -> None:
    async with server.channel() as channel:
        await rpc.FactorServiceStub(channel).ActivateFactorSet(
            pb.ActivateFactorSetRequest(name=factor_set.name), metadata=server.metadata()
        )


async def _kg_co2e_of_a_litre(server: ServerProcess) -> float:
    activity = activity_pb2.Activity(
        supplier_code="haulier",
        category=activity_pb2.CATEGORY_UPSTREAM_TRANSPORTATION_AND_DISTRIBUTION,
        quantity=1,
        unit="litre",
        factor="fuel:diesel",
        reporting_period=date_pb2.Date(year=2025, month=6, day=1),
    )
    async with server.channel() as channel:
        response = await calculation_service_pb2_grpc.CalculationServiceStub(channel).Calculate(
            calculation_service_pb2.CalculateRequest(activities=[activity]), metadata=server.metadata()
        )
    return response.total.kg_co2e


async def test_an_activation_reaches_every_server_process_within_a_second(database: str) -> None:
    env = {"VCCI_DATABASE_URL": database}
    with running_server(env=env) as one, running_server(env=env) as other:
        sets = {kg_co2e: await _import(one, kg_co2e) for kg_co2e in (2.5, 3.0)}
        assert await _kg_co2e_of_a_litre(other) not in sets
        for kg_co2e in (2.5, 3.0, 2.5):
            await _activate(one, sets[kg_co2e])
            assert await _kg_co2e_of_a_litre(one) == kg_co2e

            async def arrived(expected: float = kg_co2e) -> bool:
                return await _kg_co2e_of_a_litre(other) == expected

            await until(arrived, timeout_s=1)


async def test_the_active_set_survives_a_kill(database: str) -> None:
    with running_server(env={"VCCI_DATABASE_URL": database}) as server:
        await _activate(server, await _import(server, 3.5))
        server.kill()
        server.start()
        assert await _kg_co2e_of_a_litre(server) == 3.5

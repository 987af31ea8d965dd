"""The published examples, kept and explained: the numbers on paper give the published answers."""

import asyncio
import json

import pytest
from click.testing import CliRunner
from vcci.v1.factor_service_pb2_grpc import FactorServiceStub
from vcci_client import AsyncClient, Client
from vcci_client.cli import vcci

from tests.data_files import shared_data
from tests.engine.test_explanation import evaluated
from tests.golden.examples import TOTAL_KG, Examples, activities, mapped
from tests.golden.run import TOLERANCE, import_requests, read
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def examples() -> Examples:
    return read(shared_data("worked_examples.json"))


@pytest.fixture(scope="module")
def served(shared_server: ServerProcess, examples: Examples) -> ServerProcess:
    """A tenant with the factors of the examples."""
    server = shared_server.for_own_tenant()
    asyncio.run(_import(server, examples))
    return server


async def test_every_published_example_is_explained_to_the_bit(served: ServerProcess, examples: Examples) -> None:
    explained = 0
    async with AsyncClient(served.listening, served.token()) as client:
        for example in examples.values():
            lines, reading = mapped(example, examples)
            kept = await client.calculate(activities(example, lines), keep=True)
            on_paper = 0.0
            for emission in kept.emissions:
                found = await client.explain(emission.name)
                assert (found.replay.identical, found.replay.inputs_unaltered) == (True, True), example["id"]
                assert found.estimate == emission.estimate
                numbers, _, result = found.calculation.rpartition(" = ")
                value = evaluated(numbers)
                assert value == pytest.approx(emission.estimate.kg_co2e, rel=TOLERANCE), found.calculation
                assert evaluated(result) == pytest.approx(value, rel=TOLERANCE)
                on_paper += value
                explained += 1
            if reading is TOTAL_KG:
                assert on_paper == pytest.approx(example["expected"], rel=TOLERANCE), example["id"]
    assert explained > len(examples)


def test_the_command_prints_what_it_takes(served: ServerProcess, examples: Examples) -> None:
    example = examples["TG-9.1"]
    with Client(served.listening, served.token()) as client:
        kept = client.calculate(activities(example, mapped(example, examples)[0]), keep=True)
    name = kept.emissions[0].name
    env = {"VCCI_SERVER": served.listening, "VCCI_TOKEN": served.token()}
    printed = CliRunner().invoke(vcci, ["explain", name], env=env)
    assert printed.exit_code == 0, printed.output
    assert "quantity × distance × factor" in printed.output
    assert "the same to the bit" in printed.output
    as_json = CliRunner().invoke(vcci, ["explain", name.removeprefix("uploads/"), "--json"], env=env)
    assert json.loads(as_json.output)["replay"]["identical"] is True


async def _import(server: ServerProcess, examples: Examples) -> None:
    every = [(example, mapped(example, examples)[0]) for example in examples.values()]
    async with server.channel() as channel:
        await FactorServiceStub(channel).ImportFactorSet(import_requests(every), metadata=server.metadata())

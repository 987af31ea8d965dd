"""Calculates the published examples on a real server, and compares."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vcci.v1 import calculation_service_pb2 as pb
from vcci.v1 import calculation_service_pb2_grpc as rpc
from vcci.v1.factor_service_pb2 import FactorBatch, FactorSetSpec, ImportFactorSetRequest
from vcci.v1.factor_service_pb2_grpc import FactorServiceStub

from tests.golden.examples import Example, Examples, Line, activities, factors, mapped
from tests.server_process import ServerProcess

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Result:
    """One example: what was expected, what came, and where in the answer."""

    identity: str
    unit: str
    expected: float
    got: float
    what: str

    @property
    def relative_error(self) -> float:
        """The distance as a part of what was expected."""
        return abs(self.got - self.expected) / abs(self.expected)

    @property
    def right(self) -> bool:
        """Whether it is near enough."""
        return self.relative_error <= TOLERANCE


def read(path: Path) -> Examples:
    """Return the examples of a file."""
    return {example["id"]: example for example in json.loads(path.read_text())}


async def results(server: ServerProcess, examples: Examples) -> list[Result]:
    """Return the results of all examples."""
    mappings = {identity: mapped(example, examples) for identity, example in examples.items()}
    found = []
    async with server.channel() as channel:
        every = [(examples[identity], lines) for identity, (lines, _) in mappings.items()]
        await FactorServiceStub(channel).ImportFactorSet(import_requests(every), metadata=server.metadata())
        stub = rpc.CalculationServiceStub(channel)
        for identity, (lines, reading) in mappings.items():
            request = pb.CalculateRequest(activities=activities(examples[identity], lines))
            answer = await stub.Calculate(request, metadata=server.metadata())
            example = examples[identity]
            got = reading.of(answer)
            found.append(Result(identity, example["unit"], example["expected"], got, reading.what))
    return found


async def import_requests(every: Sequence[tuple[Example, Sequence[Line]]]) -> AsyncIterator[ImportFactorSetRequest]:
    """Yield what makes the factors of examples the active set."""
    yield ImportFactorSetRequest(spec=FactorSetSpec(display_name="Published examples", activate=True))
    batch = [factor for example, lines in every for factor in factors(example, lines)]
    yield ImportFactorSetRequest(factors=FactorBatch(factors=batch))


def table(found: Sequence[Result]) -> str:
    """Return the results as a table for people."""
    rows = [
        f"{of.identity:<28} {of.expected:>22.15g} {of.got:>22.15g} {of.relative_error:>9.1e}  "
        f"{of.unit:<12} {of.what}{'' if of.right else '  WRONG'}"
        for of in found
    ]
    head = f"{'example':<28} {'expected':>22} {'got':>22} {'rel.error':>9}  {'unit':<12} where in the answer"
    right = sum(of.right for of in found)
    return "\n".join([head, *rows, f"{right} of {len(found)} within {TOLERANCE:g}"])

"""A filled-in answer is the message that it stands for."""

from hypothesis import given
from hypothesis import strategies as st
from vcci.v1.calculation_service_pb2 import CalculateResponse
from vcci.v1.emission_pb2 import Emission, Estimate
from vcci_server.answers import NUMBERS, Answer

NUMBER = st.floats(allow_nan=False)


@given(st.tuples(*[NUMBER] * 5), NUMBER, st.text(max_size=300))
def test_a_filled_answer_reads_as_the_message(
    numbers: tuple[float, float, float, float, float], amount: float, factor: str
) -> None:
    emission = Emission(factor=factor, factor_kg_co2e=1.9)
    estimate = Estimate()
    for name, number in zip(NUMBERS, numbers, strict=True):
        setattr(estimate, name, number)
    expected = CalculateResponse(emissions=[emission], total=estimate)
    expected.emissions[0].estimate.CopyFrom(estimate)
    expected.emissions[0].amount = amount
    assert CalculateResponse.FromString(Answer.of(emission).filled(numbers, amount)) == expected


def test_the_numbers_are_all_of_an_estimate_that_is_not_simulated() -> None:
    assert [*NUMBERS, "simulation"] == [field.name for field in Estimate.DESCRIPTOR.fields]

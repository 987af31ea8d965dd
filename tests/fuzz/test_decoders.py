"""Some wrong inputs for every decoder; `make fuzz` tries many more."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.decoders import DECODERS, seeds, try_out
from tests.fuzz.mutation import near

EXAMPLES = 60


@pytest.mark.parametrize("name", DECODERS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_wrong_bytes_are_told_and_nothing_else(name: str, data: st.DataObject) -> None:
    try_out(name, data.draw(near(seeds(name))))


@pytest.mark.parametrize("name", DECODERS)
def test_the_corpus_has_something_right(name: str) -> None:
    assert seeds(name)
    for seed in seeds(name):
        try_out(name, seed)

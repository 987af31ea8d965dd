"""The published examples through the gRPC API."""

from collections import Counter
from dataclasses import replace

from tests.data_files import shared_data
from tests.golden.run import read, results, table
from tests.server_process import running_server


async def test_every_published_example_gives_its_answer_through_the_api() -> None:
    examples = read(shared_data("worked_examples.json"))
    with running_server() as server:
        found = await results(server, examples)
    assert Counter(of.right for of in found) == {True: 39}, table(found)
    off = replace(found[0], got=found[0].expected * (1 + 2e-9))
    assert not off.right
    assert "WRONG" in table([off])

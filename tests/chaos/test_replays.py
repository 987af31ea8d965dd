"""Every beginning of an upload, sent again: what is there is acknowledged as a duplicate, and nothing changes."""

import numpy as np
import pytest

from tests.server_process import ServerProcess
from tests.uploads import Uploads, batch

BATCHES, ROWS = 12, 5


@pytest.fixture(scope="module")
def server(shared_server: ServerProcess) -> ServerProcess:
    return shared_server.for_own_tenant()


async def test_every_beginning_of_an_upload_may_be_sent_again(server: ServerProcess) -> None:
    async with server.channel() as channel:
        uploads = Uploads(channel, server.metadata())
        name = await uploads.create()
        for length in range(1, BATCHES + 1):
            async with uploads.writing(name) as writer:
                answers = [await writer.ask(batch(number * ROWS, ROWS)) for number in range(length)]
            assert [answer.duplicate for answer in answers] == [True] * (length - 1) + [False]
            assert answers[-1].committed_through == length * ROWS
        stored = await uploads.stored(name)
    assert np.array_equal(stored.row, np.arange(BATCHES * ROWS))

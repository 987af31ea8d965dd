"""Two server processes on one database that runs by itself: one upload, one writer, each row once."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from vcci_server.storage.embedded import EmbeddedServer

from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch, columns
from tests.waiting import until


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[ServerProcess, ServerProcess]]:
    with tempfile.TemporaryDirectory(prefix="vcci-test-") as folder:
        Path(folder).chmod(0o711)
        postgres = EmbeddedServer(Path(folder))
        env = {"VCCI_DATABASE_URL": postgres.url, "VCCI_MIGRATE": "1"}
        try:
            with running_server(env=env) as one, running_server(env=env) as other:
                yield one, other
        finally:
            postgres.stop()


@pytest.fixture
async def both(servers: tuple[ServerProcess, ServerProcess]) -> AsyncIterator[tuple[Uploads, Uploads]]:
    one, other = servers
    async with one.channel() as channel, other.channel() as other_channel:
        yield Uploads(channel, one.metadata()), Uploads(other_channel, other.metadata())


async def test_a_writer_is_fenced_by_one_at_another_server(both: tuple[Uploads, Uploads]) -> None:
    one, other = both
    name = await one.create()
    async with one.writing(name) as old:
        await old.ask(batch(0, 5))
        async with other.writing(name) as new:
            assert new.opened.committed_through == 5
            await old.send(batch(5, 5))
            assert (await old.failure()).code is grpc.StatusCode.ABORTED
            assert (await new.ask(batch(5, 3))).committed_through == 8
    assert [*(await one.stored(name)).row] == [*range(8)]
    assert await one.get(name) == await other.get(name)


async def test_writers_that_take_an_upload_from_each_other_store_each_row_once(both: tuple[Uploads, Uploads]) -> None:
    name, rows, step = await both[0].create(), 200, 2

    async def write(uploads: Uploads) -> None:
        """Write, and take the upload back when it is taken away, until everything is there."""
        while (await uploads.get(name)).committed_through < rows:
            try:
                async with uploads.writing(name) as writer:
                    for offset in range(writer.opened.committed_through, rows, step):
                        await writer.ask(batch(offset, step))
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.ABORTED  # noqa: PT017  nothing else may go wrong

    await asyncio.gather(*(write(uploads) for uploads in both))
    assert [*(await both[0].stored(name)).row] == [*range(rows)]
    assert (await both[1].total(name)).rows == rows


async def test_suppliers_that_two_servers_meet_at_once_are_made_once(both: tuple[Uploads, Uploads]) -> None:
    codes = [f"new-{number}" for number in range(50)]

    async def upload(uploads: Uploads) -> list[str]:
        name = await uploads.create()
        message = columns(50, supplier_codes=codes, supplier=range(50))
        async with uploads.writing(name) as writer:
            for offset in range(0, 250, 50):
                request = batch(offset, 0)
                request.columns.CopyFrom(message)
                assert (await writer.ask(request)).accepted_rows == 50
        (page,) = await uploads.pages(name)
        return page.supplier.texts()

    for stored in await asyncio.gather(*(upload(uploads) for uploads in both)):
        assert sorted(stored) == sorted(codes * 5)


async def test_an_upload_finalized_at_one_server_is_seen_at_the_other(both: tuple[Uploads, Uploads]) -> None:
    one, other = both
    name = await one.create(mode=2)
    async with one.writing(name) as writer:
        await writer.ask(batch(0, 7))
    assert (await other.total(name)).rows == 0
    await other.finalize(name, 7)
    assert (await one.total(name)).rows == (await other.total(name)).rows == 7


async def test_the_other_server_goes_on_when_one_dies(
    servers: tuple[ServerProcess, ServerProcess], both: tuple[Uploads, Uploads]
) -> None:
    one, other = both
    name = await other.create()
    async with one.writing(name) as writer:
        await writer.ask(batch(0, 5))
        await writer.send(batch(5, 5))
        servers[0].kill()
    async with other.writing(name) as writer:
        through = writer.opened.committed_through
        assert through in (5, 10)
        await writer.ask(batch(through, 15 - through))
    await other.finalize(name, 15)
    assert [*(await other.stored(name)).row] == [*range(15)]
    before = (await other.total()).rows
    await until(lambda: _is_steady(other, before))


async def _is_steady(uploads: Uploads, rows: int) -> bool:
    return bool((await uploads.total()).rows == rows)

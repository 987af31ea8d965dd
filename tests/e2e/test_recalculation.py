"""kill -9 of the server in the middle of a recalculation: the next one goes on, and ends with the same bytes."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
from vcci.v1.run_pb2 import Run
from vcci_client import AsyncClient
from vcci_client.errors import NotFound, WrongState
from vcci_server.storage.embedded import embedded_database

from tests.recalculations import import_sets, upload
from tests.server_process import ServerProcess, running_server
from tests.waiting import until

ROWS = 1_200_000  # six parts
# What a run has stored, but for its own number.
STORED = """
SELECT count(*), md5(string_agg(concat_ws('|', upload_id, merge_version, batch_offset, segment, factor_set_id, ug_co2e,
    input_hash, md5(kg_co2e), md5(sigma), md5(factor), md5(method), md5(notices)), ','
    ORDER BY upload_id, merge_version, batch_offset, segment))
FROM emission_segments WHERE run_id = $1
"""
DIFFERENCES = (
    "SELECT md5(string_agg(changes, ''::bytea ORDER BY bucket, upload_id)) FROM run_differences WHERE run_id = $1"
)


async def stored(server: ServerProcess, run: Run) -> list[tuple[Any, ...]]:
    async with embedded_database(server.state_dir) as url:
        db = await asyncpg.connect(url)
        found = [await db.fetchrow(query, int(run.name[5:])) for query in (STORED, DIFFERENCES)]
        await db.close()
    return [tuple(row) for row in found if row is not None]


async def has_begun(client: AsyncClient, name: str) -> Run:
    """Return a run as soon as one of its parts is done."""

    async def it() -> Run | None:
        run = await client.get_run(name)
        return run if run.rows_done else None

    run = await until(it, 120)
    assert run is not None
    assert run.state == Run.STATE_RUNNING, "it must be interrupted in the middle"
    return run


async def test_a_run_survives_a_kill_of_the_server_and_can_be_cancelled() -> None:
    with running_server() as server:
        async with AsyncClient(server.listening, server.token()) as client:
            _, new = await import_sets(client)
            await upload(client, ROWS, suppliers=2_000)
            begun = await client.recalculate(factor_set=new, request_id=(request_id := uuid4().hex))
            at = await has_begun(client, begun.name)
            watching = asyncio.create_task(client.wait_for_run(begun.name))
            server.kill()
            await asyncio.to_thread(server.start)
            killed = await watching
            assert (killed.state, killed.rows_done) == (Run.STATE_SUCCEEDED, ROWS)
            assert killed.start_time == at.start_time
            again = await client.recalculate(factor_set=new, request_id=request_id)
            assert again == killed
            whole = await client.wait_for_run((await client.recalculate(factor_set=new)).name)
            assert (killed.total, [*killed.categories]) == (whole.total, [*whole.categories])
            assert await stored(server, killed) == await stored(server, whole)

            cancelled = await has_begun(client, (await client.recalculate(factor_set=new)).name)
            await client.cancel_operation(cancelled.operation)
            end = await client.wait_for_run(cancelled.name)
            assert end.state == Run.STATE_CANCELLED
            assert 0 < end.rows_done < ROWS
            operation = await client.get_operation(cancelled.operation)
            assert (operation.done, operation.error.code) == (True, 1)  # google.rpc.Code.CANCELLED
            await until(lambda: is_swept(server, end), 60)
            for call in (client.list_run_differences(end.name), client.list_run_row_errors(end.name)):
                assert await failure(anext(call)) is WrongState
            assert await failure(client.get_run("runs/999")) is NotFound


async def is_swept(server: ServerProcess, run: Run) -> bool:
    (count, _), _ = await stored(server, run)
    return not count


async def failure(call: Any) -> type[Exception]:
    try:
        await call
    except (WrongState, NotFound) as error:
        return type(error)
    raise AssertionError("it was answered")

"""Starts that fail say why, and a server that dies takes its Ray with it."""

import asyncio
import os
import subprocess
import sys

import pytest
from vcci_cluster import RayOptions, RayUnavailable, open_executor

from tests.cluster.processes import children, session
from tests.cluster.ray_head import free_ports
from tests.waiting import until, wait_until

SERVER = """
import asyncio
from vcci_cluster import RayOptions, open_executor

async def main():
    async with open_executor("local", threads=1, ray=RayOptions(cpus=1)):
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def fails(address: str, options: RayOptions = RayOptions()) -> str:  # noqa: B008  frozen
    before = set(children(os.getpid()))
    with pytest.raises(RayUnavailable) as caught:
        async with open_executor(address, threads=1, ray=options):
            pass
    assert set(children(os.getpid())) <= before
    return str(caught.value)


async def test_an_address_where_nobody_listens_is_told() -> None:
    address = f"127.0.0.1:{free_ports(1)[0]}"
    assert await fails(address) == f"Ray at '{address}' cannot be used: nothing listens there"


async def test_an_address_that_is_none_is_told() -> None:
    assert await fails("somewhere") == "Ray at 'somewhere' cannot be used: expected local, auto or host:port"


async def test_a_start_that_takes_too_long_is_told_and_ended() -> None:
    assert (
        await fails("local", RayOptions(start_timeout_s=0.2)) == "Ray at 'local' cannot be used: no answer within 0.2 s"
    )


async def test_a_start_that_is_cancelled_ends_the_driver() -> None:
    before = set(children(os.getpid()))
    start = asyncio.create_task(open_executor("local", threads=1).__aenter__())
    await until(lambda: set(children(os.getpid())) - before)
    start.cancel()
    await asyncio.wait([start])
    assert start.cancelled()
    assert set(children(os.getpid())) <= before


def test_a_killed_server_leaves_no_ray_behind() -> None:
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as server:
        assert server.stdout
        assert server.stdout.readline() == b"up\n"
        (driver,) = children(server.pid)
        assert len(session(driver)) > 3
        server.kill()
    wait_until(lambda: not session(driver))

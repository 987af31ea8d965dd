"""What may go wrong: each fault does its damage, repairs what an operator would repair, and returns."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import asyncpg
import grpc
import grpc.aio
import psutil
from vcci_client.encode import encode

from tests.chaos.launcher import MOMENTS, arm
from tests.chaos.load import Load, Record, batches_of
from tests.chaos.system import System
from tests.uploads import Uploads
from tests.waiting import passing, until

REPAIR_S = 60.0
SILENCE_S, SLOW_S, SLOW_DELAY_S = 1.0, 1.0, 0.05
LONGEST_JUMP_S = 2 * 86_400
FULL_S = 1.0
# The upload is finalized by now, or its own writer has taken it back.
ENDED = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.ABORTED)


@dataclass(frozen=True)
class Scene:
    """Where a fault happens."""

    system: System
    loads: Sequence[Load]
    rng: random.Random


Fault = Callable[[Scene], Awaitable[None]]


async def _die_at(moment: str, scene: Scene) -> None:
    """Kill the server in a transaction."""
    arm(scene.system.folder, moment)
    await _revive(scene)


async def _revive(scene: Scene) -> None:
    assert await asyncio.to_thread(scene.system.server.ended) == -signal.SIGKILL
    await scene.system.restart_server()


async def kill_server(scene: Scene) -> None:
    """Kill the server, whatever it does."""
    os.kill(scene.system.server.pid, signal.SIGKILL)
    await _revive(scene)


async def stop_server(scene: Scene) -> None:
    """Let the server drain, and start it again."""
    assert await asyncio.to_thread(scene.system.server.terminate) == 0
    await scene.system.restart_server()


async def kill_postgres(scene: Scene) -> None:
    """Kill the postmaster, and start it again."""
    postgres = scene.system.postgres
    await asyncio.to_thread(postgres.kill)
    await _start_postgres(scene)


async def _start_postgres(scene: Scene) -> None:
    """Start it again and again: while processes of the killed one live, it refuses."""
    postgres = scene.system.postgres

    async def started() -> bool:
        if postgres.has_ended():
            postgres.stop()
            postgres.start()
        return await postgres.answers()

    postgres.start()
    await until(started, REPAIR_S)


async def kill_backend(scene: Scene) -> None:
    """Kill one of PostgreSQL's backends: it ends the others, and recovers."""
    backends = [process for process in _backends(scene) if process.is_running()]
    if backends:
        scene.rng.choice(backends).kill()
    await until(scene.system.postgres.answers, REPAIR_S)


def _backends(scene: Scene) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(scene.system.postgres.pid).children():
        with suppress(psutil.NoSuchProcess):
            if "vcci postgres 127.0.0.1" in " ".join(process.cmdline()):
                found.append(process)
    return found


async def terminate_backends(scene: Scene) -> None:
    """End the server's connections by pg_terminate_backend: one of them, or all."""
    how_many = scene.rng.choice((1, 50))
    db = await asyncpg.connect(scene.system.postgres.url)
    try:
        await db.execute(
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE application_name = 'vcci'"
            " AND pid <> pg_backend_pid() ORDER BY state, random() LIMIT $1) AS chosen",
            how_many,
        )
    finally:
        await db.close()


async def fill_disk(scene: Scene) -> None:
    """Fill the database's disk to the last byte for a while; where PostgreSQL has ended for it, start it again."""
    assert scene.system.disk is not None
    filler = scene.system.disk / "filler"
    try:
        await asyncio.to_thread(_fill, filler)
        await passing(FULL_S)
    finally:
        filler.unlink()
    if scene.system.postgres.has_ended():
        scene.system.postgres.stop()
        await _start_postgres(scene)
    await until(scene.system.postgres.answers, REPAIR_S)


def _fill(filler: "os.PathLike[str]") -> None:
    with open(filler, "wb", buffering=0) as file, suppress(OSError):
        for size in (1 << 22, 1 << 12):
            with suppress(OSError):
                while True:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, size)


async def kill_redis(scene: Scene) -> None:
    """Kill Redis, and start it again."""
    redis = scene.system.redis
    assert redis is not None
    await asyncio.to_thread(redis.kill)
    await passing(SILENCE_S)
    redis.start()
    await until(redis.answers, REPAIR_S)


async def cut_clients(scene: Scene) -> None:
    """Cut the clients' connections."""
    await scene.system.front.cut()


async def silence_clients(scene: Scene) -> None:
    """Let the clients' connections fall silent, half-open, and cut them later."""
    scene.system.front.silence()
    await passing(SILENCE_S)
    await scene.system.front.cut()


async def slow_clients(scene: Scene) -> None:
    """Let the clients' bytes pass slowly."""
    scene.system.front.delay_s = SLOW_DELAY_S
    await passing(SLOW_S)
    scene.system.front.delay_s = 0.0


async def cut_database(scene: Scene) -> None:
    """Cut the server's connections to PostgreSQL."""
    await scene.system.back.cut()


async def silence_database(scene: Scene) -> None:
    """Let the server's connections to PostgreSQL fall silent, half-open, and cut them later."""
    scene.system.back.silence()
    await passing(SILENCE_S)
    await scene.system.back.cut()


async def slow_database(scene: Scene) -> None:
    """Let the bytes between the server and PostgreSQL pass slowly."""
    scene.system.back.delay_s = SLOW_DELAY_S
    await passing(SLOW_S)
    scene.system.back.delay_s = 0.0


async def rival_writer(scene: Scene) -> None:
    """Have another program send the same upload at the same time: they take it from each other."""
    load = scene.rng.choice([load for load in scene.loads if load.records])
    await load.write(load.current)


async def replay_prefix(scene: Scene) -> None:
    """Send the beginning of an upload again, by hand: all that is there already is acknowledged as a duplicate."""
    record = scene.rng.choice([load.current for load in scene.loads if load.current.name])
    async with scene.system.server.channel() as channel:
        uploads = Uploads(channel, scene.system.metadata(record.tenant))
        try:
            await _replay(uploads, record)
        except grpc.aio.AioRpcError as error:
            if error.code() not in ENDED:
                raise


async def _replay(uploads: Uploads, record: Record) -> None:
    async with uploads.writing(record.name) as writer:
        through = writer.opened.committed_through
        for number, batch in enumerate(batches_of(record.tenant, record.rows, record.batch_rows)):
            offset = number * record.batch_rows
            if offset + len(batch) > through:
                break
            (encoded,) = encode(batch, offset, form=record.form)
            answer = await writer.ask(encoded.request)
            assert answer.duplicate, answer


async def jump_server_clock(scene: Scene) -> None:
    """Set the server's wall clock to some other time."""
    scene.system.server_clock.shift(scene.rng.randint(-LONGEST_JUMP_S, LONGEST_JUMP_S))


async def jump_postgres_clock(scene: Scene) -> None:
    """Set PostgreSQL's wall clock to some other time."""
    scene.system.postgres_clock.shift(scene.rng.randint(-LONGEST_JUMP_S, LONGEST_JUMP_S))


async def kill_ray_worker(scene: Scene) -> None:
    """Kill a Ray worker at work."""
    found = await until(partial(_ray_processes, scene, "ray::run"), REPAIR_S)
    scene.rng.choice(found).kill()


async def kill_raylet(scene: Scene) -> None:
    """Kill the raylet, and the rest of that head; start another in its place."""
    (raylet, *_) = _ray_processes(scene, "raylet/raylet")
    raylet.kill()
    await passing(SILENCE_S)
    assert scene.system.ray is not None
    await asyncio.to_thread(scene.system.ray.kill)
    await asyncio.to_thread(scene.system.ray.start)


def _ray_processes(scene: Scene, begins: str) -> list[psutil.Process]:
    assert scene.system.ray is not None
    found = []
    for pid in scene.system.ray.processes():
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if begins in " ".join(process.cmdline()[:1]):
                found.append(process)
    return found


ALWAYS: dict[str, Fault] = {
    **{f"server killed {moment.replace('_', ' ')}": partial(_die_at, moment) for moment in MOMENTS},
    "server killed": kill_server,
    "server restarted": stop_server,
    "postgres killed": kill_postgres,
    "postgres backend killed": kill_backend,
    "pg_terminate_backend": terminate_backends,
    "clients cut off": cut_clients,
    "clients half-open": silence_clients,
    "clients slow": slow_clients,
    "database cut off": cut_database,
    "database half-open": silence_database,
    "database slow": slow_database,
    "rival writer": rival_writer,
    "prefix replayed": replay_prefix,
}
WITH_REDIS: dict[str, Fault] = {"redis killed": kill_redis}
WITH_DISK: dict[str, Fault] = {"disk full": fill_disk}
WITH_CLOCK: dict[str, Fault] = {
    "clock of server jumps": jump_server_clock,
    "clock of postgres jumps": jump_postgres_clock,
}
WITH_RAY: dict[str, Fault] = {"ray worker killed": kill_ray_worker, "raylet killed": kill_raylet}


def kinds(system: System) -> dict[str, Fault]:
    """The faults that can be had here."""
    if system.ray is not None:
        return WITH_RAY
    return {
        **ALWAYS,
        **(WITH_REDIS if system.redis else {}),
        **(WITH_DISK if system.disk else {}),
        **(WITH_CLOCK if system.server_clock.jumps else {}),
    }


def absent(system: System) -> dict[str, str]:
    """The faults that cannot be had here, and why."""
    found: dict[str, str] = {}
    if not system.redis:
        found |= dict.fromkeys(WITH_REDIS, "there is no redis-server")
    if not system.disk:
        found |= dict.fromkeys(WITH_DISK, "a small disk needs root, and the right to mount")
    if not system.server_clock.jumps:
        found |= dict.fromkeys(WITH_CLOCK, "there is no C compiler")
    return found

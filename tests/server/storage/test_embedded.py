"""The embedded server: made, shared, adopted, recovered; by either kind of binaries."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest
from vcci_engine.errors import Unavailable, WrongState
from vcci_server.storage.binaries import Account, Binaries, choose, readable_by, system_binaries, wheel_binaries
from vcci_server.storage.embedded import EmbeddedServer, embedded_database
from vcci_server.storage.file_locks import is_held

from tests.waiting import until

KINDS = {"system": system_binaries, "wheel": wheel_binaries}


@pytest.fixture(params=KINDS)
def binaries(request: pytest.FixtureRequest) -> Binaries:
    found = KINDS[request.param]()
    if not found:
        pytest.skip(f"no PostgreSQL of the {request.param} is installed")
    return found[0]


async def _ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def _ask_embedded(state_dir: Path) -> object:
    async with embedded_database(state_dir) as url:
        return await _ask(url, "SELECT 1")


def _data(state_dir: Path) -> Path:
    (data,) = (state_dir / "postgres").glob("[0-9]*")
    return data


def _postmaster(state_dir: Path) -> int:
    return int((_data(state_dir) / "postmaster.pid").read_text().splitlines()[0])


async def _kill(state_dir: Path, url: str) -> None:
    """Kill the server and wait until it is gone."""

    async def refuses() -> bool:
        try:
            await _ask(url, "SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return True
        return False

    os.kill(_postmaster(state_dir), signal.SIGKILL)
    await until(refuses)


@contextmanager
def _service(state_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server until it is killed or its input ends."""
    code = (
        "import sys; from pathlib import Path; from vcci_server.storage.embedded import EmbeddedServer;"
        "server = EmbeddedServer(Path(sys.argv[1]));"
        "print('ready', flush=True); sys.stdin.read(); server.stop()"
    )
    command = [sys.executable, "-c", code, str(state_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


async def test_it_keeps_its_data_from_run_to_run(state_dir: Path, binaries: Binaries) -> None:
    async with embedded_database(state_dir, binaries=binaries) as url:
        assert binaries.version in str(await _ask(url, "SELECT version()"))
        await _ask(url, "CREATE TABLE kept AS SELECT 7 AS n")
    async with embedded_database(state_dir, binaries=binaries) as url:
        assert await _ask(url, "SELECT n FROM kept") == 7


async def test_it_is_durable_and_listens_on_a_private_socket_only(state_dir: Path) -> None:
    async with embedded_database(state_dir) as url:
        shown = {name: await _ask(url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")}
        assert set(shown.values()) == {"on"}
        assert await _ask(url, "SHOW listen_addresses") == ""
        assert await _ask(url, "SHOW timezone") == "UTC"
        assert _data(state_dir).stat().st_mode & 0o077 == 0


async def test_two_users_share_it_and_the_last_one_stops_it(state_dir: Path) -> None:
    with _service(state_dir) as other:
        async with embedded_database(state_dir) as url:
            pass
        assert await _ask(url, "SELECT 1") == 1
        other.communicate()
    with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
        await _ask(url, "SELECT 1")


async def test_a_start_that_is_cancelled_leaves_no_server(state_dir: Path) -> None:
    starting = asyncio.create_task(_ask_embedded(state_dir))
    await until((state_dir / "postgres" / "change").exists)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not is_held(state_dir / "postgres" / "running")


async def test_the_server_of_a_killed_service_is_adopted(state_dir: Path) -> None:
    with _service(state_dir) as killed:
        postmaster = _postmaster(state_dir)
        killed.kill()
        killed.wait()
    async with embedded_database(state_dir) as url:
        assert await _ask(url, "SELECT 1") == 1
        assert _postmaster(state_dir) == postmaster


async def test_a_killed_server_recovers_what_was_committed(state_dir: Path, binaries: Binaries) -> None:
    async with embedded_database(state_dir, binaries=binaries) as url:
        await _ask(url, "CREATE TABLE kept AS SELECT 7 AS n")
        await _kill(state_dir, url)
        async with embedded_database(state_dir, binaries=binaries) as url:
            assert await _ask(url, "SELECT n FROM kept") == 7
        await _kill(state_dir, url)
    async with embedded_database(state_dir, binaries=binaries) as url:
        assert await _ask(url, "SELECT n FROM kept") == 7


async def test_a_stale_pid_file_that_names_a_living_process_does_not_matter(state_dir: Path) -> None:
    async with embedded_database(state_dir):
        stale = (_data(state_dir) / "postmaster.pid").read_text()
    file = _data(state_dir) / "postmaster.pid"
    file.write_text(stale.replace(stale.splitlines()[0], str(os.getpid()), 1))
    os.chown(file, *(_data(state_dir).stat().st_uid, -1))
    async with embedded_database(state_dir) as url:
        assert await _ask(url, "SELECT 1") == 1


async def test_a_folder_with_a_long_name_will_do(state_folders: Path) -> None:
    state_dir = state_folders / ("long name, " * 10)
    async with embedded_database(state_dir) as url:
        assert await _ask(url, "SELECT 1") == 1
        socket_folder = str(await _ask(url, "SHOW unix_socket_directories"))
        assert len(socket_folder) < 100
    assert await asyncio.to_thread(os.path.exists, socket_folder) is False


def test_a_server_that_cannot_start_says_why(state_dir: Path) -> None:
    EmbeddedServer(state_dir).stop()
    (_data(state_dir) / "postgresql.conf").write_text("max_connections = many\n")
    with pytest.raises(Unavailable, match="max_connections"):
        EmbeddedServer(state_dir)


def test_data_of_another_version_is_not_hidden_behind_an_empty_database(tmp_path: Path) -> None:
    (tmp_path / "9").mkdir()
    with pytest.raises(WrongState, match=r"made by PostgreSQL 9, and only .* is installed"):
        choose(tmp_path)


def test_the_version_that_made_the_data_is_preferred(tmp_path: Path) -> None:
    installed = [*system_binaries(), *wheel_binaries()]
    assert choose(tmp_path) == installed[0]
    (tmp_path / str(installed[-1].major)).mkdir()
    assert choose(tmp_path).major == installed[-1].major


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
async def test_binaries_in_a_private_folder_are_copied_for_the_user_who_runs_them(
    state_dir: Path, tmp_path: Path, binaries: Binaries
) -> None:
    package = binaries.folder.parents[1]
    private = tmp_path / "private"
    hidden = Binaries(private / binaries.folder.relative_to(package.parent), binaries.version)
    shutil.copytree(binaries.folder.parent, hidden.folder.parent, symlinks=True)
    if (libraries := package.with_name(f"{package.name}.libs")).exists():
        shutil.copytree(libraries, private / libraries.name)
    private.chmod(0o700)
    async with embedded_database(state_dir, binaries=hidden) as url:
        assert await _ask(url, "SELECT 1") == 1
    assert readable_by(Account(65534, 65534), hidden, state_dir).folder.is_relative_to(state_dir)
    assert private.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_a_state_folder_that_the_user_cannot_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(Unavailable, match="cannot enter"):
        EmbeddedServer(tmp_path)

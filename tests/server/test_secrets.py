"""No secret shows: not in logs, answers, metrics, messages of commands, or what is printed of objects."""

import asyncio
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from urllib.request import urlopen

import grpc
import grpc.aio
import pytest
from click.testing import CliRunner
from vcci_client import AsyncClient
from vcci_client.cli import vcci
from vcci_client.errors import ServerError
from vcci_engine.errors import VcciError
from vcci_server.__main__ import commands
from vcci_server.auth import Role, make_token
from vcci_server.settings import Settings, SettingsError, from_environment
from vcci_server.storage.embedded import EmbeddedServer

from tests.server_process import ServerProcess, running_server
from tests.uploads import Uploads, batch

PASSWORD, SECRET, RAY, REDIS = "pg-Pa55-word", "hs256-s3cret-of-thirty-two-bytes-or-more", "ray-t0ken", "redis-Pa55"
SECRETS = (PASSWORD, SECRET, RAY, REDIS)
NOWHERE = "127.0.0.1:1"  # nobody listens there
TOKEN = make_token(SECRET, "default", "ann", 3_600, [Role.ADMIN])


def check(text: str) -> None:
    """Fail when a secret, or what is secret of a token, is in a text."""
    signature = TOKEN.rpartition(".")[2]
    shown = [secret for secret in (*SECRETS, signature) if secret in text]
    assert not shown, text


@pytest.fixture(scope="module")
def server(state_folders: Path) -> Iterator[ServerProcess]:
    """A server that tells all it can, with every secret, and no Redis where it should be."""
    folder = state_folders / "secrets"
    postgres = EmbeddedServer(folder)
    url = postgres.url.replace("vcci@", f"vcci:{PASSWORD}@")
    env = {
        "VCCI_DATABASE_URL": url,
        "VCCI_TOKEN_SECRET": SECRET,
        "VCCI_REDIS_URL": f"redis://:{REDIS}@{NOWHERE}/0",
        "VCCI_RAY_ADDRESS": "local",
        "VCCI_RAY_CPUS": "1",
        "VCCI_RAY_TOKEN": RAY,
        "VCCI_MIGRATE": "yes",
        "VCCI_LOG_LEVEL": "debug",
    }
    try:
        with running_server(env=env) as process:
            yield process
    finally:
        postgres.stop()


async def test_a_server_that_tells_all_it_can_tells_no_secret(server: ServerProcess) -> None:
    answers = []
    async with AsyncClient(server.listening, TOKEN) as client:
        uploads = Uploads(client.connection.channel, client.connection.metadata)
        name = await uploads.create()
        async with uploads.writing(name) as writer:
            await writer.ask(batch(0, 5))
            await writer.end()
        await client.finalize_upload(name)
        answers += [str(event) async for event in client.list_audit_events()]
        answers.append(repr(client) + repr(client.connection))
    for wrong in (
        TOKEN[:-4],
        make_token(SECRET, "default", "ann", -1),
        make_token(SECRET, "nobody", "ann", 60),
        SECRET,
    ):
        async with AsyncClient(server.listening, wrong) as client:
            with pytest.raises(ServerError) as raised:
                await client.get_upload(name)
            assert raised.value.code is grpc.StatusCode.UNAUTHENTICATED
            answers.append(repr(raised.value) + str(raised.value) + repr(vars(raised.value)))
    answers.append(await asyncio.to_thread(_shown_by, server))
    check("\n".join(answers))


def _shown_by(server: ServerProcess) -> str:
    """Return what a process shows of itself: its log, its metrics, how it was called."""
    with urlopen(f"http://{server.metrics}/metrics") as metrics:
        shown = [server.log.read_text(), metrics.read().decode()]
    assert "Redis does not answer" in shown[0]
    command = Path(f"/proc/{server.pid}/cmdline")
    return "\n".join([*shown, command.read_text() if command.exists() else ""])


def test_a_server_that_does_not_start_tells_no_secret(server: ServerProcess) -> None:
    other = ServerProcess(server.state_dir, {**server.env, "VCCI_RAY_ADDRESS": NOWHERE})
    failed = other.run_to_end()
    assert failed.returncode == 1
    assert "Ray at '127.0.0.1:1' cannot be used" in failed.stderr
    check(failed.stdout + failed.stderr)


WRONG = [
    f"postgresql://vcci:{PASSWORD}@{NOWHERE}/vcci",
    f"postgresql://vcci:{PASSWORD}@127.0.0.1:port/vcci",
    f"postgre://vcci:{PASSWORD}@127.0.0.1/vcci",
    f"postgresql://vcci:{PASSWORD}@127.0.0.1/vcci?sslmode=nonsense",
    f"postgresql://vcci:{PASSWORD}@[::1/vcci",
    f"postgresql://vcci@/vcci?password={PASSWORD}&host=/nowhere",
    f"host=127.0.0.1 password={PASSWORD}",
]


@pytest.mark.parametrize("url", WRONG)
@pytest.mark.parametrize("command", ["doctor", "migrate", "backup"])
def test_a_database_that_cannot_be_reached_is_told_without_its_password(
    command: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VCCI_DATABASE_URL", url)
    monkeypatch.setattr("vcci_server.storage.pool.START_TIMEOUT_S", 0.2)  # of a doctor's patience
    done = CliRunner().invoke(commands, [command, *([str(tmp_path / "a.zip")] if command == "backup" else [])])
    assert done.exit_code == 1
    assert isinstance(done.exception, SettingsError | VcciError | SystemExit)  # told in a line, without a traceback
    check(done.output + str(done.exception))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VCCI_TOKEN_SECRET", SECRET[:20]),
        ("VCCI_TOKEN_SECRETS", SECRET),
        ("VCCI_REDIS_URL", f"http://:{REDIS}@{NOWHERE}"),
        ("VCCI_DATABASE_URL", f"mysql://vcci:{PASSWORD}@{NOWHERE}"),
    ],
)
def test_a_wrong_setting_is_told_without_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as raised:
        from_environment({name: value})
    assert value not in str(raised.value)
    check(str(raised.value))


def test_settings_that_are_printed_show_no_secret() -> None:
    secrets = {field.name: SECRET for field in fields(Settings) if field.metadata["secret"]}
    assert secrets.keys() >= {"database_url", "redis_url", "token_secret", "ray_token"}
    settings = Settings(**secrets)  # type: ignore[arg-type]  # all of them texts
    check(repr(settings) + str(settings))


def test_several_hosts_of_one_database_are_a_right_setting() -> None:
    url = f"postgresql://vcci:{PASSWORD}@one:5432,two,[::1]:5433/vcci?target_session_attrs=primary"
    assert from_environment({"VCCI_DATABASE_URL": url}).database_url == url


def test_the_command_line_shows_no_token() -> None:
    result = CliRunner().invoke(vcci, ["uploads", "list"], env={"VCCI_SERVER": NOWHERE, "VCCI_TOKEN": TOKEN})
    assert result.exit_code == 1
    check(result.output + repr(result.exception))

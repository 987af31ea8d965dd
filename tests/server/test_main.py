"""The command line of the server."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from vcci_server.auth import load_secret

from tests.redis_process import running_redis
from tests.server_process import ServerProcess, running_server


def run(state_dir: Path, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "vcci_server", *args],
        env={**os.environ, "VCCI_STATE_DIR": str(state_dir), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_token_is_for_the_tenant_and_the_time_asked_for(state_dir: Path) -> None:
    printed = run(state_dir, "token", "--tenant", "acme", "--subject", "ann", "--days", "2", "--role", "reader")
    claims = jwt.decode(printed.stdout.strip(), load_secret(state_dir), algorithms=["HS256"])
    assert (claims["tenant"], claims["sub"], claims["roles"]) == ("acme", "ann", ["reader"])


def test_a_token_of_a_given_secret_leaves_no_file(state_dir: Path) -> None:
    secret = "0123456789abcdef0123456789abcdef"
    printed = run(state_dir, "token", VCCI_TOKEN_SECRET=secret)
    assert jwt.decode(printed.stdout.strip(), secret, algorithms=["HS256"])["tenant"] == "default"
    assert list(state_dir.iterdir()) == []


def test_migrating_again_does_nothing(state_dir: Path) -> None:
    first, again = run(state_dir, "migrate"), run(state_dir, "migrate")
    assert (first.returncode, again.returncode) == (0, 0)
    assert "migrated 0001_tables" in first.stdout
    assert "up to date" in again.stdout


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server of this file's own: the doctor looks at all tenants."""
    with running_server() as process:
        yield process


def test_the_doctor_finds_a_running_service_well(server: ServerProcess) -> None:
    examined = run(server.state_dir, "doctor")
    assert examined.returncode == 0, examined.stdout
    found = {line.split(":")[0] for line in examined.stdout.splitlines()}
    assert {"ok    database", "ok    schema", "ok    factors", "ok    sums", "ok    redis", "ok    ray"} <= found


def test_the_doctor_says_what_is_missing(state_dir: Path) -> None:
    examined = run(state_dir, "doctor")
    assert examined.returncode == 1
    assert "FAIL  schema: lacks 0001_tables" in examined.stdout


def test_the_doctor_tells_of_the_redis_that_is_set(server: ServerProcess) -> None:
    with running_redis() as redis:
        examined = run(server.state_dir, "doctor", VCCI_REDIS_URL=redis.url)
        assert (examined.returncode, "ok    redis: Redis " in examined.stdout) == (0, True)
        redis.kill()
        examined = run(server.state_dir, "doctor", VCCI_REDIS_URL=redis.url)
        assert (examined.returncode, "FAIL  redis: Redis does not answer" in examined.stdout) == (1, True)


@pytest.mark.parametrize(
    ("args", "env", "says"),
    [
        (["serve"], {"VCCI_LISTEM": "x"}, "did you mean VCCI_LISTEN?"),
        (["serve", "--listen", "0.0.0.0:1"], {}, "needs TLS and authentication"),
        (["serve", "--credits", "many"], {}, "not a valid integer"),
        (["doctor"], {"VCCI_REDIS_URL": "redis://localhost:none"}, "error: VCCI_REDIS_URL cannot be understood"),
        (["token", "--days", "0"], {}, "not in the range"),
        (
            ["migrate"],
            {"VCCI_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
            "error: The database does not answer",
        ),
    ],
)
def test_what_is_wrong_is_told_in_a_line(state_dir: Path, args: list[str], env: dict[str, str], says: str) -> None:
    failed = run(state_dir, *args, **env)
    assert failed.returncode != 0
    assert says in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_ready_file_says_where_it_listens(state_dir: Path) -> None:
    ready = state_dir / "ready.json"
    with running_server(state_dir, args=["--ready-file", str(ready)]) as server:
        assert json.loads(ready.read_text()) == {"listening": server.listening, "metrics": server.metrics}


def test_a_log_line_is_json_with_its_fields(server: ServerProcess) -> None:
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    (serving,) = [line for line in lines if line["event"] == "serving"]
    assert (serving["level"], serving["listening"]) == ("info", server.listening)

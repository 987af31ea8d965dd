"""`python -m vcci_server serve | migrate | backup | restore | token | doctor`; the command `vcci` passes these on."""

import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import click
import uvloop
from vcci_engine.errors import VcciError

from vcci_server import logs
from vcci_server.app import run
from vcci_server.auth import Role, make_token
from vcci_server.authentication import secret_of
from vcci_server.backup.archive import Manifest
from vcci_server.backup.backup import backup
from vcci_server.backup.restore import restore
from vcci_server.database import database
from vcci_server.doctor import examine
from vcci_server.listening import Listening
from vcci_server.processes import end_with_parent, serve_together
from vcci_server.settings import Settings, SettingsError, from_environment
from vcci_server.storage import tenants
from vcci_server.storage.migrate import migrate
from vcci_server.storage.pool import storage_errors

DAY_S = 86_400

R = TypeVar("R")


def main() -> None:
    """Run the command line."""
    try:
        commands(prog_name="python -m vcci_server")
    except (SettingsError, VcciError) as error:
        _fail(str(error))
    except asyncpg.PostgresError as error:
        _fail(f"the database refuses: {error}")


def _fail(message: str) -> None:
    click.echo(f"error: {message}", err=True)
    sys.exit(1)


@click.group()
def commands() -> None:
    """The VCCI service. Settings come from VCCI_ variables too; docs/settings.md lists them."""


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Add a flag for each setting that is not a secret."""
    for setting in reversed(fields(Settings)):
        if not setting.metadata["secret"]:
            flag = f"--{setting.name.replace('_', '-')}"
            kind = {"is_flag": True, "flag_value": True} if setting.type is bool else {"type": setting.type}
            command = click.option(flag, setting.name, default=None, help=setting.metadata["why"], **kind)(command)
    return command


@commands.command()
@click.option("--ready-file", type=click.Path(path_type=Path), help="Write where it listens, as JSON, once it serves.")
@click.option("--member", type=int, hidden=True, help="The number of this process, of several.")
@_with_settings
def serve(ready_file: Path | None, member: int | None, **flags: Any) -> None:
    """Run the service until SIGTERM."""
    settings = from_environment(os.environ, flags)
    logs.configure(settings.log_format, settings.log_level)

    def announce(listening: Listening) -> None:
        _announce(listening, ready_file, bool(settings.tls_certificate))

    if settings.processes > 1 and member is None:
        sys.exit(_run(serve_together(settings, flags, announce)))
    if member is not None:
        threading.Thread(target=end_with_parent, name="parent", daemon=True).start()
    _run(run(settings, announce))


def _announce(listening: Listening, ready_file: Path | None, tls: bool) -> None:
    where = json.dumps({"listening": listening.grpc, "metrics": listening.metrics})
    if ready_file is not None:
        whole = ready_file.with_name(f"{ready_file.name}.new")
        whole.write_text(where)
        whole.rename(ready_file)
    if not sys.stdout.isatty():
        click.echo(where)
        return
    click.echo(f"VCCI serves on {listening.grpc}, its metrics on http://{listening.metrics}/metrics. Talk to it with")
    click.echo("  vcci --help")
    if not tls:
        click.echo(f'  grpcurl -plaintext -H "authorization: Bearer $(vcci token)" {listening.grpc} list')
    click.echo("Stop it with Ctrl-C.")


@commands.command("migrate")
def migrate_command() -> None:
    """Bring the schema of the database up to date."""
    settings = from_environment(os.environ)
    for name in _run(_migrate(settings)) or ["nothing: it is up to date"]:
        click.echo(f"migrated {name}")


async def _migrate(settings: Settings) -> list[str]:
    async with database(settings) as url:
        with storage_errors():
            db = await asyncpg.connect(url)
        try:
            return await migrate(db)
        finally:
            await db.close()


@commands.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--tenant", help="Of this tenant only; else of everybody.")
def backup_command(file: Path, tenant: str | None) -> None:
    """Write all that is stored into FILE, while the service goes on."""
    settings = from_environment(os.environ)
    _told(_run(_with_database(settings, lambda url: backup(url, file, tenant))), f"are in {file}")


@commands.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore_command(file: Path) -> None:
    """Restore what `backup` wrote into FILE: everything into an empty database, a tenant where it is not."""
    settings = from_environment(os.environ)
    _told(_run(_with_database(settings, lambda url: restore(url, file))), "are restored")


async def _with_database(settings: Settings, work: Callable[[str], Coroutine[Any, Any, R]]) -> R:
    async with database(settings) as url:
        return await work(url)


def _told(manifest: Manifest, what: str) -> None:
    rows, size = (sum(getattr(part, name) for part in manifest.parts) for name in ("rows", "bytes"))
    of = f"tenant {manifest.tenant!r}" if manifest.tenant else "everybody"
    click.echo(f"{rows:,} rows of {of} ({size:,} bytes, as of {manifest.taken_at}) {what}")


@commands.command()
@click.option("--tenant", default=tenants.DEFAULT, show_default=True, help="Whose data it is for.")
@click.option("--subject", default="developer", show_default=True, help="Who uses it; the log has it.")
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    default=[Role.ADMIN.value],
    show_default=True,
    help="What they may do; may be given several times.",
)
@click.option("--days", type=click.FloatRange(min=0, min_open=True), default=30, show_default=True, help="Lifetime.")
def token(tenant: str, subject: str, roles: tuple[str, ...], days: float) -> None:
    """Print a bearer token for a service on this machine."""
    click.echo(make_token(secret_of(from_environment(os.environ)), tenant, subject, days * DAY_S, map(Role, roles)))


@commands.command()
def doctor() -> None:
    """Examine the database, its schema, the factors, Redis and Ray; exit with 1 when something is wrong."""
    findings = _run(examine(from_environment(os.environ)))
    for finding in findings:
        click.echo(f"{'ok  ' if finding.right else 'FAIL'}  {finding.what}: {finding.detail}")
    sys.exit(0 if all(finding.right for finding in findings) else 1)


def _run(work: Coroutine[Any, Any, R]) -> R:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


if __name__ == "__main__":
    main()

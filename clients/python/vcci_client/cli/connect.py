"""Options that say which server, and running a command's coroutine against it."""

import asyncio
import functools
import os
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from vcci_client.client import AsyncClient
    from vcci_client.connection import Connection

P = ParamSpec("P")
R = TypeVar("R")

PEM = click.Path(exists=True, dir_okay=False)


def server_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add --server and --token; and --ca, --certificate and --key, which the client finds in the environment."""
    server = click.option(
        "--server",
        envvar="VCCI_SERVER",
        default="127.0.0.1:50051",
        show_default=True,
        help="host:port, or VCCI_SERVER; plain on this machine, TLS to every other or with https://.",
    )
    token = click.option(
        "--token", envvar="VCCI_TOKEN", default="", help="Bearer token, or VCCI_TOKEN; else this machine's own."
    )
    ca = click.option("--ca", type=PEM, **_kept("VCCI_CA"), help="PEM: who signs servers, or VCCI_CA.")
    certificate = click.option(
        "--certificate", type=PEM, **_kept("VCCI_CERTIFICATE"), help="PEM: the client's own, or VCCI_CERTIFICATE."
    )
    key = click.option("--key", type=PEM, **_kept("VCCI_KEY"), help="PEM: its private key, or VCCI_KEY.")
    return server(token(ca(certificate(key(command)))))


def _kept(name: str) -> dict[str, Any]:
    """Keep an option in the environment, where the client looks for it."""

    def keep(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value:
            os.environ[name] = value

    return {"envvar": name, "callback": keep, "expose_value": False}


def with_client(command: Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, R]]) -> Callable[..., R]:
    """Make a command of a coroutine function that takes a client first."""

    @server_options
    @functools.wraps(command)
    def run(server: str, token: str, *args: P.args, **kwargs: P.kwargs) -> R:
        return run_with_client(server, token, lambda client: command(client, *args, **kwargs))

    return run


def run_with_client(server: str, token: str, work: Callable[["AsyncClient"], Coroutine[Any, Any, R]]) -> R:
    """Run a coroutine function with a client; its errors become messages."""
    from vcci_client.client import AsyncClient

    return run_connected(server, token, lambda connection: work(AsyncClient.over(connection)))


def run_connected(server: str, token: str, work: Callable[["Connection"], Coroutine[Any, Any, R]]) -> R:
    """Run a coroutine function with a connection; its errors become messages."""
    from vcci_client.errors import ClientError, Unauthenticated, Unavailable

    try:
        return asyncio.run(_connected(server, token, work))
    except Unavailable as error:
        hint = "`vcci serve` starts a server; --server or VCCI_SERVER says where it is"
        raise click.ClickException(f"{error}. {hint}.") from None
    except Unauthenticated as error:
        hint = "--token or VCCI_TOKEN gives one; `vcci token` prints one for the service of this machine"
        raise click.ClickException(f"{error}. {hint}.") from None
    except ClientError as error:
        raise click.ClickException(_paragraph(error)) from None


async def _connected(server: str, token: str, work: Callable[["Connection"], Coroutine[Any, Any, R]]) -> R:
    from vcci_client.channel import TlsFiles, is_loopback
    from vcci_client.connection import Connection
    from vcci_client.server_process import development_token

    if not token and is_loopback(server) and not TlsFiles.from_environment().certificate:
        token = await asyncio.to_thread(development_token)
    async with aclosing(Connection(server, token)) as connection:
        return await work(connection)


def _paragraph(error: Exception) -> str:
    problems = getattr(error, "problems", ())
    more = [f"{problem.field}: {problem.description}" for problem in problems if problem.description not in str(error)]
    return "\n  ".join([str(error), *more])


def resource(collection: str, name: str) -> str:
    """Return `uploads/12` for `12` and for itself."""
    return name if name.startswith(f"{collection}/") else f"{collection}/{name}"

"""Commands that the server itself carries out: `vcci serve` is `python -m vcci_server serve`."""

import os
import sys

import click

from vcci_client.server_process import NOT_INSTALLED, is_installed, server_command

PASSED_ON = {"ignore_unknown_options": True, "help_option_names": []}


def _passed_on(name: str, summary: str) -> click.Command:
    @click.command(name, short_help=summary, context_settings=PASSED_ON, add_help_option=False)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        if not is_installed():
            raise click.ClickException(NOT_INSTALLED)
        sys.stdout.flush()
        os.execv(sys.executable, server_command(name, *arguments))  # noqa: S606  its own arguments, no shell

    command.help = summary
    return command


serve = _passed_on("serve", "Run a service on this machine, with an embedded database unless told otherwise.")
migrate = _passed_on("migrate", "Bring the database of VCCI_DATABASE_URL up to date.")
backup = _passed_on("backup", "Write all that a database stores, or a tenant's part, into a file.")
restore = _passed_on("restore", "Restore what `vcci backup` wrote.")
doctor = _passed_on("doctor", "Say what is wrong with this machine, its settings or its service.")
token = _passed_on("token", "Print a development token for the service of this machine.")

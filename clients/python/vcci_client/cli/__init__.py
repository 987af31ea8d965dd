"""The `vcci` command: one module per group of commands, imported when one of them is run."""

import gc
from importlib import import_module

import click

GC_ALLOCATIONS = 50_000  # at the usual 700 it takes a seventh of the imports
MODULES = {  # by command, in the order of the help
    "demo": "demo",
    "serve": "server",
    "migrate": "server",
    "backup": "server",
    "restore": "server",
    "doctor": "server",
    "token": "server",
    "upload": "upload",
    "uploads": "uploads",
    "factors": "factors",
    "prices": "prices",
    "suppliers": "suppliers",
    "emissions": "emissions",
    "dashboard": "dashboard",
    "calculate": "calculate",
    "recalculate": "runs",
    "runs": "runs",
    "operations": "operations",
    "hotspots": "hotspots",
    "scenario": "scenario",
    "explain": "explain",
    "simulate": "simulate",
    "report": "report",
    "reports": "report",
    "audit": "audit",
}


class Commands(click.Group):
    """A group that imports a command's module when it is asked for: all of them take longer than a small upload."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command."""
        if cmd_name not in MODULES:
            return None
        command: click.Command = getattr(import_module(f"{__name__}.{MODULES[cmd_name]}"), cmd_name)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="vcci", message="%(version)s")
def vcci() -> None:
    """Supply-chain (GHG Protocol Scope 3) emissions at scale.

    `vcci demo` shows it all. `vcci serve` runs a service on this machine; the other commands talk to the one at
    VCCI_SERVER (127.0.0.1:50051) with the token VCCI_TOKEN, or with a development token of this machine's service.

    Exit status: 0 done, 1 not done, 2 the command itself is wrong.
    """


def main() -> None:
    """Run the command; an error is one clear paragraph, never a traceback."""
    gc.set_threshold(GC_ALLOCATIONS)
    vcci(prog_name="vcci")

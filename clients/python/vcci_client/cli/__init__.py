"""The `vcci` command: one module per group of commands. What is slow to import is imported where it is needed."""

import click

from vcci_client.cli.audit import audit
from vcci_client.cli.calculate import calculate
from vcci_client.cli.dashboard import dashboard
from vcci_client.cli.demo import demo
from vcci_client.cli.emissions import emissions
from vcci_client.cli.explain import explain
from vcci_client.cli.factors import factors
from vcci_client.cli.hotspots import hotspots
from vcci_client.cli.operations import operations
from vcci_client.cli.prices import prices
from vcci_client.cli.report import report, reports
from vcci_client.cli.runs import recalculate, runs
from vcci_client.cli.scenario import scenario
from vcci_client.cli.server import doctor, migrate, serve, token
from vcci_client.cli.simulate import simulate
from vcci_client.cli.suppliers import suppliers
from vcci_client.cli.upload import upload
from vcci_client.cli.uploads import uploads


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="vcci", message="%(version)s")
def vcci() -> None:
    """Supply-chain (GHG Protocol Scope 3) emissions at scale.

    `vcci demo` shows it all. `vcci serve` runs a service on this machine; the other commands talk to the one at
    VCCI_SERVER (127.0.0.1:50051) with the token VCCI_TOKEN, or with a development token of this machine's service.

    Exit status: 0 done, 1 not done, 2 the command itself is wrong.
    """


for command in (
    demo,
    serve,
    migrate,
    doctor,
    token,
    upload,
    uploads,
    factors,
    prices,
    suppliers,
    emissions,
    dashboard,
    calculate,
    recalculate,
    runs,
    operations,
    hotspots,
    scenario,
    explain,
    simulate,
    report,
    reports,
    audit,
):
    vcci.add_command(command)


def main() -> None:
    """Run the command; an error is one clear paragraph, never a traceback."""
    vcci(prog_name="vcci")

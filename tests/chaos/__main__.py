"""`make chaos`: 200 faults in a random order under load, and a table of what came of them."""

import asyncio
import random
import secrets
import sys
import time

import click

import tests.conftest  # noqa: F401  the developer's own settings are not meant
from tests.chaos.campaign import Outcome, campaign
from tests.chaos.faults import absent, kinds
from tests.chaos.system import System, running_system

OF_RAY = 0.05  # of the faults: a head of Ray takes its time to start
LEAST_FLOW = 5_000  # rows per second before the first fault, else there was too little to break
LEG = 50  # faults on one database, which so stays small


@click.command()
@click.option("--faults", "count", default=200, show_default=True, help="How many.")
@click.option("--seed", type=int, help="Of an earlier run, to have its schedule again.")
@click.option("--only", default="", help="One kind of fault.")
def main(count: int, seed: int | None, only: str) -> None:
    """Break every part of a service under load, again and again, and check that each row is there once."""
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    click.echo(f"seed {seed}")
    started = time.monotonic()
    outcome = asyncio.run(run(random.Random(seed), count, only))
    click.echo(report(outcome))
    click.echo(f"{time.monotonic() - started:.0f} s, seed {seed}")
    if outcome.flow < LEAST_FLOW:
        click.echo(f"This run does not count: fewer than {LEAST_FLOW:,} rows/s flowed.", err=True)
    sys.exit(1 if outcome.broken or outcome.flow < LEAST_FLOW else 0)


async def run(rng: random.Random, count: int, only: str = "") -> Outcome:
    """Run campaigns, those with Ray last."""
    outcome = Outcome()
    on_ray = round(count * OF_RAY)
    legs = [(False, min(LEG, count - on_ray - done)) for done in range(0, count - on_ray, LEG)]
    for with_ray, faults in [*legs, (True, on_ray)]:
        if faults:
            async with running_system(with_ray=with_ray) as system:
                for kind, why in ({} if with_ray else absent(system)).items():
                    click.echo(f"not here: {kind}: {why}")
                outcome.add(await campaign(system, rng, faults, [only] if only else names(system)))
                click.echo(f"{outcome.injected.total()} faults, {outcome.acknowledged:,} rows acknowledged")
    return outcome


def names(system: System) -> list[str]:
    """The kinds of faults; a raylet one time in five."""
    return [*kinds(system), *(["ray worker killed"] * 3 if system.ray else [])]


def report(outcome: Outcome) -> str:
    """Return the table."""
    lines = [f"{'fault':26}{'times':>7}{'longest recovery':>20}"]
    for kind, times in sorted(outcome.injected.items()):
        lines.append(f"{kind:26}{times:7}{outcome.recovery_s[kind]:18.1f} s")
    lines += [
        f"{'all':26}{outcome.injected.total():7}{max(outcome.recovery_s.values(), default=0.0):18.1f} s",
        "",
        f"rows/s before the first fault  {outcome.flow:,.0f}",
        f"rows acknowledged              {outcome.acknowledged:,}",
        f"rows lost                      {outcome.lost}",
        f"rows duplicated                {outcome.duplicated}",
        f"promises broken                {len(outcome.broken)}",
        *(f"  {fault}" for fault in outcome.broken[:50]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

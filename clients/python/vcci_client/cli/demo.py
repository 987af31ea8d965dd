"""`vcci demo`: from nothing to results, in a minute."""

from pathlib import Path

import click


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("out"), show_default=True)
def demo(out: Path) -> None:
    """Start a service, upload a sample file, print what it came to, and stop.

    The service has its own database, ports and folder, which are gone afterwards; the results are in the folder --out.
    """
    import asyncio

    from vcci_client.errors import ClientError
    from vcci_client.server_process import NOT_INSTALLED, is_installed

    if not is_installed():
        raise click.ClickException(NOT_INSTALLED)
    out.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_demo(out))
    except ClientError as error:
        raise click.ClickException(str(error)) from None


async def _demo(out: Path) -> None:
    from vcci_client.cli.progress import showing_progress
    from vcci_client.client import AsyncClient
    from vcci_client.demo import report
    from vcci_client.demo.run import run_demo
    from vcci_client.demo.sample import ACTIVITIES, SUPPLIERS, write_sample
    from vcci_client.demo.service import running_service

    sample = out / "sample.csv"
    click.echo(f"Writing {sample}: {ACTIVITIES:,} activities of {SUPPLIERS:,} suppliers, made up.")
    write_sample(sample)
    click.echo("Starting a service with an embedded database and local Ray.")
    async with running_service(out / "server.log") as service:
        click.echo(f"It listens on {service.address}. Uploading through gRPC.")
        async with AsyncClient(service.address, service.token) as client:
            with showing_progress(sample.name, lambda progress: progress.rows_committed / ACTIVITIES) as on_progress:
                outcome = await run_demo(client, service, sample, out, ACTIVITIES, on_progress)
        report.write(outcome, out)
        report.show(outcome, out)
        click.echo("Stopping the service.")

"""`vcci operations`: work that goes on without its caller."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from vcci_client.cli.connect import resource, with_client
from vcci_client.cli.output import first, json_option, print_json, print_more, print_table

if TYPE_CHECKING:
    from google.longrunning.operations_proto_pb2 import Operation
    from vcci.v1.operation_pb2 import OperationProgress, OperationTask

    from vcci_client.client import AsyncClient
    from vcci_client.services.operations import Result

PARETO_SHARE = 0.8  # of the contract


@click.group()
def operations() -> None:
    """Scenarios, hotspots, reports and recalculations that go on at the server: list them, get what they came to."""


@operations.command("list")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="0: all.")
@json_option
@with_client
async def list_operations(client: "AsyncClient", limit: int, as_json: bool) -> None:
    """List the operations, newest first."""
    found = await first(client.list_operations(), limit)
    print_operations(found[: limit or None], as_json)
    print_more(found, limit)


@operations.command()
@click.argument("name")
@json_option
@with_client
async def show(client: "AsyncClient", name: str, as_json: bool) -> None:
    """Show the operation NAME, `operations/3` or `3`: how far it is, or what it came to."""
    show_operation(await client.get_operation(resource("operations", name)), as_json)


@operations.command()
@click.argument("name")
@json_option
@with_client
async def wait(client: "AsyncClient", name: str, as_json: bool) -> None:
    """Wait for the operation NAME, and show what it came to."""
    name = resource("operations", name)
    await client.wait_for_result(name)
    show_operation(await client.get_operation(name), as_json)


@operations.command()
@click.argument("name")
@json_option
@with_client
async def cancel(client: "AsyncClient", name: str, as_json: bool) -> None:
    """Cancel the operation NAME; one that is done stays as it is."""
    name = resource("operations", name)
    await client.cancel_operation(name)
    print_operations([await client.get_operation(name)], as_json)


@operations.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@with_client
async def delete(client: "AsyncClient", names: tuple[str, ...]) -> None:
    """Delete the operations NAME and what they came to; runs and reports stay."""
    for name in names:
        await client.delete_operation(resource("operations", name))
        click.echo(f"{resource('operations', name)} is deleted")


def print_operations(found: "Iterable[Operation]", as_json: bool) -> None:
    """Print operations with how far they are."""
    from vcci_client.services.operations import operation_progress

    progress = [(operation, operation_progress(operation)) for operation in found]
    if as_json:
        for operation, of in progress:
            named = {"name": operation.name, "done": operation.done, "work": _work(of), "state": _state(of)}
            print_json(named | {"error": operation.error.message} if operation.HasField("error") else named)
        return
    rows = (
        (one.name, _work(of), _state(of), of.step, f"{of.done:,}", f"{of.total:,}" if of.total else "", _created(of))
        for one, of in progress
    )
    columns = ("operation", "what", "state", "step", "done", "of", "created")
    print_table(columns, rows, numbers=("done", "of"))


def show_operation(operation: "Operation", as_json: bool) -> None:
    """Print what an operation came to, or how far it is."""
    from vcci_client.services.operations import operation_progress, result_of

    if operation.HasField("response"):
        _show_result(result_of(operation), operation_progress(operation).task, as_json)
        return
    print_operations([operation], as_json)
    if operation.HasField("error") and not as_json:
        click.echo(operation.error.message)


def _show_result(result: "Result", task: "OperationTask", as_json: bool) -> None:
    from vcci.v1.emission_service_pb2 import DIMENSION_CATEGORY
    from vcci.v1.hotspot_service_pb2 import AnalyzeHotspotsResponse, Scenario
    from vcci.v1.report_service_pb2 import Report

    from vcci_client.cli.hotspots import show_hotspots
    from vcci_client.cli.runs import show_run
    from vcci_client.cli.scenario import show_scenario

    if as_json:
        print_json(result)
        return
    match result:
        case Scenario():
            show_scenario(result)
        case AnalyzeHotspotsResponse():
            asked = task.hotspots
            by = "category" if asked.dimension == DIMENSION_CATEGORY else "supplier"
            show_hotspots(result, by, asked.pareto_share or PARETO_SHARE)
        case Report():
            click.echo(f"{result.name} is made; `vcci reports download {result.name[8:]}` gets {result.filename}")
        case _:
            show_run(result, as_json)


def _work(of: "OperationProgress") -> str:
    return of.task.WhichOneof("work") or ""


def _state(of: "OperationProgress") -> str:
    from vcci.v1.operation_pb2 import OperationProgress

    return OperationProgress.State.Name(of.state).removeprefix("STATE_").lower()


def _created(of: "OperationProgress") -> str:
    return f"{of.create_time.ToDatetime():%Y-%m-%d %H:%M:%S} UTC"

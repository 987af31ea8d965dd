"""The tasks of operations: how each is checked, and done."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Protocol

from google.protobuf.message import Message
from vcci.v1 import operation_pb2, report_service_pb2
from vcci_engine.errors import FieldProblem, InvalidField, InvalidFields

from vcci_server.hotspot_messages import check_analyze
from vcci_server.hotspots import HotspotServicer
from vcci_server.report_messages import check_generate, report_message
from vcci_server.reports import ReportServicer
from vcci_server.runs import check_recalculate
from vcci_server.scenario_checks import check_scenario


class Tell(Protocol):
    """Told of how far a task is."""

    def __call__(self, step: str, done: int, total: int = 0) -> None:
        """Note what is being done, how far it is, and of how much; 0: that is not known."""


class Tasks:
    """Does tasks of any tenant, each in a snapshot of its own; but for recalculations, which go on part by part."""

    def __init__(self, hotspots: HotspotServicer, reports: ReportServicer) -> None:
        self._hotspots = hotspots
        self._reports = reports

    async def do(self, tenant_id: int, task: operation_pb2.OperationTask, tell: Tell) -> Message:
        """Return what a checked task comes to."""
        match task.WhichOneof("work"):
            case "scenario":
                return await self._hotspots.scenario(
                    tenant_id, task.scenario, lambda rows, cells: tell("computing" if cells else "reading rows", rows)
                )
            case "hotspots":
                tell("analyzing", 0)
                return await self._hotspots.analyze(tenant_id, task.hotspots)
            case _:
                return await self._report(tenant_id, task.report, tell)

    async def _report(
        self, tenant_id: int, request: report_service_pb2.GenerateReportRequest, tell: Tell
    ) -> report_service_pb2.Report:
        made = report_service_pb2.Report()
        async with aclosing(self._reports.make(tenant_id, request)) as events:
            async for event in events:
                if isinstance(event, report_service_pb2.ReportProgress):
                    tell(event.step, event.steps_done, event.steps_total)
                else:
                    made = report_message(event)
        return made


def named(task: operation_pb2.OperationTask, request_id: str) -> operation_pb2.OperationTask:
    """Return a task whose work has the request id, where it needs one and has none."""
    whole = operation_pb2.OperationTask()
    whole.CopyFrom(task)
    work = whole.WhichOneof("work")
    if work in ("report", "recalculation") and not getattr(whole, work).request_id:
        getattr(whole, work).request_id = request_id
    return whole


def check_task(task: operation_pb2.OperationTask, field: str) -> None:
    """Raise InvalidFields, with the places of what is wrong in the request that has the task as a field."""
    work = task.WhichOneof("work")
    if work is None:
        raise InvalidField(field, "nothing", f"one of {', '.join(CHECKS)}", reason="REQUIRED_FIELD")
    try:
        CHECKS[work](getattr(task, work))
    except (InvalidField, InvalidFields) as error:
        found = error.problems if isinstance(error, InvalidFields) else (error.problem,)
        raise InvalidFields([_placed(problem, f"{field}.{work}") for problem in found]) from None


def _placed(problem: FieldProblem, within: str) -> FieldProblem:
    return FieldProblem(f"{within}.{problem.field}", problem.value, problem.expected, problem.reason)


CHECKS: dict[str, Callable[..., object]] = {
    "scenario": check_scenario,
    "hotspots": check_analyze,
    "report": check_generate,
    "recalculation": check_recalculate,
}

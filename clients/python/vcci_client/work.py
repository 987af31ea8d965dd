"""What the server does without its caller: begun by itself, or as the follow-up of an upload."""

from vcci.v1 import calculation_service_pb2, hotspot_service_pb2, operation_pb2, report_service_pb2

Work = (
    hotspot_service_pb2.RunScenarioRequest
    | hotspot_service_pb2.AnalyzeHotspotsRequest
    | report_service_pb2.GenerateReportRequest
    | calculation_service_pb2.RecalculateRequest
)


def task_of(work: Work) -> operation_pb2.OperationTask:
    """Return the task of some work: what `start_operation` begins, and a finalized upload may be followed by."""
    match work:
        case hotspot_service_pb2.RunScenarioRequest():
            return operation_pb2.OperationTask(scenario=work)
        case hotspot_service_pb2.AnalyzeHotspotsRequest():
            return operation_pb2.OperationTask(hotspots=work)
        case report_service_pb2.GenerateReportRequest():
            return operation_pb2.OperationTask(report=work)
        case _:
            return operation_pb2.OperationTask(recalculation=work)

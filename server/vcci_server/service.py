"""The servicers, put together and registered with one gRPC server, and how they drain."""

import logging
import time
from functools import partial
from typing import Any

from google.longrunning import operations_pb2_grpc, operations_proto_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from vcci.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    calculation_service_pb2,
    calculation_service_pb2_grpc,
    emission_service_pb2,
    emission_service_pb2_grpc,
    factor_service_pb2,
    factor_service_pb2_grpc,
    hotspot_service_pb2,
    hotspot_service_pb2_grpc,
    operation_service_pb2,
    operation_service_pb2_grpc,
    price_service_pb2,
    price_service_pb2_grpc,
    report_service_pb2,
    report_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    supplier_service_pb2,
    supplier_service_pb2_grpc,
    upload_service_pb2,
    upload_service_pb2_grpc,
)

from vcci_server.admission import Admission
from vcci_server.audit import AuditServicer
from vcci_server.boundary import Boundary
from vcci_server.calculations import CalculationServicer
from vcci_server.emissions import EmissionServicer
from vcci_server.factors import FactorServicer
from vcci_server.health import Health
from vcci_server.listening import Listening
from vcci_server.operations import OperationServicer, OperationsServicer
from vcci_server.parts import Parts
from vcci_server.prices import PriceServicer
from vcci_server.runs import RunServicer
from vcci_server.serving import grpc_server
from vcci_server.settings import Settings
from vcci_server.shedding import newest_server
from vcci_server.storage.pool import connection
from vcci_server.storage.summing import on_executor
from vcci_server.storage.supplier_lists import SupplierReader
from vcci_server.suppliers import SupplierServicer
from vcci_server.uploads import UploadServicer, UploadServices

SERVICES = [
    descriptor.services_by_name[name].full_name
    for descriptor, name in (
        (upload_service_pb2.DESCRIPTOR, "UploadService"),
        (calculation_service_pb2.DESCRIPTOR, "CalculationService"),
        (supplier_service_pb2.DESCRIPTOR, "SupplierService"),
        (factor_service_pb2.DESCRIPTOR, "FactorService"),
        (price_service_pb2.DESCRIPTOR, "PriceService"),
        (emission_service_pb2.DESCRIPTOR, "EmissionService"),
        (run_service_pb2.DESCRIPTOR, "RunService"),
        (operation_service_pb2.DESCRIPTOR, "OperationService"),
        (operations_proto_pb2.DESCRIPTOR, "Operations"),
        (hotspot_service_pb2.DESCRIPTOR, "HotspotService"),
        (report_service_pb2.DESCRIPTOR, "ReportService"),
        (audit_service_pb2.DESCRIPTOR, "AuditService"),
    )
]
LEAST_GRACE_S = 1.0

logger = logging.getLogger(__name__)


class Service:
    """The gRPC server with all its servicers."""

    listening: Listening

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.health = Health(partial(_check, parts), SERVICES)
        boundary = Boundary(parts.authenticator, parts.metrics, settings.call_limits, parts.denials, parts.quotas)
        self.deadlines = boundary.deadlines
        self._shedding = boundary.shedding
        self.server = grpc_server(settings, boundary)
        self._channelz_id = newest_server()
        admission = Admission(
            max_bytes=settings.max_in_flight_bytes,
            max_streams=settings.max_streams,
            credits=settings.credits,
            metrics=parts.metrics,
            quotas=parts.quotas,
        )
        limits = settings.batch_limits
        self._runs = RunServicer(parts.reader, parts.writer, parts.executor)
        self._operations = OperationServicer(parts.writer, self._runs)
        self._uploads = UploadServicer(
            UploadServices(
                reader=parts.reader,
                writer=parts.writer,
                keeper=parts.partitions,
                suppliers=parts.suppliers,
                factors=parts.factors,
                executor=parts.executor,
                admission=admission,
                metrics=parts.metrics,
                limits=limits,
                operations=self._operations,
            )
        )
        self._calculations = CalculationServicer(
            parts.factors, parts.executor, admission, parts.keeping, limits, parts.reader, self._runs, parts.quotas
        )
        self._register(parts, boundary, settings)

    def _register(self, parts: Parts, server: Any, settings: Settings) -> None:
        upload_service_pb2_grpc.add_UploadServiceServicer_to_server(self._uploads, server)
        calculation_service_pb2_grpc.add_CalculationServiceServicer_to_server(self._calculations, server)
        run_service_pb2_grpc.add_RunServiceServicer_to_server(self._runs, server)
        operations = OperationsServicer(parts.reader, parts.writer, self._runs)
        operations_pb2_grpc.add_OperationsServicer_to_server(operations, server)  # type: ignore[no-untyped-call]
        operation_service_pb2_grpc.add_OperationServiceServicer_to_server(self._operations, server)
        reader = SupplierReader(parts.reader, on_executor(parts.executor, "reading"))
        supplier_service_pb2_grpc.add_SupplierServiceServicer_to_server(
            SupplierServicer(parts.suppliers, reader, settings.filter_limits), server
        )
        factor_service_pb2_grpc.add_FactorServiceServicer_to_server(
            FactorServicer(parts.reader, parts.writer, parts.factors), server
        )
        price_service_pb2_grpc.add_PriceServiceServicer_to_server(
            PriceServicer(parts.reader, parts.writer, parts.factors), server
        )
        emission_service_pb2_grpc.add_EmissionServiceServicer_to_server(
            EmissionServicer(parts.reader, parts.executor), server
        )
        hotspot_service_pb2_grpc.add_HotspotServiceServicer_to_server(parts.hotspots, server)
        report_service_pb2_grpc.add_ReportServiceServicer_to_server(parts.reports, server)
        audit_service_pb2_grpc.add_AuditServiceServicer_to_server(AuditServicer(parts.reader), server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health.servicer, server)
        health_name = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        names = [*SERVICES, health_name, reflection.SERVICE_NAME]
        reflecting = reflection.aio.ReflectionServicer(names)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflecting, server)  # type: ignore[no-untyped-call]

    async def watch_load(self) -> None:
        """Go on looking whether calls have to be refused."""
        await self._shedding.watch(self._channelz_id)

    async def drain(self, deadline_s: float) -> None:
        """Tell everybody, commit what was accepted, then end the calls that are still open."""
        deadline = time.monotonic() + deadline_s
        logger.info("draining")
        await self.health.stop_serving()
        self._calculations.drain()
        self._runs.drain()
        await self._uploads.drain(deadline_s)
        await self.server.stop(max(deadline - time.monotonic(), LEAST_GRACE_S))


async def _check(parts: Parts) -> None:
    """Raise when the database does not answer, or the factors cannot be had."""
    async with connection(parts.pool) as db:
        await db.fetchval("SELECT 1")
    await parts.factors.table(parts.tenant_id)

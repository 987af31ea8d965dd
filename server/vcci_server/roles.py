"""Which roles may call which method: the one table. What is not in it, nobody may call."""

from collections.abc import Mapping

from vcci_engine.errors import PermissionDenied

from vcci_server.auth import Principal, Role

Roles = frozenset[Role]

ALL: Roles = frozenset(Role)
READING: Roles = frozenset({Role.READER, Role.ANALYST, Role.ADMIN})
UPLOADING: Roles = frozenset({Role.UPLOADER, Role.ADMIN})
WRITING: Roles = frozenset({Role.UPLOADER, Role.ANALYST, Role.ADMIN})
ANALYSING: Roles = frozenset({Role.ANALYST, Role.ADMIN})
ADMINISTERING: Roles = frozenset({Role.ADMIN})

TABLE: Mapping[str, Mapping[str, Roles]] = {
    "vcci.v1.UploadService": {
        "CreateUpload": UPLOADING,
        "AppendActivities": UPLOADING,
        "GetUpload": ALL,
        "ListUploads": ALL,
        "ListRowErrors": ALL,
        "FinalizeUpload": UPLOADING,
        "AbandonUpload": UPLOADING,
    },
    "vcci.v1.CalculationService": {
        "Calculate": WRITING,  # it may keep what it calculates
        "CalculateStream": ALL,
        "Explain": READING,
        "Recalculate": ANALYSING,
    },
    "vcci.v1.SupplierService": {
        "GetSupplier": ALL,
        "ListSuppliers": ALL,
        "BatchUpsertSuppliers": WRITING,
        "UpdateSupplier": WRITING,
    },
    "vcci.v1.FactorService": {
        "ListFactors": ALL,
        "GetFactor": ALL,
        "ImportFactorSet": ADMINISTERING,
        "UpdateFactor": ADMINISTERING,
        "BatchUpdateFactors": ADMINISTERING,
        "DiffFactorSets": READING,
        "GetFactorSet": ALL,
        "ListFactorSets": ALL,
        "ActivateFactorSet": ADMINISTERING,
        "ListFactorSetActivations": READING,
    },
    "vcci.v1.PriceService": {
        "ListPrices": ALL,
        "ImportPriceSet": ADMINISTERING,
        "ListPriceSets": ALL,
        "ActivatePriceSet": ADMINISTERING,
        "DeactivatePriceSet": ADMINISTERING,
        "ListPriceSetActivations": READING,
    },
    "vcci.v1.EmissionService": {
        "StreamEmissions": READING,
        "AggregateEmissions": ALL,  # whoever uploads is told the sum
        "GetDashboard": READING,
        "SimulateEmissions": READING,
    },
    "vcci.v1.HotspotService": {
        "AnalyzeHotspots": READING,
        "RunScenario": READING,
    },
    "vcci.v1.ReportService": {
        "GenerateReport": ANALYSING,  # it is kept
        "GetReport": READING,
        "ListReports": READING,
        "DownloadReport": READING,
        "DeleteReport": ANALYSING,
    },
    "vcci.v1.RunService": {
        "GetRun": READING,
        "ListRuns": READING,
        "WatchRun": READING,
        "ListRunDifferences": READING,
        "ListRunRowErrors": READING,
        "DeleteRun": ANALYSING,
    },
    "vcci.v1.AuditService": {
        "ListAuditEvents": ADMINISTERING,
        "VerifyAuditEvents": ADMINISTERING,
    },
    "vcci.v1.OperationService": {
        "StartOperation": ANALYSING,
    },
    "google.longrunning.Operations": {
        "GetOperation": READING,
        "ListOperations": READING,
        "WaitOperation": READING,
        "CancelOperation": ANALYSING,
        "DeleteOperation": ANALYSING,
    },
}


def roles_for(path: str) -> Roles:
    """Return the roles that may call a method, given as `/service/method`."""
    _, service, method = path.split("/")
    return TABLE.get(service, {}).get(method, frozenset())


def check_role(who: Principal, allowed: Roles, path: str) -> None:
    """Raise PermissionDenied when somebody has none of the roles that may call a method."""
    if who.roles & allowed:
        return
    needed, has = _listed(allowed), _listed(who.roles) or "none of the service's roles"
    message = f"{path.rpartition('/')[2]} needs the role {needed}; {who.subject} has {has}"
    raise PermissionDenied(message, metadata={"method": path, "roles": _listed(who.roles), "needed": needed})


def _listed(roles: Roles) -> str:
    return ", ".join(role for role in Role if role in roles)

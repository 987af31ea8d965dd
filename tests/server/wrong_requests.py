"""Wrong requests of every method of the contract: what is wrong, where, and the reason that is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.longrunning import operations_proto_pb2 as _operations  # noqa: F401  its messages are found by name

OTHER_TOKEN = "a token of another list"  # replaced by one
LONG = "x" * 2_000


@dataclass(frozen=True, slots=True)
class Wrong:
    """A request (fields by name, as JSON has them) that must be refused, for one field alone; of a stream the first."""

    field: str
    reason: str
    request: Mapping[str, Any]


def missing(field: str, **request: Any) -> Wrong:
    """A field that is required and empty."""
    return Wrong(field, "REQUIRED_FIELD", request)


def malformed(field: str, value: Any, **request: Any) -> Wrong:
    """A text that is not what the field needs."""
    return Wrong(field, "MALFORMED_VALUE", {field: value, **request})


def beyond(field: str, value: Any, **request: Any) -> Wrong:
    """A value out of range."""
    return Wrong(field, "OUT_OF_RANGE", {field.partition("[")[0]: value, **request})


def long(field: str, **request: Any) -> Wrong:
    """A text that is too long."""
    return Wrong(field, "LIMIT_EXCEEDED", {field: LONG, **request})


def not_a_gwp_set(**request: Any) -> Wrong:
    """A set of global warming potentials that there is not."""
    return Wrong("gwp_set", "UNKNOWN_GWP_SET", {"gwp_set": "AR9", **request})


def named(collection: str, field: str = "name", **request: Any) -> list[Wrong]:
    """Names of resources: none, of another collection, without a number, with too large a one."""
    return [
        missing(field, **request),
        malformed(field, "things/1", **request),
        malformed(field, f"{collection}/x", **request),
        malformed(field, f"{collection}/{'9' * 30}", **request),
    ]


def pages(**request: Any) -> list[Wrong]:
    """Pages: a size below 0, a token that is none, the token of another list."""
    return [
        beyond("page_size", -1, **request),
        Wrong("page_token", "INVALID_TOKEN", {"page_token": "garbage", **request}),
        Wrong("page_token", "INVALID_TOKEN", {"page_token": OTHER_TOKEN, **request}),
    ]


def emissions(**request: Any) -> list[Wrong]:
    """Filters of emissions: resources, enums and periods that are not."""
    wrong: list[tuple[str, str, Any]] = [
        ("upload", "MALFORMED_VALUE", "uploads/x"),
        ("categories[0]", "UNKNOWN_CATEGORY", [99]),
        ("methods[0]", "UNKNOWN_METHOD", [99]),
        ("period_start", "MALFORMED_VALUE", {"year": 2024, "month": 13, "day": 1}),
    ]
    return [
        Wrong(f"filter.{field}", reason, {"filter": {field.split("[")[0]: value}, **request})
        for field, reason, value in wrong
    ]


FACTOR = {"name": "factorSets/1/factors/1"}
IDS = [missing("request_id"), malformed("request_id", "line\nbreak")]
LEVER = {"quantity": {"change": -0.5}}
DAY = {"year": 2025, "month": 1, "day": 1}
ROW = {"supplier_code": "S", "category": 1, "quantity": 1, "factor": "naics:331110", "reporting_period": DAY}
REPORT = {"request_id": "r", "kind": 1, "format": 1}

# Fields that any value suits, or whose wrong values are answered otherwise.
ELSEWHERE = {
    "CalculateRequest.seed",
    "SimulateEmissionsRequest.seed",
    "CalculateStreamRequest.columns",  # a refusal, and the stream goes on: test_calculations.py
    "CalculateStreamRequest.rows",
    "CalculateStreamRequest.crc32c",
    "CalculateStreamRequest.gwp_set",
    "AppendActivitiesRequest.append",  # a refusal, and the stream goes on: test_upload_input.py
    "AppendActivitiesRequest.suppliers",  # test_stream_suppliers.py
    "ImportFactorSetRequest.chunk",  # files: factors/test_factor_import.py
    "ImportFactorSetRequest.factors",
    "ImportPriceSetRequest.chunk",  # test_prices.py
    "ImportPriceSetRequest.prices",
}

TABLE: Mapping[str, Sequence[Wrong]] = {
    "AuditService.ListAuditEvents": [*pages(), Wrong("filter.outcome", "OUT_OF_RANGE", {"filter": {"outcome": 99}})],
    "AuditService.VerifyAuditEvents": [beyond("known_sequence", -1), malformed("known_hash", "xyz", known_sequence=1)],
    "CalculationService.Calculate": [
        missing("activities"),
        Wrong("activities[0].unit", "UNKNOWN_UNIT", {"activities": [{**ROW, "unit": "parsec?"}]}),
        not_a_gwp_set(activities=[{}]),
        missing("request_id", keep=True, activities=[{}]),
        beyond("draws", 7, activities=[{}]),
    ],
    "CalculationService.Explain": [
        missing("name"),
        malformed("name", "uploads/1"),
        malformed("as_of", "x", name="uploads/1/emissions/0"),
    ],
    "CalculationService.Recalculate": [
        *IDS,
        *emissions(request_id="r"),
        malformed("factor_set", "sets/1", request_id="r"),
        malformed("price_set", "priceSets/x", request_id="r"),
        not_a_gwp_set(request_id="r"),
        beyond("significance_threshold", 1.5, request_id="r"),
        long("display_name", request_id="r"),
    ],
    "EmissionService.StreamEmissions": [
        *emissions(),
        beyond("columns[0]", [99]),
        Wrong("resume_token", "INVALID_TOKEN", {"resume_token": "garbage"}),
        Wrong("resume_token", "INVALID_TOKEN", {"resume_token": OTHER_TOKEN}),
        not_a_gwp_set(),
    ],
    "EmissionService.AggregateEmissions": [
        *emissions(),
        beyond("group_by[0]", [99]),
        beyond("limit", -1),
        not_a_gwp_set(),
    ],
    "EmissionService.GetDashboard": [
        beyond("period_start", {"year": 2024, "month": 2, "day": 3}, period_end=DAY),
        beyond("period_end", {"year": 2024, "month": 1, "day": 1}, period_start=DAY),
        beyond("top_suppliers", -1),
        malformed("as_of", "x"),
    ],
    "EmissionService.SimulateEmissions": [
        *emissions(),
        beyond("group_by[0]", [99]),
        beyond("limit", -1),
        beyond("draws", 7),
    ],
    "FactorService.ListFactors": [
        *pages(),
        malformed("factor_set", "sets/1"),
        beyond("year", -5),
        long("source"),
        long("text"),
        malformed("region", "Atlantis"),
        Wrong("unit", "UNKNOWN_UNIT", {"unit": "parsec?"}),
    ],
    "FactorService.GetFactor": [missing("name"), malformed("name", "factors/1")],
    "FactorService.ImportFactorSet": [
        Wrong("spec", "REQUIRED_FIELD", {}),
        Wrong("spec", "REQUIRED_FIELD", {"chunk": "eA=="}),
        Wrong("spec", "REQUIRED_FIELD", {"factors": {}}),
    ],
    "FactorService.UpdateFactor": [
        missing("factor.name"),
        Wrong("update_mask", "UNKNOWN_FIELD", {"update_mask": "nothing", "factor": FACTOR}),
        long("set_display_name", update_mask="kgCo2e", factor=FACTOR),
    ],
    "FactorService.BatchUpdateFactors": [
        malformed("parent", "sets/1", requests=[{}]),
        missing("requests", parent="factorSets/1"),
        long("set_display_name", parent="factorSets/1", requests=[{"factor": FACTOR, "update_mask": "kgCo2e"}]),
    ],
    "FactorService.DiffFactorSets": [
        *pages(old_factor_set="factorSets/1", new_factor_set="factorSets/1"),
        missing("old_factor_set", new_factor_set="factorSets/1"),
        missing("new_factor_set", old_factor_set="factorSets/1"),
    ],
    "FactorService.GetFactorSet": named("factorSets"),
    "FactorService.ListFactorSets": pages(),
    "FactorService.ActivateFactorSet": named("factorSets"),
    "FactorService.ListFactorSetActivations": pages(),
    "HotspotService.AnalyzeHotspots": [
        *emissions(),
        beyond("dimension", 7),
        beyond("analyses[0]", [99]),
        beyond("pareto_share", 2),
        beyond("target_quality", 7),
        beyond("limit", -1),
    ],
    "HotspotService.RunScenario": [
        *emissions(),
        beyond("discount_rate", 2),
        Wrong("levers[0].quantity.change", "OUT_OF_RANGE", {"levers": [{"quantity": {"change": -2}}]}),
        Wrong("levers[1]", "REQUIRED_FIELD", {"levers": [LEVER, {}]}),
        Wrong("levers", "LIMIT_EXCEEDED", {"levers": [LEVER] * 31}),
    ],
    "OperationService.StartOperation": [
        *IDS,
        missing("task", request_id="r"),
        Wrong(
            "task.scenario.discount_rate",
            "OUT_OF_RANGE",
            {"request_id": "r", "task": {"scenario": {"discount_rate": 2}}},
        ),
    ],
    "PriceService.ListPrices": [*pages(), malformed("price_set", "sets/1"), malformed("currency", "euro")],
    "PriceService.ImportPriceSet": [
        Wrong("spec", "REQUIRED_FIELD", {}),
        Wrong("spec", "REQUIRED_FIELD", {"chunk": "eA=="}),
        Wrong("spec", "REQUIRED_FIELD", {"prices": {}}),
    ],
    "PriceService.ListPriceSets": pages(),
    "PriceService.ActivatePriceSet": named("priceSets"),
    "PriceService.DeactivatePriceSet": named("priceSets"),
    "PriceService.ListPriceSetActivations": pages(),
    "ReportService.GenerateReport": [
        *[Wrong(of.field, of.reason, {**REPORT, "request_id": of.request.get("request_id", "")}) for of in IDS],
        Wrong("kind", "OUT_OF_RANGE", {**REPORT, "kind": 99}),
        Wrong("format", "OUT_OF_RANGE", {**REPORT, "format": 0}),
        malformed("as_of", "x", **REPORT),
        beyond("period_start", {"year": 2024, "month": 2, "day": 3}, period_end=DAY, **REPORT),
        beyond("period_end", {"year": 2024, "month": 1, "day": 1}, period_start=DAY, **REPORT),
        not_a_gwp_set(**REPORT),
        Wrong("organization", "LIMIT_EXCEEDED", {"organization": LONG, **REPORT}),
        beyond("supplier_limit", -1, **REPORT),
        beyond("base_year", 3, **REPORT),
        Wrong(
            "statements.currency", "MALFORMED_VALUE", {"statements": {"net_revenue": 1, "currency": "euros"}, **REPORT}
        ),
    ],
    "ReportService.GetReport": named("reports"),
    "ReportService.ListReports": pages(),
    "ReportService.DownloadReport": named("reports"),
    "ReportService.DeleteReport": named("reports"),
    "RunService.GetRun": named("runs"),
    "RunService.ListRuns": pages(),
    "RunService.WatchRun": named("runs"),
    "RunService.ListRunDifferences": [*named("runs", "run"), *pages(run="runs/1")],
    "RunService.ListRunRowErrors": [*named("runs", "run"), *pages(run="runs/1")],
    "RunService.DeleteRun": named("runs"),
    "SupplierService.GetSupplier": [
        missing("name"),
        malformed("name", "things/x"),
        Wrong("read_mask.paths[0]", "UNKNOWN_FIELD", {"read_mask": "nothing", "name": "suppliers/S"}),
        malformed("as_of", "x", name="suppliers/S"),
    ],
    "SupplierService.ListSuppliers": [
        *pages(),
        Wrong("filter", "INVALID_FILTER", {"filter": "country = "}),
        Wrong("filter", "UNKNOWN_FIELD", {"filter": 'colour = "red"'}),
        Wrong("filter", "INVALID_FILTER", {"filter": 'carbon_intensity > "much"'}),
        Wrong("filter", "LIMIT_EXCEEDED", {"filter": "(" * 200 + 'country = "DE"' + ")" * 200}),
        Wrong("order_by", "UNKNOWN_FIELD", {"order_by": "colour"}),
        Wrong("read_mask.paths[0]", "UNKNOWN_FIELD", {"read_mask": "colour"}),
        malformed("as_of", "x"),
        Wrong("search", "LIMIT_EXCEEDED", {"search": LONG}),
    ],
    "SupplierService.BatchUpsertSuppliers": [
        missing("suppliers"),
        Wrong("suppliers[0].code", "REQUIRED_FIELD", {"suppliers": [{}]}),
    ],
    "SupplierService.UpdateSupplier": [
        missing("supplier.name"),
        Wrong("update_mask.paths[0]", "UNKNOWN_FIELD", {"update_mask": "colour", "supplier": {"name": "suppliers/S"}}),
    ],
    "UploadService.CreateUpload": [*IDS, long("display_name", request_id="r"), beyond("mode", 99, request_id="r")],
    "UploadService.AppendActivities": [
        Wrong("open.upload", "REQUIRED_FIELD", {"open": {}}),
        Wrong("open.upload", "MALFORMED_VALUE", {"open": {"upload": "uploads/x"}}),
        Wrong("open", "UPLOAD_NOT_OPEN", {"append": {}}),
        Wrong("open", "UPLOAD_NOT_OPEN", {"suppliers": {}}),
    ],
    "UploadService.GetUpload": named("uploads"),
    "UploadService.ListUploads": pages(),
    "UploadService.ListRowErrors": [*named("uploads", "upload"), *pages(upload="uploads/1")],
    "UploadService.FinalizeUpload": [
        *named("uploads"),
        beyond("row_count", -1, name="uploads/1"),
        Wrong("follow_ups[0]", "REQUIRED_FIELD", {"name": "uploads/1", "follow_ups": [{}]}),
    ],
    "UploadService.AbandonUpload": named("uploads"),
    "Operations.ListOperations": [*pages(), malformed("name", "things"), beyond("filter", "done = true")],
    "Operations.GetOperation": named("operations"),
    "Operations.DeleteOperation": named("operations"),
    "Operations.CancelOperation": named("operations"),
    "Operations.WaitOperation": [*named("operations"), beyond("timeout", "-1s", name="operations/1")],
}

"""Suppliers, and what requests say of them, between messages and the store."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from vcci.v1 import supplier_service_pb2 as pb
from vcci_engine.countries import alpha_2
from vcci_engine.errors import InvalidField

from vcci_server.filters import FilterLimits, parse_filter
from vcci_server.storage.supplier_fields import FIGURES
from vcci_server.storage.supplier_lists import COLUMNS, ORDERS, START, Listing, Place
from vcci_server.storage.suppliers import WRITABLE, SupplierFields, etag_of
from vcci_server.tokens import Scalar, read_token, write_token
from vcci_server.validation import MAX_NAME_BYTES, MAX_STRING_BYTES, Problems, resource_id

COLLECTION = "suppliers"
MOST_UPSERTED = 1_000
WRITTEN = frozenset(COLUMNS) - FIGURES  # what a supplier has that was just written
ALL = "*"
STATUS = {name.removeprefix("STATUS_").lower(): number for name, number in pb.Supplier.Status.items()}
MOMENTS = 10_000


def code_of(name: str, field: str = "name") -> str:
    """Return the code in a supplier's name."""
    prefix, _, code = name.rpartition("/")
    decoded = unquote(code)
    if prefix != COLLECTION or not decoded or "\0" in decoded:
        reason = "MALFORMED_VALUE" if name else "REQUIRED_FIELD"
        raise InvalidField(field, name, "a name `suppliers/{code}`, the code percent-encoded", reason=reason)
    return decoded


def wanted_fields(mask: FieldMask) -> frozenset[str]:
    """Return the fields that a read mask names; all when it is empty."""
    return _named("read_mask", mask, COLUMNS) or frozenset(COLUMNS)


def run_of(name: str) -> int:
    """Return the run that figures are as of; 0 for none."""
    return resource_id(name, "runs", "as_of") if name else 0


def listing_of(request: pb.ListSuppliersRequest, limits: FilterLimits) -> Listing:
    """Return what a request lists, or raise what is wrong with it."""
    problems = Problems()
    problems.text("search", request.search, MAX_STRING_BYTES)
    problems.check()
    field, _, direction = request.order_by.strip().partition(" ")
    if request.order_by and request.search:
        expected = "no order with a search, whose order is likeness"
        raise InvalidField("order_by", request.order_by, expected, reason="MALFORMED_VALUE")
    if field and field not in ORDERS:
        raise InvalidField("order_by", field, f"one of {', '.join(ORDERS)}", reason="UNKNOWN_FIELD")
    if direction.strip() not in ("", "asc", "desc"):
        raise InvalidField(
            "order_by", request.order_by, f"{field}, {field} asc or {field} desc", reason="MALFORMED_VALUE"
        )
    return Listing(
        wanted_fields(request.read_mask),
        parse_filter(request.filter, limits),
        field or "code",
        direction.strip() == "desc",
        request.search,
        run_of(request.as_of),
    )


def read_place(request: pb.ListSuppliersRequest, tenant_id: int) -> Place:
    """Return where a page begins; its token is bound to the tenant and to filter, order and search."""
    start: tuple[Scalar, ...] = tuple(START)
    part, key, supplier_id = read_token(request.page_token, _scope(request), tenant_id, default=start)
    place = Place(int(part), str(key), int(supplier_id))
    ordered = request.search or request.order_by.split(" ")[0] in FIGURES
    try:
        if place != START and ordered and not place.part:
            float(place.key)
    except ValueError as error:
        expected = "the token of a page of this list"
        raise InvalidField("page_token", request.page_token, expected, reason="INVALID_TOKEN") from error
    return place


def write_place(request: pb.ListSuppliersRequest, tenant_id: int, place: Place | None) -> str:
    """Return the token of the page behind a place; empty for none."""
    return "" if place is None else write_token(_scope(request), tenant_id, tuple(place))


def _scope(request: pb.ListSuppliersRequest) -> str:
    asked = "\0".join((request.filter, request.order_by, request.search, request.as_of))
    return f"{COLLECTION}/{hashlib.sha256(asked.encode()).hexdigest()[:16]}"


def upserted_fields(request: pb.BatchUpsertSuppliersRequest) -> list[SupplierFields]:
    """Return the suppliers of a request, or raise what is wrong with them."""
    count = len(request.suppliers)
    if not 1 <= count <= MOST_UPSERTED:
        reason = "LIMIT_EXCEEDED" if count else "REQUIRED_FIELD"
        raise InvalidField("suppliers", count, f"1 to {MOST_UPSERTED} suppliers", reason=reason)
    problems = Problems()
    codes: set[str] = set()
    for number, supplier in enumerate(request.suppliers):
        field = f"suppliers[{number}]"
        problems.text(f"{field}.code", supplier.code, MAX_STRING_BYTES, required=True)
        if supplier.code in codes:
            problems.add(f"{field}.code", supplier.code, "each code once", "MALFORMED_VALUE")
        codes.add(supplier.code)
        _check(field, supplier, problems)
    problems.check()
    return [SupplierFields(given.code, **_values(given)) for given in request.suppliers]


def changed_fields(request: pb.UpdateSupplierRequest) -> Mapping[str, str]:
    """Return the new values of the fields that are to be changed, or raise what is wrong with them."""
    problems = Problems()
    _check("supplier", request.supplier, problems)
    problems.check()
    values = _values(request.supplier)
    named = frozenset(WRITABLE) if list(request.update_mask.paths) == [ALL] else None
    if named is None:
        named = _named("update_mask", request.update_mask, WRITABLE)
    chosen = named or frozenset(name for name, value in values.items() if value)
    if "status" in chosen and not values["status"]:
        raise InvalidField("supplier.status", request.supplier.status, "a status", reason="REQUIRED_FIELD")
    return {name: values[name] for name in chosen}


def _check(field: str, supplier: pb.Supplier, problems: Problems) -> None:
    problems.text(f"{field}.display_name", supplier.display_name, MAX_NAME_BYTES)
    problems.text(f"{field}.industry", supplier.industry, MAX_STRING_BYTES)
    if alpha_2(supplier.country) is None:
        problems.add(f"{field}.country", supplier.country, "a code of ISO 3166-1", "MALFORMED_VALUE")
    if supplier.status not in pb.Supplier.Status.values():
        problems.add(f"{field}.status", supplier.status, "a status", "OUT_OF_RANGE")


def _values(given: pb.Supplier) -> dict[str, str]:
    status = pb.Supplier.Status.Name(given.status).removeprefix("STATUS_").lower() if given.status else ""
    return {
        "display_name": given.display_name,
        "country": alpha_2(given.country) or "",
        "industry": given.industry,
        "status": status,
    }


def _named(field: str, mask: FieldMask, known: Sequence[str] | Mapping[str, Any]) -> frozenset[str]:
    problems = Problems()
    for number, path in enumerate(mask.paths):
        if path not in known:
            problems.add(f"{field}.paths[{number}]", path, f"one of {', '.join(known)}", "UNKNOWN_FIELD")
    problems.check()
    return frozenset(mask.paths)


def supplier_message(stored: Mapping[str, Any], wanted: frozenset[str]) -> pb.Supplier:
    """Return the wanted fields of a supplier as the contract has them; a page has a hundred, so each takes 5 µs."""
    values = {name: MADE[name](stored) if name in MADE else stored[name] for name in wanted}
    return pb.Supplier(**{name: value for name, value in values.items() if value is not None})


@lru_cache(maxsize=MOMENTS)  # many suppliers come in one transaction
def _timestamp(moment: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(moment)
    return made


MADE: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "name": lambda stored: f"{COLLECTION}/{quote(stored['code'], safe='')}",
    "status": lambda stored: STATUS[stored["status"]],
    "create_time": lambda stored: _timestamp(stored["created_at"]),
    "update_time": lambda stored: _timestamp(stored["updated_at"]),
    "etag": etag_of,
}

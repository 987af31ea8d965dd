"""Factors and factor sets, from the wire to records and back."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from urllib.parse import quote

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from vcci.v1 import factor_service_pb2 as pb

from vcci_server.importers import FactorRecord
from vcci_server.importers.csv_rows import Row
from vcci_server.importers.problems import Problems
from vcci_server.importers.vcci_csv import read_records
from vcci_server.storage.activations import Activation
from vcci_server.storage.factor_differences import Difference
from vcci_server.storage.factors import FactorSetRecord, StoredFactor

COLLECTION = "factorSets"


def factor_message(stored: StoredFactor) -> pb.Factor:
    """Return a factor as the contract has it."""
    record = stored.record
    return pb.Factor(
        name=f"{COLLECTION}/{stored.factor_set_id}/factors/{stored.factor_id}",
        source=record.source,
        code=record.code,
        display_name=record.name,
        region=record.region,
        year=record.year,
        unit=record.unit,
        kg_co2e=record.kg_co2e,
        gases=record.gases,
        gwp_set=record.gwp_set,
        gsd2=record.gsd2,
        price_year=record.price_year,
        price_basis=record.price_basis,
        margins=record.margins,
        source_note=record.source_note,
    )


def set_message(record: FactorSetRecord) -> pb.FactorSet:
    """Return a factor set as the contract has it."""
    return pb.FactorSet(
        name=set_name(record.factor_set_id),
        display_name=record.display_name,
        content_hash=record.content_hash,
        factor_count=record.factor_count,
        active=record.active,
        create_time=_timestamp(record.created_at),
        parent=set_name(record.parent_set_id),
        version=record.version,
    )


def difference_message(difference: Difference) -> pb.FactorDifference:
    """Return a difference as the contract has it."""
    old, new = difference.old, difference.new
    kind = pb.FactorDifference.KIND_CHANGED
    if old is None or new is None:
        kind = pb.FactorDifference.KIND_REMOVED if old else pb.FactorDifference.KIND_ADDED
    return pb.FactorDifference(
        kind=kind,
        old_factor=factor_message(old) if old else None,
        new_factor=factor_message(new) if new else None,
        changed_fields=FieldMask(paths=map(_field, difference.changed_fields)) if old and new else None,
        relative_change=difference.relative_change,
    )


def activation_message(activation: Activation) -> pb.FactorSetActivation:
    """Return an activation as the contract has it."""
    return pb.FactorSetActivation(
        factor_set=set_name(activation.factor_set_id),
        previous_factor_set=set_name(activation.previous_set_id),
        subject=activation.subject,
        request_id=activation.request_id,
        activate_time=_timestamp(activation.activated_at),
    )


def set_name(set_id: int | None) -> str:
    """Return the name of a set; empty for none."""
    return f"{COLLECTION}/{set_id}" if set_id else ""


def records_of(factors: Iterable[pb.Factor], place: Callable[[int], str]) -> list[FactorRecord]:
    """Return the factors as records, by the rules of a file in our own layout; raise InvalidFactorFile.

    `place` calls each factor, by its number, what the caller who sent it does.
    """

    def place_of(number: int, column: str) -> str:
        return ".".join(filter(None, (place(number), _field(column))))

    problems = Problems(place_of)
    return read_records((Row(number, _cells(factor), problems) for number, factor in enumerate(factors)), problems)


def _field(column: str) -> str:
    """Return what the contract calls a column of a file."""
    return {"name": "display_name"}.get(column, column)


def _timestamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def _cells(factor: pb.Factor) -> dict[str, str]:
    return {
        "source": factor.source,
        "code": factor.code,
        "name": factor.display_name,
        "region": factor.region,
        "year": str(factor.year),
        "unit": factor.unit,
        "kg_co2e": repr(factor.kg_co2e),
        "gases": _gases(sorted(factor.gases.items())),
        "gwp_set": factor.gwp_set,
        "gsd2": repr(factor.gsd2) if factor.gsd2 else "",
        "price_year": str(factor.price_year) if factor.price_year else "",
        "price_basis": factor.price_basis,
        "margins": factor.margins,
        "source_note": factor.source_note,
    }


def _gases(gases: Sequence[tuple[str, float]]) -> str:
    return " ".join(f"{quote(name, safe='(),')}={kg!r}" for name, kg in gases)

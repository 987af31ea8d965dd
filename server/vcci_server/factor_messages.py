"""Factors and factor sets, from the wire to records and back."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from google.protobuf.timestamp_pb2 import Timestamp
from vcci.v1 import factor_service_pb2 as pb

from vcci_server.importers import FactorRecord
from vcci_server.importers.csv_rows import Row
from vcci_server.importers.problems import Problems
from vcci_server.importers.vcci_csv import read_records
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
    create_time = Timestamp()
    create_time.FromDatetime(record.created_at)
    return pb.FactorSet(
        name=f"{COLLECTION}/{record.factor_set_id}",
        display_name=record.display_name,
        content_hash=record.content_hash,
        factor_count=record.factor_count,
        active=record.active,
        create_time=create_time,
    )


def records_of(factors: Iterable[pb.Factor]) -> list[FactorRecord]:
    """Return the factors as records, by the rules of a file in our own layout; raise InvalidFactorFile."""
    problems = Problems(_place)
    return read_records((Row(number, _cells(factor), problems) for number, factor in enumerate(factors)), problems)


def _place(number: int, column: str) -> str:
    field = {"name": "display_name"}.get(column, column)
    return f"factors[{number}].{field}" if field else f"factors[{number}]"


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

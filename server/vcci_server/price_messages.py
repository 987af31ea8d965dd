"""Prices and price sets, from the wire to records and back."""

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from vcci.v1 import price_service_pb2 as pb
from vcci_engine.errors import InvalidPriceFile

from vcci_server.importers.csv_rows import Row
from vcci_server.importers.price_record import KINDS, PriceRecord
from vcci_server.importers.prices_csv import read_records
from vcci_server.importers.problems import Problems
from vcci_server.storage.price_activations import PriceActivation
from vcci_server.storage.prices import PriceSetRecord

COLLECTION = "priceSets"
_KIND_NAMES = {number: name for name, number in KINDS.items()}


def price_message(record: PriceRecord) -> pb.Price:
    """Return a line as the contract has it."""
    return pb.Price(
        kind=pb.PRICE_KIND_INDEX if record.kind == pb.PRICE_KIND_INDEX else pb.PRICE_KIND_RATE,
        currency=record.currency,
        base_currency=record.base_currency,
        year=record.year,
        month=record.month,
        value=record.value,
        source_note=record.source_note,
    )


def set_message(record: PriceSetRecord) -> pb.PriceSet:
    """Return a price set as the contract has it."""
    return pb.PriceSet(
        name=_set_name(record.price_set_id),
        display_name=record.display_name,
        content_hash=record.content_hash,
        base_currency=record.base_currency,
        rate_count=record.rate_count,
        index_count=record.index_count,
        active=record.active,
        create_time=_timestamp(record.created_at),
    )


def activation_message(activation: PriceActivation) -> pb.PriceSetActivation:
    """Return an activation as the contract has it."""
    return pb.PriceSetActivation(
        price_set=_set_name(activation.price_set_id),
        previous_price_set=_set_name(activation.previous_set_id),
        subject=activation.subject,
        request_id=activation.request_id,
        activate_time=_timestamp(activation.activated_at),
    )


def records_of(prices: Iterable[pb.Price]) -> list[PriceRecord]:
    """Return the lines as records, by the rules of a file in our own layout; raise InvalidPriceFile."""
    problems = Problems(_place, error=InvalidPriceFile)
    return read_records((Row(number, _cells(price), problems) for number, price in enumerate(prices)), problems)


def _set_name(set_id: int | None) -> str:
    return f"{COLLECTION}/{set_id}" if set_id else ""


def _timestamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp


def _place(number: int, column: str) -> str:
    return f"prices[{number}].{column}" if column else f"prices[{number}]"


def _cells(price: pb.Price) -> dict[str, str]:
    return {
        "kind": _KIND_NAMES.get(price.kind, str(price.kind)),
        "currency": price.currency,
        "base_currency": price.base_currency,
        "year": str(price.year),
        "month": str(price.month) if price.month else "",
        "value": repr(price.value),
        "source_note": price.source_note,
    }

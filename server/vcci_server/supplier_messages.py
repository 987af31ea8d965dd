"""Suppliers from the wire: those that one batch brings, and those that a stream has for all its batches."""

import asyncio
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from vcci.columns import checksum
from vcci.v1 import activity_pb2, upload_service_pb2
from vcci_engine.activities import IndexArray
from vcci_engine.errors import InvalidField
from vcci_engine.suppliers import Suppliers

from vcci_server.storage.suppliers import SupplierStore
from vcci_server.validation import (
    MAX_NAME_BYTES,
    BatchLimits,
    check_dictionary,
    check_index,
    check_parallel,
    check_strings,
)

NOT_KNOWN = 0  # an id that the database does not give


def suppliers_of_batch(columns: activity_pb2.ActivityColumns, limits: BatchLimits) -> Suppliers:
    """Return the suppliers of one batch, or raise InvalidBatch."""
    codes, names = list(columns.supplier_codes), list(columns.supplier_names)
    countries = list(columns.supplier_countries)
    most, max_bytes = limits.max_dictionary_entries, limits.max_string_bytes
    check_dictionary("columns.supplier_codes", codes, most, max_bytes)
    check_dictionary("columns.supplier_names", names, most, MAX_NAME_BYTES)
    check_dictionary("columns.supplier_countries", countries, most, max_bytes)
    for name, strings in (("names", names), ("countries", countries)):
        if strings:
            check_parallel(f"columns.supplier_{name}", len(strings), len(codes), "supplier_codes")
    return Suppliers.of(codes, names, countries)


def has_suppliers(columns: activity_pb2.ActivityColumns) -> bool:
    """Tell whether a batch brings suppliers of its own."""
    return bool(len(columns.supplier_codes) or len(columns.supplier_names) or len(columns.supplier_countries))


class Ids:
    """The ids of suppliers, as far as these were asked for; shared by all states of a dictionary, and grows with it."""

    def __init__(self, count: int) -> None:
        self.of = np.full(count, NOT_KNOWN, np.int32)

    def grow(self, count: int) -> None:
        """Make room for so many suppliers."""
        self.of = np.append(self.of, np.full(count - len(self.of), NOT_KNOWN, np.int32))


@dataclass(frozen=True, slots=True)
class KnownSuppliers:
    """A state of a stream's suppliers, or one batch's, and their ids."""

    suppliers: Suppliers
    ids: Ids

    @classmethod
    def of(cls, suppliers: Suppliers) -> Self:
        """Return suppliers of which no id is known yet."""
        return cls(suppliers, Ids(len(suppliers)))

    async def resolve(self, store: SupplierStore, tenant_id: int, used: IndexArray) -> npt.NDArray[np.int32]:
        """Return [K]: the ids, of at least the entries that are `used`; suppliers that are new are made."""
        unknown = used[self.ids.of.take(used) == NOT_KNOWN]
        if len(unknown):
            wanted = np.zeros(len(self.suppliers), np.bool_)
            wanted[unknown] = True  # a tenth of the time of np.unique
            entries = np.flatnonzero(wanted)
            self.ids.of[entries] = await store.resolve(tenant_id, self.suppliers, entries)
        return self.ids.of


def added_suppliers(known: Suppliers, message: upload_service_pb2.AddSuppliers, limits: BatchLimits) -> Suppliers:
    """Return the stream's suppliers with those of a message, or raise InvalidField, InvalidBatch."""
    if message.HasField("crc32c") and (found := checksum(message)) != message.crc32c:
        expected = f"{found:#010x}, the CRC-32C of the suppliers as received"
        raise InvalidField("suppliers.crc32c", f"{message.crc32c:#010x}", expected, reason="CHECKSUM_MISMATCH")
    before = known if message.first else Suppliers.of(())
    if message.first != len(before):
        expected = f"{len(before)}, as many as the stream has, or 0"
        raise InvalidField("suppliers.first", message.first, expected, reason="INDEX_OUT_OF_DICTIONARY")
    return before.extended(_more_suppliers(message, limits))


def _more_suppliers(message: upload_service_pb2.AddSuppliers, limits: BatchLimits) -> Suppliers:
    codes, names, countries = list(message.codes), list(message.names), tuple(message.countries)
    country = np.asarray(message.country)
    check_dictionary("suppliers.codes", codes, limits.max_stream_suppliers - message.first, limits.max_string_bytes)
    check_dictionary("suppliers.countries", countries, limits.max_dictionary_entries, limits.max_string_bytes)
    check_strings("suppliers.names", names, MAX_NAME_BYTES)
    for name, column in (("names", names), ("country", country)):
        if len(column):
            check_parallel(f"suppliers.{name}", len(column), len(codes), "codes")
    check_index("suppliers.country", country, "countries", len(countries))
    if not len(country):
        return Suppliers.of(codes, names)
    return Suppliers.indexed(codes, names, country, countries)


async def add_suppliers(
    known: KnownSuppliers | None, message: upload_service_pb2.AddSuppliers, limits: BatchLimits
) -> KnownSuppliers:
    """Return the stream's suppliers with those of a message, or raise InvalidField, InvalidBatch."""
    before = known or KnownSuppliers.of(Suppliers.of(()))
    suppliers = await asyncio.to_thread(added_suppliers, before.suppliers, message, limits)
    if not message.first:
        return KnownSuppliers.of(suppliers)
    before.ids.grow(len(suppliers))
    return KnownSuppliers(suppliers, before.ids)

"""Suppliers from the wire: those that one batch brings, and those that a stream has for all its batches."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from vcci.columns import checksum
from vcci.v1 import activity_pb2, upload_service_pb2
from vcci_engine.activities import IndexArray
from vcci_engine.errors import InvalidField
from vcci_engine.suppliers import Suppliers

from vcci_server.storage.suppliers import SupplierStore
from vcci_server.validation import MAX_NAME_BYTES, BatchLimits, check_dictionary, check_parallel

NOT_KNOWN = 0  # an id that the database does not give


def suppliers_of_batch(columns: activity_pb2.ActivityColumns, limits: BatchLimits) -> Suppliers:
    """Return the suppliers of one batch, or raise InvalidBatch."""
    return _suppliers(
        "columns.supplier_",
        limits.max_dictionary_entries,
        limits,
        tuple(columns.supplier_codes),
        tuple(columns.supplier_names),
        tuple(columns.supplier_countries),
    )


def has_suppliers(columns: activity_pb2.ActivityColumns) -> bool:
    """Tell whether a batch brings suppliers of its own."""
    return bool(len(columns.supplier_codes) or len(columns.supplier_names) or len(columns.supplier_countries))


@dataclass(frozen=True, slots=True)
class KnownSuppliers:
    """Suppliers of a tenant with their ids, as far as these were asked for."""

    suppliers: Suppliers
    ids: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))  # [K]; written to

    @classmethod
    def of(cls, suppliers: Suppliers) -> "KnownSuppliers":
        """Return suppliers of which no id is known yet."""
        return cls(suppliers, np.full(len(suppliers), NOT_KNOWN, np.int32))

    def extended(self, more: Suppliers) -> "KnownSuppliers":
        """Return these, and more behind them."""
        return KnownSuppliers(self.suppliers.extended(more), np.append(self.ids, np.zeros(len(more), np.int32)))

    async def resolve(self, store: SupplierStore, tenant_id: int, used: IndexArray) -> npt.NDArray[np.int32]:
        """Return [K]: the ids, of at least the entries that are `used`; suppliers that are new are made."""
        unknown = np.unique(used[self.ids.take(used) == NOT_KNOWN])
        if len(unknown):
            suppliers, at = self.suppliers, unknown.tolist()
            self.ids[unknown] = await store.resolve(
                tenant_id,
                [suppliers.codes[entry] for entry in at],
                [suppliers.names[entry] for entry in at] if suppliers.names else (),
                [suppliers.country_of(entry) for entry in at] if any(suppliers.countries) else (),
            )
        return self.ids


def add_suppliers(
    known: KnownSuppliers | None, message: upload_service_pb2.AddSuppliers, limits: BatchLimits
) -> KnownSuppliers:
    """Return the stream's suppliers with those of a message, or raise InvalidField, InvalidBatch."""
    if message.HasField("crc32c") and (found := checksum(message)) != message.crc32c:
        expected = f"{found:#010x}, the CRC-32C of the suppliers as received"
        raise InvalidField("suppliers.crc32c", f"{message.crc32c:#010x}", expected, reason="CHECKSUM_MISMATCH")
    before = KnownSuppliers.of(Suppliers.of(())) if known is None or not message.first else known
    if message.first != len(before.suppliers):
        expected = f"{len(before.suppliers)}, as many as the stream has, or 0"
        raise InvalidField("suppliers.first", message.first, expected, reason="INDEX_OUT_OF_DICTIONARY")
    more = _suppliers(
        "suppliers.",
        limits.max_stream_suppliers - message.first,
        limits,
        tuple(message.codes),
        tuple(message.names),
        tuple(message.countries),
    )
    return before.extended(more)


def _suppliers(
    prefix: str,
    most: int,
    limits: BatchLimits,
    codes: tuple[str, ...],
    names: tuple[str, ...],
    countries: tuple[str, ...],
) -> Suppliers:
    for name, strings in (("codes", codes), ("names", names), ("countries", countries)):
        check_dictionary(prefix + name, strings, most, MAX_NAME_BYTES if name == "names" else limits.max_string_bytes)
    for name, strings in (("names", names), ("countries", countries)):
        if strings:
            check_parallel(prefix + name, len(strings), len(codes), f"{prefix}codes".removeprefix("columns."))
    return Suppliers.of(codes, names, countries)

"""Stored emissions as columns of a message: pure functions over segments, for a thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from vcci.columns import EmissionColumns, InputColumn, pack
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.activities import Positions
from vcci_engine.dates import EPOCH
from vcci_engine.distinct import distinct as marked
from vcci_engine.quality import unpack

from vcci_server.emission_gases import StoredParts, activity_of
from vcci_server.gas_messages import fill_gases, fill_gwp_sets
from vcci_server.storage.reading import Filter, StoredSegment, selected
from vcci_server.stored_amounts import AMOUNT_COLUMNS, amounts_of
from vcci_server.stored_pieces import Part, Piece, inputs_of, joined

ROWS_PER_MESSAGE = 20_000  # as many as a merged segment has; about a megabyte with all columns


@dataclass(frozen=True, slots=True)
class Dictionaries:
    """Suppliers' codes, factors' keys, and what factors consist of, by id."""

    suppliers: Mapping[int, str]
    factors: Mapping[int, str]
    gases: StoredParts


def parts(segments: Sequence[StoredSegment], chosen: Filter) -> list[Part]:
    """Return the rows of a filter in parts of whole segments, up to ROWS_PER_MESSAGE rows where these are small."""
    found: list[Part] = []
    room = 0
    for segment in segments:
        mask = selected(segment, chosen)
        rows = np.arange(segment.n) if mask is None else np.flatnonzero(mask)
        if not len(rows):
            continue
        if len(rows) > room:
            found.append([])
            room = ROWS_PER_MESSAGE
        found[-1].append(Piece(segment, rows))
        room -= len(rows)
    return found


def distinct(found: Sequence[Part], name: str) -> list[int]:
    """Return the distinct values of a column in all parts."""
    values = [distinct_values(joined(part, name))[0] for part in found]
    ids: list[int] = distinct_values(np.concatenate(values))[0].tolist() if values else []
    return ids


def distinct_values(column: npt.NDArray[np.integer[Any]]) -> tuple[Positions, Positions]:
    """Return the distinct values of a column, ascending, and each row's position among them; there is one row."""
    low = int(column.min())
    codes, place = marked(column.astype(np.intp) - low, int(column.max()) - low + 1)
    return codes + low, place


def emission_columns(pieces: Part, wanted: frozenset[int], dictionaries: Dictionaries) -> Any:
    """Return the twin of EmissionColumns (vcci.columns) with the columns wanted, numbers of EmissionColumn."""
    message = EmissionColumns(rows=sum(len(piece.rows) for piece in pieces))
    for column in sorted(wanted):
        WRITERS[column].write(message, pieces, dictionaries)
    return message


def _supplier(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    ids, place = distinct_values(joined(pieces, "supplier"))
    message.supplier_codes.extend([*map(dictionaries.suppliers.__getitem__, ids.tolist())])
    message.supplier = pack(place, "<u4")


def _factor(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    ids, place = distinct_values(joined(pieces, "factor"))
    keys = [dictionaries.factors[number] for number in ids.tolist()]  # one key may be several factors
    number = {key: n for n, key in enumerate(dict.fromkeys(keys))}
    message.factors.extend(number)
    message.factor = pack(np.array([number[key] for key in keys])[place], "<u4")


def _quantity(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    message.quantity = pack(joined(pieces, "quantity"), "<f8")
    number = {unit: n for n, unit in enumerate(dict.fromkeys(unit for piece in pieces for unit in piece.segment.units))}
    message.units.extend(number)
    places = [np.array([number[unit] for unit in piece.segment.units])[piece.column("unit")] for piece in pieces]
    message.unit = pack(np.concatenate(places), "<u4")


def _period(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    days = [piece.column("period") + np.int32((piece.segment.position.quarter - EPOCH).days) for piece in pieces]
    message.period = pack(np.concatenate(days), "<i4")


def _quality(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    message.quality = pack(unpack(joined(pieces, "quality")), "<u4")


def _group(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    groups = [group for piece in pieces for group in piece.strings("group")]
    if any(groups):
        number = {group: n for n, group in enumerate(dict.fromkeys(groups))}
        message.groups.extend(number)
        message.group = pack([number[group] for group in groups], "<u4")


def _references(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    references = [reference for piece in pieces for reference in piece.strings("reference")]
    if any(references):
        message.references.extend(references)


def _inputs(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    for name, (rows, values) in sorted(inputs_of(pieces).items()):
        column = InputColumn(name=name, value=pack(values, "<f8"))
        if len(rows) < message.rows:
            column.row = pack(rows, "<u4")
        message.inputs.append(column)


def _row(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    message.row = pack(joined(pieces, "row"), "<u4")
    uploads = [piece.segment.position.upload_id for piece in pieces]
    number = {upload: n for n, upload in enumerate(dict.fromkeys(uploads))}
    message.uploads.extend(f"uploads/{upload}" for upload in number)
    message.upload = pack(
        np.repeat([number[upload] for upload in uploads], [len(piece.rows) for piece in pieces]), "<u4"
    )


def _kg_co2e(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    kg_co2e, gases = joined(pieces, "kg_co2e"), dictionaries.gases
    if gases.gwp_set and (ratio := gases.ratio_of(joined(pieces, "factor"))) is not None:
        kg_co2e = kg_co2e * ratio
    message.kg_co2e = pack(kg_co2e, "<f8")


def _gwp_set(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    gases = dictionaries.gases
    fill_gwp_sets(message, gases.parts, gases.positions(joined(pieces, "factor")), gases.gwp_set)


def _gases(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    gases = dictionaries.gases
    place = gases.positions(joined(pieces, "factor"))
    activity = activity_of(gases, place, joined(pieces, "kg_co2e"))
    if factors := gases.unknown():
        activity += np.nan_to_num(amounts_of(pieces, factors))  # 0 of all other rows, and where it was unknown
    fill_gases(message, gases.parts, place, activity)


def _gsd2(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
    message.gsd2 = pack(np.exp(2 * joined(pieces, "sigma").astype(np.float64)), "<f4")


def _as_stored(name: str, dtype: str) -> "Writer":
    def write(message: Any, pieces: Part, dictionaries: Dictionaries) -> None:
        setattr(message, name, pack(joined(pieces, name), dtype))

    return Writer((name,), write)


@dataclass(frozen=True, slots=True)
class Writer:
    """A column of the contract: the stored columns that it is made of, and how."""

    stored: tuple[str, ...]
    write: Callable[[Any, Part, Dictionaries], None]


WRITERS: Mapping[int, Writer] = {
    pb.EMISSION_COLUMN_SUPPLIER: Writer(("supplier",), _supplier),
    pb.EMISSION_COLUMN_CATEGORY: _as_stored("category", "<u4"),
    pb.EMISSION_COLUMN_METHOD: _as_stored("method", "<u4"),
    pb.EMISSION_COLUMN_QUANTITY: Writer(("quantity", "unit"), _quantity),
    pb.EMISSION_COLUMN_FACTOR: Writer(("factor",), _factor),
    pb.EMISSION_COLUMN_PERIOD: Writer(("period",), _period),
    pb.EMISSION_COLUMN_QUALITY: Writer(("quality",), _quality),
    pb.EMISSION_COLUMN_GROUP: Writer(("group",), _group),
    pb.EMISSION_COLUMN_REFERENCES: Writer(("reference",), _references),
    pb.EMISSION_COLUMN_INPUTS: Writer(("inputs",), _inputs),
    pb.EMISSION_COLUMN_ROW: Writer(("row",), _row),
    pb.EMISSION_COLUMN_KG_CO2E: Writer(("kg_co2e",), _kg_co2e),
    pb.EMISSION_COLUMN_GSD2: Writer(("sigma",), _gsd2),
    pb.EMISSION_COLUMN_NOTICES: _as_stored("notices", "<u4"),
    pb.EMISSION_COLUMN_GWP_SET: Writer(("factor",), _gwp_set),
    pb.EMISSION_COLUMN_GASES: Writer((*AMOUNT_COLUMNS, "kg_co2e"), _gases),
}
OF_GASES = frozenset({pb.EMISSION_COLUMN_GWP_SET, pb.EMISSION_COLUMN_GASES})  # need what factors consist of

"""Stored emissions as columns of a message: pure functions over segments, for a thread."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from vcci.columns import StreamEmissionsResponse, pack
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.dates import EPOCH
from vcci_engine.gases import expressed_under
from vcci_engine.quality import unpack

from vcci_server.emission_dictionaries import Dictionaries, Numbers
from vcci_server.emission_gases import StoredParts, activity_of
from vcci_server.gas_messages import fill_gases
from vcci_server.storage.reading import Filter, StoredSegment, selected
from vcci_server.stored_amounts import AMOUNT_COLUMNS, amounts_of
from vcci_server.stored_pieces import Part, Piece, inputs_of, joined

ROWS_PER_MESSAGE = 20_000  # as many as a merged segment has; about a megabyte with all columns


@dataclass(frozen=True, slots=True)
class Labels:
    """What the ids of a part stand for: of suppliers and factors those that are new to its stream."""

    suppliers: Sequence[str]  # codes
    factors: Sequence[str]  # keys
    gases: StoredParts  # of all factors, by id


@dataclass(frozen=True, slots=True)
class Numbered:
    """A part of a stream, its suppliers and factors numbered; None where they are not wanted."""

    pieces: Part
    supplier: Numbers | None
    factor: Numbers | None


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


def factors_of(found: Sequence[Numbered]) -> list[int]:
    """Return the distinct factors of all parts."""
    values = [np.unique(joined(part.pieces, "factor")) for part in found]
    ids: list[int] = np.unique(np.concatenate(values)).tolist() if values else []
    return ids


def numbered(
    segments: Sequence[StoredSegment], chosen: Filter, wanted: frozenset[int], dictionaries: Dictionaries
) -> list[Numbered]:
    """Return the rows of a filter as parts of a stream, in its order."""
    of_suppliers, of_factors = (column in wanted for column in (pb.EMISSION_COLUMN_SUPPLIER, pb.EMISSION_COLUMN_FACTOR))
    return [
        Numbered(
            part,
            dictionaries.suppliers.number(joined(part, "supplier")) if of_suppliers else None,
            dictionaries.factor_ids.number(joined(part, "factor")) if of_factors else None,
        )
        for part in parts(segments, chosen)
    ]


def write_response(
    part: Numbered, wanted: frozenset[int], dictionaries: Dictionaries, labels: Labels, resume_token: str
) -> bytes:
    """Return a StreamEmissionsResponse with the columns wanted, numbers of EmissionColumn, for the wire."""
    message = StreamEmissionsResponse(resume_token=resume_token, new_dictionaries=dictionaries.are_new)
    dictionaries.are_new = False
    columns = message.emissions  # filled in place: to copy a finished message takes 15 times as long
    columns.rows = sum(len(piece.rows) for piece in part.pieces)
    for column in sorted(wanted):
        WRITERS[column].write(columns, part, dictionaries, labels)
    return bytes(message.SerializeToString())


def _supplier(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    assert part.supplier is not None
    message.supplier_codes.extend(labels.suppliers)
    message.supplier = pack(part.supplier.numbers, "<u4")


def _factor(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    assert part.factor is not None
    keys = dictionaries.keys_of_factors(labels.factors)
    message.factors.extend(keys.new)
    message.factor = pack(keys.numbers.take(part.factor.numbers), "<u4")


def _quantity(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    message.quantity = pack(joined(part.pieces, "quantity"), "<f8")
    units = [dictionaries.units.number(piece.segment.units) for piece in part.pieces]
    message.units.extend(unit for numbers in units for unit in numbers.new)
    places = zip(units, part.pieces, strict=True)
    message.unit = pack(np.concatenate([of.numbers.take(piece.column("unit")) for of, piece in places]), "<u4")


def _period(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    days = [piece.column("period") + np.int32((piece.segment.position.quarter - EPOCH).days) for piece in part.pieces]
    message.period = pack(np.concatenate(days), "<i4")


def _quality(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    message.quality = pack(unpack(joined(part.pieces, "quality")), "<u4")


def _group(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    groups = [group for piece in part.pieces for group in piece.strings("group")]
    if any(groups):
        found = dictionaries.groups.number(groups)
        message.groups.extend(found.new)
        message.group = pack(found.numbers, "<u4")


def _references(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    references = [reference for piece in part.pieces for reference in piece.strings("reference")]
    if any(references):
        message.references.extend(references)


def _inputs(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    for name, (rows, values) in sorted(inputs_of(part.pieces).items()):
        column = message.inputs.add(name=name, value=pack(values, "<f8"))
        if len(rows) < message.rows:
            column.row = pack(rows, "<u4")


def _row(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    message.row = pack(joined(part.pieces, "row"), "<u4")
    uploads = dictionaries.uploads.number(f"uploads/{piece.segment.position.upload_id}" for piece in part.pieces)
    message.uploads.extend(uploads.new)
    message.upload = pack(np.repeat(uploads.numbers, [len(piece.rows) for piece in part.pieces]), "<u4")


def _kg_co2e(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    kg_co2e, gases = joined(part.pieces, "kg_co2e"), labels.gases
    if gases.gwp_set and (ratio := gases.ratio_of(joined(part.pieces, "factor"))) is not None:
        kg_co2e = kg_co2e * ratio
    message.kg_co2e = pack(kg_co2e, "<f8")


def _gwp_set(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    names, used = expressed_under(labels.gases.parts, labels.gases.gwp_set)
    sets = dictionaries.gwp_sets.number(names)
    message.gwp_sets.extend(sets.new)
    message.gwp_set = pack(sets.numbers.take(used).take(labels.gases.positions(joined(part.pieces, "factor"))), "<u4")


def _gases(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    gases = labels.gases
    place = gases.positions(joined(part.pieces, "factor"))
    activity = activity_of(gases, place, joined(part.pieces, "kg_co2e"))
    if factors := gases.unknown():
        activity += np.nan_to_num(amounts_of(part.pieces, factors))  # 0 of all other rows, and where it was unknown
    fill_gases(message, gases.parts, place, activity)


def _gsd2(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
    message.gsd2 = pack(np.exp(2 * joined(part.pieces, "sigma").astype(np.float64)), "<f4")


def _as_stored(name: str, dtype: str) -> "Writer":
    def write(message: Any, part: Numbered, dictionaries: Dictionaries, labels: Labels) -> None:
        setattr(message, name, pack(joined(part.pieces, name), dtype))

    return Writer((name,), write)


@dataclass(frozen=True, slots=True)
class Writer:
    """A column of the contract: the stored columns that it is made of, and how."""

    stored: tuple[str, ...]
    write: Callable[[Any, Numbered, Dictionaries, Labels], None]


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

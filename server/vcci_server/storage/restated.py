"""What a part of a run comes to: pure functions over stored segments, for a thread or Ray."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt
from vcci_engine.errors import AlteredInputs
from vcci_engine.input_hash import is_unaltered
from vcci_engine.methods import VERSION
from vcci_engine.restatement import RESTATED, Restatement, Tables, restate
from vcci_engine.results import Basis, RowErrors
from vcci_engine.segments import Segment, decode, decode_strings, replaced
from vcci_engine.stored import columns_of
from vcci_engine.totals import Terms, ug_by
from vcci_engine.totals import of_ug as terms_of_ug

from vcci_server.storage import figures
from vcci_server.storage.figures import ROLLUPS, by_supplier
from vcci_server.storage.passes import Tally, combine_tallies
from vcci_server.storage.reading import Filter, Mask, Position, StoredSegment, selected
from vcci_server.storage.run_sums import BUCKET_BITS, OLD, UploadSums, of_ug
from vcci_server.storage.sums import Countries, Keys, Sums, combine, grouped, nothing, regroup, sum_segments

CPU_S_PER_ROW = 0.5e-6
_ALTERED = "Activities of uploads/{} are not as they were stored: somebody has written to the database."

ErrorColumns = tuple[list[int], list[int], list[str], list[str], list[str], list[str]]


@dataclass(frozen=True, slots=True)
class Held:
    """A stored segment, and where it belongs."""

    position: Position
    basis: Basis
    segment: Segment

    def as_read(self) -> StoredSegment:
        """Return it as readers have it."""
        segment = self.segment
        columns = {name: bytes(column) for name, column in segment.columns.items()}
        texts = {"group": segment.group, "reference": segment.reference, "inputs": segment.inputs}
        return StoredSegment(self.position, segment.n, segment.units, {**columns, **texts})


@dataclass(frozen=True, slots=True)
class Restated:
    """What a part comes to."""

    held: list[Held]  # the segments that are not as they were, under the new basis
    sums: dict[int, UploadSums]  # by upload
    errors: list[tuple[Position, ErrorColumns]]  # of each segment: row, reason, field, value, expected, reference

    @property
    def rejected(self) -> int:
        """How many rows could not be calculated."""
        return sum(len(columns[0]) for _, columns in self.errors)


def restate_part(tables: Tables, countries: Countries, part: Sequence[Held], chosen: Filter, gwp_set: str) -> Restated:
    """Calculate the rows of a filter anew, in segments of one basis.

    Raises AlteredInputs: the hash of a new segment would cover up what was altered in the old one.
    """
    for held in part:
        if not is_unaltered(held.segment):
            raise AlteredInputs(_ALTERED.format(held.position.upload_id))
    wanted = [_wanted(held, chosen) for held in part]
    kept = [held for held, mask in zip(part, wanted, strict=True) if mask.any()]
    if not kept:
        return Restated([], {}, [])
    segments, mask = [held.segment for held in kept], np.concatenate([mask for mask in wanted if mask.any()])

    def countries_of(suppliers: npt.NDArray[np.int32]) -> list[str]:
        numbers = countries.country.take(np.searchsorted(countries.suppliers, suppliers))
        return [countries.names[number] for number in numbers.tolist()]

    found = restate(segments, mask, countries_of, kept[0].basis, tables, gwp_set)
    basis = Basis(*tables.new.version, VERSION)
    after = [
        Held(held.position, basis, segment)
        for held, segment in zip(kept, replaced(segments, found.columns), strict=True)
    ]
    return Restated(
        held=[new for held, new in zip(kept, after, strict=True) if _differs(held.segment, new.segment)],
        sums=dict(_sums(kept, after, mask, found)),
        errors=list(_errors(kept, found.errors)),
    )


def _wanted(held: Held, chosen: Filter) -> Mask:
    mask = selected(held.as_read(), chosen)
    return np.ones(held.segment.n, np.bool_) if mask is None else mask


def _differs(old: Segment, new: Segment) -> bool:
    return any(bytes(old.columns[name]) != bytes(new.columns[name]) for name in RESTATED)


def _sums(
    before: Sequence[Held], after: Sequence[Held], wanted: Mask, found: Restatement
) -> Iterator[tuple[int, UploadSums]]:
    differences = _differences(before, wanted, found)
    changed = [pair for pair in zip(before, after, strict=True) if _differs(pair[0].segment, pair[1].segment)]
    uploads, *_ = differences.keys
    for upload in np.unique(uploads).tolist():
        (_, *keys), terms = _split(differences, uploads == upload)
        buckets = keys[0] >> BUCKET_BITS
        of_upload = Sums(tuple(keys), terms)
        old, new = ([pair[n].as_read() for pair in changed if pair[n].position.upload_id == upload] for n in (0, 1))
        yield (
            upload,
            UploadSums(
                rollups=_rollups(old, new) if old else nothing(len(ROLLUPS)),
                changes=regroup(keys[1:], terms),
                differences={bucket: of_upload.where(buckets == bucket) for bucket in np.unique(buckets).tolist()},
                figures=_figures(old, new) if old else {},
            ),
        )


def _split(sums: Sums, mask: Mask) -> tuple[tuple[Keys, ...], Terms]:
    part = sums.where(mask)
    return part.keys, part.terms


def _differences(part: Sequence[Held], wanted: Mask, found: Restatement) -> Sums:
    """Return the sums by upload, supplier, category and cause; the old values stand under OLD."""
    segments = [held.segment for held in part]
    upload = np.repeat([held.position.upload_id for held in part], [segment.n for segment in segments])
    supplier, category, kg_co2e = columns_of(segments, "supplier", "category", "kg_co2e")
    every, changes = np.flatnonzero(wanted), found.changes
    rows = np.concatenate((every, changes.row))
    cause = np.concatenate((np.full(len(every), OLD, np.uint8), changes.cause))
    columns = (upload[rows], supplier[rows], category[rows], cause)
    group, first = grouped(columns, len(rows))
    n = len(first)
    old = terms_of_ug(np.zeros(n, np.int64), ug_by(group[len(every) :], n, changes.before))
    new_ug = ug_by(group, n, np.concatenate((kg_co2e[every], changes.after)))
    terms = terms_of_ug(np.bincount(group, minlength=n).astype(np.int64), new_ug) - old
    return of_ug(tuple(column[first].astype(np.int64) for column in columns), terms)


def _rollups(before: Sequence[StoredSegment], after: Sequence[StoredSegment]) -> Sums:
    """Return what is added to the rollups, without what is not changed."""
    old, new = (sum_segments(of, Filter(), ROLLUPS) for of in (before, after))
    added = combine([new, -old])
    return added.where(_any_of(added.terms.columns))


def _figures(before: Sequence[StoredSegment], after: Sequence[StoredSegment]) -> dict[int, Tally]:
    """Return what is added to suppliers' totals, by bucket of suppliers, without what is not changed."""
    old, new = (by_supplier(of, [None] * len(of)) for of in (before, after))
    keys = (figures.SUPPLIER, figures.CURRENCY, figures.OWN)
    added = figures.by(combine_tallies([new, figures.negative(old)]), *keys, amounts=range(figures.AMOUNTS))
    added = figures.where(added, _any_of((added.rows, *added.sums)))
    return figures.cut(added, added.keys[0] >> BUCKET_BITS)


def _any_of(columns: Sequence[npt.NDArray[np.int64]]) -> Mask:
    """Tell which groups have anything but zeros."""
    found: Mask = np.logical_or.reduce([column.reshape(len(column), -1).any(axis=1) for column in columns])
    return found


def _errors(part: Sequence[Held], errors: RowErrors) -> Iterator[tuple[Position, ErrorColumns]]:
    """Yield the errors of each segment that has some, its rows by their numbers within the upload."""
    starts = [0, *accumulate(held.segment.n for held in part)]
    bounds = np.searchsorted(errors.row, starts).tolist()
    for held, start, first, last in zip(part, starts, bounds, bounds[1:], strict=False):
        if first == last:
            continue
        segment, rows = held.segment, errors.row[first:last] - np.uint32(start)
        references = decode_strings(segment.reference, segment.n)
        columns = (
            decode("row", segment.columns["row"])[rows].tolist(),
            [int(reason) for reason in errors.reason[first:last]],
            list(errors.field[first:last]),
            list(errors.value[first:last]),
            list(errors.expected[first:last]),
            [references[row] for row in rows.tolist()],
        )
        yield held.position, columns

"""Amounts of activity of stored emissions, for factors of 0 kg CO2e: their gases do not follow from the emissions."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from vcci_engine.activities import Activities, DayArray, FloatArray, IndexArray, InputColumn
from vcci_engine.calculate import calculate
from vcci_engine.dates import EPOCH
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.suppliers import Suppliers

from vcci_server.storage.passes import Tally, combine_tallies, no_tally, pass_over, tally
from vcci_server.storage.pool import Connection
from vcci_server.storage.reading import Filter, StoredSegment, pin_version, scan
from vcci_server.storage.summing import Run
from vcci_server.storage.sums import Made, chosen_columns, columns_for
from vcci_server.stored_pieces import Piece, inputs_of, joined, pieces_of

AMOUNT_COLUMNS = ("category", "method", "period", "quantity", "unit", "factor", "inputs")
AMOUNT, NOT_CALCULABLE = 0, 1  # the sums of a tally of amounts


class PerUnit(NamedTuple):
    """What an amount is of, and in: the key of a factor, which tells of a fuel, and its unit."""

    key: str
    unit: str


Factors = Mapping[int, PerUnit]  # by id


def amounts_of(pieces: Sequence[Piece], factors: Factors) -> FloatArray:
    """Return the amount of activity of each row, in the unit of its factor; NaN of rows of other factors.

    It is calculated again from the stored inputs; NaN where that is not possible any more.
    """
    meant = np.isin(joined(pieces, "factor"), [*factors])
    amount = np.full(len(meant), np.nan)
    some = [Piece(piece.segment, piece.rows[np.isin(piece.column("factor"), [*factors])]) for piece in pieces]
    if some := [piece for piece in some if len(piece.rows)]:
        emissions = calculate(activities_of(some), _table(factors), allow_negative=True).emissions
        amount[np.flatnonzero(meant)[emissions.row]] = emissions.amount
    return amount


async def sum_amounts(
    db: Connection,
    run: Run,
    tenant_id: int,
    chosen: Filter,
    by: Sequence[str],
    factors: Factors,
    made: Made | None,
) -> Tally:
    """Return the sums of the amounts, and of the rows without one, by columns (`sum_segments`), of these factors."""
    columns = sorted({*columns_for(chosen, by), *AMOUNT_COLUMNS})
    segments = scan(db, tenant_id, chosen, columns, version=await pin_version(db))
    of_chunk = partial(_tally, chosen=chosen, by=by, factors=factors, made=made)
    return await pass_over(run, segments, of_chunk, combine_tallies, no_tally(len(by), 2))


def _tally(
    segments: Sequence[StoredSegment], *, chosen: Filter, by: Sequence[str], factors: Factors, made: Made | None
) -> Tally:
    pieces = pieces_of(segments, chosen)
    meant = np.isin(joined(pieces, "factor"), [*factors])
    if not meant.any():
        return no_tally(len(by), 2)
    keys = chosen_columns(segments, chosen, by, made)
    amount = amounts_of(pieces, factors)[meant]
    return tally([keys[name][meant] for name in by], [np.nan_to_num(amount), np.isnan(amount).astype(np.float64)])


def activities_of(pieces: Sequence[Piece]) -> Activities:
    """Return rows as activities; what the amount does not depend on is made up."""
    n = sum(len(piece.rows) for piece in pieces)
    ids, factor = np.unique(joined(pieces, "factor"), return_inverse=True)
    units = sorted({unit for piece in pieces for unit in piece.segment.units})
    none = np.zeros(n, np.uint32)
    return Activities(
        suppliers=Suppliers.of(["-"], (), [""]),
        units=tuple(units),
        factors=tuple(map(str, ids.tolist())),
        supplier=none,
        category=joined(pieces, "category").astype(np.uint32),
        quantity=joined(pieces, "quantity"),
        unit=np.concatenate([_units(piece, units) for piece in pieces]),
        period=np.concatenate([_days(piece) for piece in pieces]),
        method=joined(pieces, "method").astype(np.uint32),
        factor=factor.astype(np.uint32),
        groups=("-",),
        group=none,
        inputs={
            name: InputColumn(values, None if len(rows) == n else rows.astype(np.uint32))
            for name, (rows, values) in inputs_of(pieces).items()
        },
    )


def _units(piece: Piece, units: Sequence[str]) -> IndexArray:
    return np.array([units.index(unit) for unit in piece.segment.units], np.uint32).take(piece.column("unit"))


def _days(piece: Piece) -> DayArray:
    first = (piece.segment.position.quarter - EPOCH).days
    return piece.column("period").astype(np.int32) + np.int32(first)


def _table(factors: Factors) -> FactorTable:
    """Return a table of the factors by their ids; regions of their own tell those of one key apart meanwhile."""
    n = len(factors)
    return build_table(
        *(0, ""),
        ids=[*factors],
        keys=[of.key for of in factors.values()],
        regions=[*map(str, factors)],
        years=[2000] * n,
        units=[of.unit for of in factors.values()],
        kg_co2e=[0.0] * n,
        gsd2=[1.0] * n,
    ).by_ids()

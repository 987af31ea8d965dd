"""Amounts of activity, calculated again from stored inputs."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from vcci_engine.dates import EPOCH
from vcci_engine.results import Emissions
from vcci_engine.segments import COLUMNS, cut
from vcci_server.storage.reading import Position, StoredSegment
from vcci_server.stored_amounts import PerUnit, amounts_of
from vcci_server.stored_pieces import Piece

from tests.server.stored_emissions import CODES, UNITS, random_emissions

WOOD, OTHER = 5, 6


def pieces_of(emissions: Emissions, units: tuple[str, ...]) -> list[Piece]:
    """Return every other row of emissions as they are stored."""
    segments = cut(emissions, np.arange(len(CODES), dtype=np.int32), units, 0, 30)
    return [
        Piece(
            StoredSegment(
                Position(1, 0, 0, number, EPOCH + timedelta(days=segment.quarter)),
                segment.n,
                segment.units,
                {**{name: bytes(segment.columns[name]) for name, _ in COLUMNS}, "inputs": segment.inputs},
            ),
            np.arange(segment.n)[::2],
        )
        for number, segment in enumerate(segments)
    ]


def test_amounts_are_those_of_the_inputs_and_nan_where_units_do_not_fit() -> None:
    emissions = random_emissions(200, 7, (WOOD, OTHER))
    emissions = replace(emissions, method=np.full(200, 2, np.uint8), category=np.full(200, 1, np.uint8))
    pieces = pieces_of(emissions, UNITS)
    found = amounts_of(pieces, {WOOD: PerUnit("made:wood", "kg*day")})
    rows = np.concatenate([piece.column("row") for piece in pieces])
    place = np.searchsorted(emissions.row, rows)
    distance = emissions.inputs["distance"].rows
    assert distance is not None
    has_distance = np.isin(place, distance)
    fits = (emissions.factor[place] == WOOD) & (emissions.unit[place] == UNITS.index("kg")) & ~has_distance
    expected = emissions.quantity[place] * emissions.inputs["days"].values[place]
    assert fits.sum() > 5
    assert found[fits] == pytest.approx(expected[fits])
    assert np.isnan(found[~fits]).all()


def test_amounts_of_fuels_are_converted_by_their_keys() -> None:
    plain = replace(random_emissions(60, 3, (WOOD, OTHER)), inputs={})
    emissions = replace(
        plain, method=np.full(60, 2, np.uint8), category=np.full(60, 1, np.uint8), unit=np.zeros(60, np.uint32)
    )
    pieces = pieces_of(emissions, ("litre",))
    factors = {WOOD: PerUnit("fuel:diesel_kwh", "kWh"), OTHER: PerUnit("fuel:diesel", "litre")}
    found = amounts_of(pieces, factors)
    place = np.searchsorted(emissions.row, np.concatenate([piece.column("row") for piece in pieces]))
    per_litre, diesel = np.where(emissions.factor[place] == WOOD, 10.531, 1.0), emissions.quantity[place]
    assert found == pytest.approx(diesel * per_litre, rel=1e-3)
    same_key = amounts_of(pieces, {WOOD: PerUnit("fuel:diesel", "litre"), OTHER: PerUnit("fuel:diesel", "kWh")})
    assert same_key == pytest.approx(diesel * np.where(emissions.factor[place] == WOOD, 1.0, 10.531), rel=1e-3)

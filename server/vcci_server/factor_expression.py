"""Factors under another GWP set than they were published under."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from vcci_engine.errors import FieldProblem, InvalidFields
from vcci_engine.gases import parts_of, ratios

from vcci_server.importers import FactorRecord
from vcci_server.importers.problems import MAX_PROBLEMS

MAX_NOTE_CHARACTERS = 500


def express(records: Sequence[FactorRecord], gwp_set: str, *, keep_others: bool) -> list[FactorRecord]:
    """Return factors under a GWP set, in their order; "": as they are.

    Those that cannot be expressed are kept under their own, or InvalidFields names the first of them. The gases of the
    others add up to them without a rest: what was CO2e only stands among them as `CO2e_{set}`.
    """
    if not gwp_set:
        return list(records)
    parts = parts_of(
        [record.kg_co2e for record in records],
        [record.gases for record in records],
        [record.gwp_set for record in records],
    )
    ratio = ratios(parts, gwp_set)
    impossible = np.flatnonzero(np.isnan(ratio))
    if len(impossible) and not keep_others:
        raise InvalidFields([_problem(records[n], gwp_set) for n in impossible[:MAX_PROBLEMS].tolist()])
    changed = np.array([record.gwp_set != gwp_set for record in records], np.bool_) & ~np.isnan(ratio)
    expressed = list(records)
    for n in np.flatnonzero(changed).tolist():
        gases = {name: kg for name, kg in zip(parts.names, parts.kg[n].tolist(), strict=True) if kg}
        expressed[n] = replace(
            records[n],
            kg_co2e=records[n].kg_co2e * float(ratio[n]),
            gases=gases,
            gwp_set=gwp_set,
            source_note=_note(records[n].source_note, gwp_set),
        )
    return expressed


def _note(note: str, gwp_set: str) -> str:
    """Return a citation that says that the figure is not the publisher's own."""
    own, _, _ = note.partition(_EXPRESSED)
    told = f"{_EXPRESSED}{gwp_set} by its gases"
    return own[: MAX_NOTE_CHARACTERS - len(told)] + told


_EXPRESSED = "; expressed under "


def _problem(record: FactorRecord, gwp_set: str) -> FieldProblem:
    found = f"{record.key},{record.region},{record.year}"
    own = record.gwp_set or "an unknown set"
    expected = f"a factor under {gwp_set}, or with gases that it knows; this one is under {own}"
    return FieldProblem("factors", found, expected, "GWP_SET_NOT_POSSIBLE")

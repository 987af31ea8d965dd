"""What emissions consist of, from arrays to the wire."""

from typing import Any

from vcci import columns as twins
from vcci.v1 import emission_pb2 as pb
from vcci_engine.activities import FloatArray, Positions
from vcci_engine.gases import Breakdown, Parts, expressed_under, gas_columns
from vcci_engine.gwp import GWP_SETS

from vcci_server.validation import Problems

GWP_SETS_EXPECTED = f"one of {', '.join(GWP_SETS)}"


def check_gwp_set(problems: Problems, field: str, name: str) -> None:
    """Note a GWP set that does not exist; none is right."""
    if name and name not in GWP_SETS:
        problems.add(field, name, GWP_SETS_EXPECTED, "UNKNOWN_GWP_SET")


def composition_messages(found: Breakdown) -> list[pb.Composition]:
    """Return what each group of a breakdown consists of."""
    rows = zip(
        found.kg.tolist(),
        found.kg_co2e.tolist(),
        found.kg_co2_biogenic.tolist(),
        found.by_set.tolist(),
        strict=True,
    )
    return [
        pb.Composition(
            gases=[
                pb.GasAmount(gas=gas, kg=kg, kg_co2e=kg_co2e)
                for gas, kg, kg_co2e in sorted(zip(found.gases, of_gases, of_co2e, strict=True))
                if kg
            ],
            kg_co2_biogenic=biogenic,
            gwp_sets=gwp_set_messages(found.sets, by_set),
            mixed_gwp_sets=sum(map(bool, by_set)) > 1,
        )
        for of_gases, of_co2e, biogenic, by_set in rows
    ]


def gwp_set_messages(sets: tuple[str, ...], kg_co2e: list[float]) -> list[pb.GwpSetAmount]:
    """Return kg CO2e by GWP set, those that are not 0."""
    return [pb.GwpSetAmount(gwp_set=name, kg_co2e=kg) for name, kg in zip(sets, kg_co2e, strict=True) if kg]


def fill_gwp_sets(message: Any, parts: Parts, factor: Positions, gwp_set: str) -> None:
    """Fill the column `gwp_set` of a twin of EmissionColumns, of lines with these factors."""
    sets, used = expressed_under(parts, gwp_set)
    message.gwp_sets.extend(sets)
    message.gwp_set = twins.pack(used.take(factor), "<u4")


def fill_gases(message: Any, parts: Parts, factor: Positions, activity: FloatArray) -> None:
    """Fill the columns of gases of a twin of EmissionColumns: activity in the unit of each line's factor."""
    for name, lines, kg in gas_columns(parts, factor, activity):
        rows = b"" if len(lines) == len(factor) else twins.pack(lines, "<u4")
        message.gases.add(gas=name, kg=twins.pack(kg, "<f8"), row=rows)

"""Published worked examples through the three methods: their inputs as activities, their exact answers."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from vcci_engine.calculate import calculate
from vcci_engine.factors import build_table
from vcci_engine.totals import total

from tests.data_files import shared_data
from tests.engine.samples import Row, batch

Lines = Mapping[str, Any]
Case = tuple[Row, float]  # a row without its factor, and kg CO2e per factor unit


def line(quantity: float, unit: str, kg_co2e: float, per: str = "", **inputs: float) -> tuple[Row, str, float]:
    """Return an activity, the unit of its factor, and the factor."""
    return Row(quantity, unit, inputs=inputs), per or unit, kg_co2e


def own(quantity: float, unit: str, kg_co2e: float, **inputs: float) -> tuple[Row, str, float]:
    """Return an activity with the supplier's own factor."""
    return Row(quantity, unit, factor="", inputs={"supplier_factor": kg_co2e, **inputs}), "", 0.0


ACTIVITIES: Mapping[str, Callable[[Lines], list[tuple[Row, str, float]]]] = {
    "TG-1.1": lambda lines: [own(kg, "kg", factor) for kg, factor in lines.values()],
    "TG-4.1": lambda lines: [
        *(line(litres, "litre", factor) for litres, factor in lines["diesel_l"]),
        line(lines["r410a_kg"][0], "kg", lines["r410a_kg"][1]),
    ],
    "TG-4.4": lambda lines: [line(spend, "USD", factor) for spend, factor in lines.values()],
    "TG-4.6": lambda lines: [line(m3, "m3", factor, "m3*day", days=days) for m3, days, factor in lines.values()],
    "TG-5.1": lambda lines: [
        line(amount, "m3" if name == "wastewater_m3" else "kg", factor) for name, (amount, factor) in lines.items()
    ],
    "TG-7.1": lambda lines: [
        line(km, "km", lines[f"ef_{mode}"], "passenger*km", passengers=1, trips=2 * days * lines["weeks"])
        for mode in ("rail", "car")
        for _, days, km in lines[mode]
    ],
    "TG-9.1": lambda lines: [line(lines["t"], "tonne", lines["ef"], "tonne*km", distance=lines["km"])],
    "TG-10.2": lambda lines: [line(lines["kg"], "kg", lines["ef"])],
    "TG-11.1": lambda lines: [
        line(units, "item", factor, "kWh", uses=uses, energy_per_use=kwh) for units, uses, kwh, factor in lines.values()
    ],
    "TG-11.3": lambda lines: [
        line(lines["km"], "km", lines["ef"], items=lines["sold"], share=lines["engine_t"] / lines["plane_t"])
    ],
    "TG-13.1": lambda lines: [own(lines["emissions"], "kg", 1.0, share=lines["area"] / lines["total"])],
    "TG-14.1": lambda lines: [own(sum(scopes), "kg", 1.0) for scopes in lines["franchisees"]],
    "TG-15.1": lambda lines: [own(t, "t", 1.0, share=share) for t, share in lines["rows"]],
    "TG-15.3": lambda lines: [own(t, "t", 1.0, share=debt / project) for t, debt, project in lines["rows"]],
    "TG-15.5a": lambda lines: [own(lines["annual"], "t/year", 1.0, years=lines["years"], share=lines["share"])],
    "TG-15.5b": lambda lines: [own(lines["annual"], "t/year", 1.0, years=lines["years"], share=lines["share"])],
    "PCAF-T5-5-scope1": lambda lines: [own(t, "t", 1.0, share=share) for t, share in lines["rows"]],
    "PCAF-T5-5-scope2": lambda lines: [own(t, "t", 1.0, share=share) for t, share in lines["rows"]],
    "PCAF-T5-5-scope3": lambda lines: [own(t, "t", 1.0, share=share) for t, share in lines["rows"]],
    "ILEAP-tce1-wtw": lambda lines: [line(lines["tkm"], "tkm", lines["wtw"])],
    "ILEAP-tce2-ttw": lambda lines: [line(lines["tkm"], "tonne*km", lines["ttw"])],
}


@pytest.mark.parametrize("identity", ACTIVITIES)
def test_a_published_example_gives_its_answer(identity: str) -> None:
    examples = json.loads(shared_data("worked_examples.json").read_text())
    example = next(example for example in examples if example["id"] == identity)
    activities = ACTIVITIES[identity](example["lines"])
    keys = [f"example:{number}" if unit else "" for number, (_, unit, _) in enumerate(activities)]
    factors = [(key, unit, kg) for key, (_, unit, kg) in zip(keys, activities, strict=True) if key]
    table = build_table(
        1,
        "hash",
        ids=range(1, len(factors) + 1),
        keys=[key for key, _, _ in factors],
        regions=[""] * len(factors),
        years=[2023] * len(factors),
        units=[unit for _, unit, _ in factors],
        kg_co2e=[kg for _, _, kg in factors],
        gsd2=[1.05] * len(factors),
    )
    rows = [
        Row(row.quantity, row.unit, key, example["category"], inputs=row.inputs)
        for key, (row, _, _) in zip(keys, activities, strict=True)
    ]
    calculation = calculate(batch(*rows), table)
    assert calculation.errors.expected == ()
    assert total(calculation.emissions, table).kg_co2e == pytest.approx(example["expected"], rel=1e-12)

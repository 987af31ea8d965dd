"""Published worked examples as activities of the contract, and where in the answer each one's result stands.

What an example leaves open does not change its result: PCAF's scores and attribution factors have no emissions, so 0
are given; a transport activity has no factor, so 1 is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2
from vcci.v1.calculation_service_pb2 import CalculateResponse
from vcci.v1.factor_service_pb2 import Factor

YEAR = 2024
SOURCE = "golden"
KG_PER_T = 1_000

Example = Mapping[str, Any]
Examples = Mapping[str, Example]


@dataclass(frozen=True, slots=True)
class Line:
    """An activity; with `per`, its factor is one of the set: kg CO2e per that unit."""

    method: str
    quantity: float
    unit: str
    per: str = ""
    kg_co2e: float = 0.0
    inputs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """A result in the answer, in the example's unit."""

    what: str
    of: Callable[[CalculateResponse], float]


TOTAL_KG = Reading("total", lambda answer: answer.total.kg_co2e)
TOTAL_T = Reading("total / 1000", lambda answer: answer.total.kg_co2e / KG_PER_T)
FIRST_KG = Reading("first line", lambda answer: answer.emissions[0].estimate.kg_co2e)
AMOUNT = Reading("amount", lambda answer: answer.emissions[0].amount)
ATTRIBUTION = Reading("attribution", lambda answer: answer.emissions[0].attribution)
PER_FUNCTION = Reading("group, per functional unit", lambda answer: answer.groups[0].kg_co2e_per_functional_unit)
INTENSITY_T = Reading(
    "portfolio, per outstanding / 1000", lambda answer: answer.groups[0].portfolio.kg_co2e_per_outstanding / KG_PER_T
)
ADJUSTED_T = Reading(
    "portfolio, adjusted / 1000",
    lambda answer: answer.groups[0].portfolio.kg_co2e_per_outstanding_adjusted / KG_PER_T,
)
SCORE = Reading("portfolio, score", lambda answer: answer.groups[0].portfolio.data_quality_score)


def line(method: str, quantity: float, unit: str, kg_co2e: float, per: str = "", **inputs: float) -> Line:
    """Return an activity with a factor per its own unit, or per another."""
    return Line(method, quantity, unit, per or unit, kg_co2e, inputs)


def reported(method: str, quantity: float, unit: str, **inputs: float) -> Line:
    """Return an activity that is emissions already."""
    return Line(method, quantity, unit, inputs=inputs)


def activities(example: Example, lines: Sequence[Line]) -> list[activity_pb2.Activity]:
    """Return the activities of an example, all in one group."""
    return [
        activity_pb2.Activity(
            supplier_code=example["id"],
            category=example["category"],
            method=activity_pb2.Method.Value(f"METHOD_{of.method.upper()}"),
            quantity=of.quantity,
            unit=of.unit,
            factor=f"{SOURCE}:{_code(example, number)}" if of.per else "",
            reporting_period=Date(year=YEAR, month=1, day=1),
            group=example["id"],
            inputs=of.inputs,
        )
        for number, of in enumerate(lines)
    ]


def factors(example: Example, lines: Sequence[Line]) -> list[Factor]:
    """Return the factors of an example."""
    return [
        Factor(
            source=SOURCE,
            code=_code(example, number),
            display_name=f"{example['id']}, line {number + 1}",
            year=YEAR,
            unit=of.per,
            kg_co2e=of.kg_co2e,
            source_note=example["source"],
        )
        for number, of in enumerate(lines)
        if of.per
    ]


def _code(example: Example, number: int) -> str:
    return f"{example['id']}-{number}"


def _supplier_specific(of: Example) -> list[Line]:
    own = of["lines"].values()
    return [Line("supplier_specific", kg, "kg", inputs={"supplier_factor": factor}) for kg, factor in own]


def _hybrid(of: Example) -> list[Line]:
    lines = of["lines"]
    kg_of = {name: kg for name, kg, _ in lines["materials_kg"]}
    return [
        *(line("hybrid", kwh, "kWh", factor) for _, kwh, factor in lines["energy"]),
        *(line("hybrid", kg, "kg", factor) for _, kg, factor in lines["materials_kg"]),
        *(
            line("hybrid", kg_of[name], "kg", factor, "kg*km", distance=km)
            for name, km, factor in lines["transport_km_x_kg"]
        ),
        *(line("hybrid", kg, "kg", factor) for _, kg, factor in lines["waste_kg"]),
    ]


def _hybrid_partial(of: Example) -> list[Line]:
    lines = of["lines"]
    return [
        *(line("hybrid_partial", kwh, "kWh", factor) for _, kwh, factor in lines["energy"]),
        *(line("hybrid_partial", kg, "kg", factor) for _, kg, factor in lines["waste"]),
        line("hybrid_partial", lines["tshirts"][0], "item", lines["tshirts"][1]),
    ]


def _fuel(of: Example) -> list[Line]:
    kg, gwp = of["lines"]["r410a_kg"]
    diesel = [line("fuel_based", litres, "litre", factor) for litres, factor in of["lines"]["diesel_l"]]
    return [*diesel, line("refrigerant_leakage", kg, "kg", gwp)]


def _transport_shares(of: Example) -> list[Line]:
    lines = of["lines"]
    return [
        reported("allocated_transport", lines["total_kg"], "kg CO2e", part=tkm, whole=sum(lines["tkm"]))
        for tkm in lines["tkm"]
    ]


def _waste(of: Example) -> list[Line]:
    return [
        line("waste_type_specific", amount, "m3" if name == "wastewater_m3" else "kg", factor)
        for name, (amount, factor) in of["lines"].items()
    ]


def _commuting(of: Example) -> list[Line]:
    lines = of["lines"]
    return [
        line(
            "commuting_distance",
            *(km, "km", lines[f"ef_{mode}"], "passenger*km"),
            passengers=1,
            commuting_days=days * lines["weeks"],
        )
        for mode in ("rail", "car")
        for _, days, km in lines[mode]
    ]


def _use_phase(of: Example) -> list[Line]:
    return [
        line("direct_use_phase", sold, "item", factor, "kWh", uses=uses, energy_per_use=kwh)
        for sold, uses, kwh, factor in of["lines"].values()
    ]


def _engine(of: Example) -> list[Line]:
    lines = of["lines"]
    inputs = {"distance": lines["km"], "part": lines["engine_t"], "whole": lines["plane_t"]}
    return [line("intermediate_products", lines["sold"], "vehicle", lines["ef"], "vehicle*km", **inputs)]


def _leased(of: Example) -> list[Line]:
    lines = of["lines"]
    kg = lines["emissions"]
    return [reported("lessor_specific", kg, "kg CO2e", area=lines["area"], total_area=lines["total"])]


def _projects(of: Example) -> list[Line]:
    """The whole is given as one number: all of it stands as debt."""
    rows = of["lines"]["rows"]
    return [reported("project_debt", t, "t CO2e", outstanding=lent, equity=0, debt=whole) for t, lent, whole in rows]


def _lifetime(of: Example) -> list[Line]:
    lines = of["lines"]
    annual = lines["annual"]
    return [reported("projected_lifetime", annual, "t CO2e/year", years=lines["years"], share=lines["share"])]


def _washing(of: Example) -> list[Line]:
    lines = of["lines"]
    washes = lines["washes"] * lines["machines"]
    return [reported("supplier_specific", lines["total"], "kg CO2e", functional_units=washes)]


def _shares(method: str) -> Callable[[Example], list[Line]]:
    return lambda of: [reported(method, t, "t CO2e", share=share) for t, share in of["lines"]["rows"]]


def _sovereign_by_debt(of: Example) -> list[Line]:
    """PCAF rejects this way, so no method has its name: a part of a whole."""
    lines = of["lines"]
    return [
        reported("supplier_specific", lines["scope1"], "t CO2e", part=lines["exposure_musd"], whole=lines["debt_musd"])
    ]


def _portfolio(lines: Mapping[str, Sequence[float]], base_evic: Sequence[float] = ()) -> list[Line]:
    """A million USD: each company's weight is its part, in millions as its enterprise value is."""
    rows = zip(lines["E"], lines["w"], lines["evic"], base_evic or lines["evic"], strict=True)
    return [
        reported("pcaf_listed_equity", t, "t CO2e", outstanding=weight, evic=evic, base_evic=base)
        for t, weight, evic, base in rows
    ]


def _evic(of: Example) -> list[Line]:
    """Enterprise value including cash: cash is not taken off it."""
    lines = of["lines"]
    evic = lines["equity"] + lines["debt"]
    return [reported("pcaf_listed_equity", 0, "t CO2e", outstanding=lines["debt"], evic=evic)]


def _scores(of: Example) -> list[Line]:
    rows = of["lines"]["rows"]
    return [
        reported("pcaf_listed_equity", 0, "t CO2e", outstanding=money, evic=money, pcaf_score=score)
        for money, score in rows
    ]


def _transport_activity(of: Example) -> list[Line]:
    lines = of["lines"]
    return [line("distance_based", lines["mass_kg"], "kg", 1, "tonne*km", distance=lines["km"])]


def _transport(intensity: str) -> Callable[[Example], list[Line]]:
    return lambda of: [line("distance_based", of["lines"]["tkm"], "tonne*km", of["lines"][intensity])]


MAPPED: Mapping[str, tuple[Callable[[Example], list[Line]], Reading]] = {
    "TG-1.1": (_supplier_specific, TOTAL_KG),
    "TG-1.2": (_hybrid, TOTAL_KG),
    "TG-1.3": (_hybrid_partial, TOTAL_KG),
    "TG-4.1": (_fuel, TOTAL_KG),
    "TG-4.3a": (_transport_shares, FIRST_KG),
    "TG-4.3b": (_transport_shares, FIRST_KG),
    "TG-4.4": (lambda of: [line("spend_based", usd, "USD", kg) for usd, kg in of["lines"].values()], TOTAL_KG),
    "TG-4.6": (
        lambda of: [
            line("average_distribution", m3, "m3", kg, "m3*day", days=days) for m3, days, kg in of["lines"].values()
        ],
        TOTAL_KG,
    ),
    "TG-5.1": (_waste, TOTAL_KG),
    "TG-7.1": (_commuting, TOTAL_KG),
    "TG-9.1": (
        lambda of: [
            line("distance_based", of["lines"]["t"], "t", of["lines"]["ef"], "tonne*km", distance=of["lines"]["km"])
        ],
        TOTAL_KG,
    ),
    "TG-10.2": (lambda of: [line("average_data", of["lines"]["kg"], "kg", of["lines"]["ef"])], TOTAL_KG),
    "TG-11.1": (_use_phase, TOTAL_KG),
    "TG-11.3": (_engine, TOTAL_KG),
    "TG-13.1": (_leased, TOTAL_KG),
    "TG-14.1": (
        lambda of: [
            reported("franchise_specific", kg, "kg CO2e") for scopes in of["lines"]["franchisees"] for kg in scopes
        ],
        TOTAL_KG,
    ),
    "TG-15.1": (_shares("equity_share"), TOTAL_T),
    "TG-15.3": (_projects, TOTAL_T),
    "TG-15.5a": (_lifetime, TOTAL_T),
    "TG-15.5b": (_lifetime, TOTAL_T),
    "TG-C.1": (_washing, PER_FUNCTION),
    **{
        f"PCAF-T5-5-{kind}": (_shares("pcaf_listed_equity"), TOTAL_T)
        for kind in ("scope1", "scope2", "scope3", "removals", "credits_retired", "credits_generated")
    },
    "PCAF-T5-19-SG": (_sovereign_by_debt, TOTAL_T),
    "PCAF-T5-19-HK": (_sovereign_by_debt, TOTAL_T),
    "PCAF-EVIC-FPb": (lambda of: _portfolio(of["lines"]), INTENSITY_T),
    "PCAF-EVIC-FPT": (lambda of: _portfolio(of["lines"]), INTENSITY_T),
    "PCAF-BOX5": (_evic, ATTRIBUTION),
    "PCAF-BOX8-all": (_scores, SCORE),
    "ILEAP-tkm": (_transport_activity, AMOUNT),
    "ILEAP-tce1-tkm": (_transport_activity, AMOUNT),
    "ILEAP-tce1-wtw": (_transport("wtw"), TOTAL_KG),
    "ILEAP-tce2-tkm": (_transport_activity, AMOUNT),
    "ILEAP-tce2-ttw": (_transport("ttw"), TOTAL_KG),
}


def mapped(example: Example, examples: Examples) -> tuple[list[Line], Reading]:
    """Return an example's activities, and its result in the answer."""
    if example["id"] == "PCAF-EVIC-FPTadj":  # its numbers stand with the two before it
        base, now = (examples[f"PCAF-EVIC-{year}"]["lines"] for year in ("FPb", "FPT"))
        return _portfolio(now, base_evic=base["evic"]), ADJUSTED_T
    lines, reading = MAPPED[example["id"]]
    return lines(example), reading

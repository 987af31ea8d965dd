"""Write the tables of methods.md, settings.md, limits.md and security.md anew, from the code: `make docs`.

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; the text around it is written by hand.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2
from vcci_engine.calculate import calculate
from vcci_engine.factors import build_table
from vcci_engine.methods import BEST_FIRST, CATEGORIES, DEDUCTIONS, DOWNGRADES, INPUTS, METHODS, Input
from vcci_engine.methods.method import Method
from vcci_engine.quality import GSD2_OF_SCORE, SCORES
from vcci_server.auth import Role
from vcci_server.early import EarlyErrors
from vcci_server.roles import TABLE
from vcci_server.row_messages import decode
from vcci_server.settings import Settings, variable

FOLDER = Path(__file__).parent
PAGES = (FOLDER / "methods.md", FOLDER / "settings.md", FOLDER / "limits.md", FOLDER / "security.md")
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

Row = Sequence[object]

# Of each limit: what, its setting, its metric, and what becomes of what is beyond.
QUOTAS = (
    ("calls", "quota_calls_per_s", 'vcci_quota_refusals_total{quota="calls_per_s"}', "refused; again after the delay"),
    ("rows", "quota_rows_per_s", "vcci_quota_paced_seconds_total", "slowed, never refused"),
    ("open streams", "quota_streams", 'vcci_quota_refusals_total{quota="streams"}', "refused; again after 5 s"),
    ("batches in memory", "quota_in_flight_bytes", "vcci_ingest_bytes_in_flight", "wait, and the others go on"),
    (
        *("stored rows", "quota_stored_rows", 'vcci_quota_refusals_total{quota="stored_rows"}'),
        "refused whole, without a delay; what is stored stays",
    ),
)
BEYOND = 'vcci_refusals_total{reason="LIMIT_EXCEEDED"}'
LIMITS = (
    ("one message", "max_message_bytes", BEYOND, "refused; beyond twice as much, by gRPC itself"),
    ("metadata of one call", "max_metadata_bytes", BEYOND, "refused; beyond four times as much, by gRPC itself"),
    ("rows of one batch", "max_batch_rows", BEYOND, "the batch is refused, and the stream goes on"),
    ("entries of one dictionary", "max_dictionary_entries", BEYOND, "the batch is refused, and the stream goes on"),
    ("suppliers of one stream", "max_stream_suppliers", BEYOND, "the stream ends"),
    ("length of a filter", "max_filter_characters", BEYOND, "refused"),
    ("comparisons of a filter", "max_filter_comparisons", BEYOND, "refused, with the place in the filter"),
    ("depth of a filter", "max_filter_depth", BEYOND, "refused, with the place in the filter"),
    (
        *("a call without a deadline", "max_call_s", 'vcci_refusals_total{reason="TIME_LIMIT_EXCEEDED"}'),
        "ends with DEADLINE_EXCEEDED",
    ),
    (
        "batches in memory, of all",
        "max_in_flight_bytes",
        "vcci_ingest_bytes_in_flight",
        "wait, first come, first served",
    ),
    (
        *("open streams, of all", "max_streams", 'vcci_refusals_total{reason="OVERLOADED"}'),
        "refused with RESOURCE_EXHAUSTED, `OVERLOADED`; again after 5 s",
    ),
    ("unacknowledged batches of a stream", "credits", "vcci_ingest_credits", "are not read"),
    (
        *("open calls of a connection", "max_connection_calls", "none: gRPC's own"),
        "wait, or end with UNAVAILABLE where they are reset at once",
    ),
)


@dataclass(frozen=True)
class Example:
    """An activity, its factor, and what it shows."""

    what: str
    category: int
    quantity: float
    unit: str
    factor: float = 0.0  # kg CO2e per unit
    per: str = ""  # the factor's unit; none: the supplier's own, or the quantity is emissions
    inputs: Mapping[str, float] = field(default_factory=dict)
    method: str = ""  # none: the best possible


EXAMPLES = (
    Example("steel by weight", 1, 3, "tonne", 1.9, "kg"),
    Example("purchases by spend", 1, 10_000, "USD", 0.75, "USD"),
    Example("the supplier's own factor", 1, 500, "item", inputs={"supplier_factor": 4.2}),
    Example("road freight", 4, 12, "tonne", 0.105, "tonne*km", {"distance": 300}),
    Example("storage", 4, 20, "m3", 0.01, "m3*day", {"days": 30}),
    Example("waste by treatment", 5, 8, "tonne", 21.3, "tonne", {"share": 0.4}),
    Example("a flight", 6, 1_100, "km", 0.15, "passenger*km", {"passengers": 3}),
    Example("a hotel stay", 6, 2, "room", 10.4, "room*night", {"nights": 3}),
    Example("commuting, both ways on 220 days", 7, 14, "km", 0.17, "passenger*km", {"passengers": 1, "trips": 440}),
    Example("use of a sold product", 11, 1_000, "item", 0.35, "kWh", {"uses": 500, "energy_per_use": 0.8}),
    Example("part of a tenant's emissions", 13, 250, "t CO2e", inputs={"share": 0.25}),
    Example(
        *("commuting, one way", 7, 14, "km", 0.17, "passenger*km"),
        {"passengers": 1, "commuting_days": 220},
        "commuting_distance",
    ),
    Example("fuel by spend", 4, 900, "EUR", 2.7, "litre", {"fuel_price": 1.5}, "fuel_based"),
    Example(
        *("part of a building", 8, 90_000, "kWh", 0.35, "kWh"),
        {"area": 300, "total_area": 1_000, "occupancy": 0.75},
        "floor_area_allocation",
    ),
    Example(
        *("listed equity", 15, 60_000, "t CO2e"),
        inputs={"outstanding": 3, "evic": 1_200},
        method="pcaf_listed_equity",
    ),
    Example(
        *("a project's lifetime", 15, 7_000, "t CO2e/year"),
        inputs={"years": 30, "share": 0.15},
        method="projected_lifetime",
    ),
)


def methods() -> list[Row]:
    """The registry of methods, best data first."""
    return [
        ("No.", "Method", "Version", "kg CO2e", "Needs", "Categories", "Source"),
        *((m.number, f"`{m.name}`", m.version, _formula(m), m.needed, _categories(m), m.source) for m in METHODS),
    ]


def declared() -> list[Row]:
    """What the methods that are used only where they are asked for take."""
    return [
        ("Method", "Inputs that it needs", "Inputs that it takes", "Units of the amount", "Group"),
        *(
            (f"`{m.name}`", _needed(m), _names(m.optional), _names(m.units), _group(m))
            for m in METHODS[len(BEST_FIRST) :]
        ),
    ]


def downgrades() -> list[Row]:
    """What is told when the wanted method was not possible."""
    names = {method.number: f"`{method.name}`" for method in BEST_FIRST}
    pairs = sorted(DOWNGRADES.items())
    return [
        ("Wanted", "Used", "Notice", "Bit"),
        *((names[wanted], names[used], f"`{notice.name}`", int(notice)) for (wanted, used), notice in pairs),
    ]


def inputs() -> list[Row]:
    """The registry of inputs."""
    return [
        ("Input", "Unit", "From", "To", "Use", "What"),
        *(
            (
                *(f"`{known.name}`", known.unit or "a number", f"{known.minimum:g}", f"{known.maximum:g}"),
                *(_use(known), known.what),
            )
            for known in INPUTS.values()
        ),
    ]


def examples() -> list[Row]:
    """Activities as the engine calculates them."""
    return [("Category", "What", "Quantity", "Inputs", "Factor", "Method", "kg CO2e"), *map(_example, EXAMPLES)]


def scores() -> list[Row]:
    """The pedigree matrix."""
    return [
        ("Score", *map(str, range(1, 6))),
        *((name, *(f"{gsd2:g}" for gsd2 in of_score)) for name, of_score in zip(SCORES, GSD2_OF_SCORE, strict=True)),
    ]


def settings() -> list[Row]:
    """Everything that an operator can change."""
    return [
        ("Variable", "Flag", "Default", "Unit", "What for"),
        *(
            (f"`{variable(of)}`", _flag(of), _default(of), of.metadata["unit"], of.metadata["why"])
            for of in fields(Settings)
        ),
    ]


def quotas() -> list[Row]:
    """What a tenant may use."""
    return _limits("Quota", QUOTAS)


def limits() -> list[Row]:
    """What a message, a call and a stream may be."""
    return _limits("Limit", LIMITS)


def _limits(what: str, rows: Iterable[tuple[str, str, str, str]]) -> list[Row]:
    known = {setting.name: setting for setting in fields(Settings)}
    return [
        (what, "Setting", "Default", "Metric", "Beyond it"),
        *(
            (
                name,
                f"`{variable(known[of])}`",
                _with_unit(known[of]),
                metric if " " in metric else f"`{metric}`",
                beyond,
            )
            for name, of, metric, beyond in rows
        ),
    ]


def roles() -> list[Row]:
    """Which roles may call which method."""
    return [
        ("Service", "Method", *Role),
        *(
            (f"`{service.rpartition('.')[2]}`", f"`{method}`", *("yes" if role in allowed else "" for role in Role))
            for service, methods in TABLE.items()
            for method, allowed in methods.items()
        ),
    ]


TABLES: Mapping[str, Callable[[], list[Row]]] = {
    table.__name__: table
    for table in (methods, declared, downgrades, inputs, examples, scores, settings, quotas, limits, roles)
}


def rewritten(page: str) -> str:
    """Return a page with its tables as the code has them."""
    return _TABLE.sub(lambda match: match[1] + _markdown(TABLES[match[2]]()) + match[3], page)


def _markdown(rows: Sequence[Row]) -> str:
    header, *body = ("| " + " | ".join(map(str, row)) + " |" for row in rows)
    return "\n".join((header, "|" + "---|" * len(rows[0]), *body, ""))


def _formula(method: Method) -> str:
    return method.formula.replace(" x ", " × ").replace(" - ", " − ")


def _needed(method: Method) -> str:
    """The sets of inputs, one of which is given."""
    return ", or ".join(_names(needed, " with ") or "none" for needed in method.inputs)


def _names(names: Iterable[str], between: str = ", ") -> str:
    return between.join(f"`{name}`" for name in sorted(names))


def _group(method: Method) -> str:
    if method.whole:
        return f"required; each `{method.whole}` a part, 1 in all"
    return "required" if method.grouped else ""


def _categories(method: Method) -> str:
    if len(method.categories) == CATEGORIES:
        return "all"
    return ", ".join(map(str, sorted(method.categories)))


def _example(example: Example) -> Row:
    given = " ".join(f"`{name}` {value:g}" for name, value in example.inputs.items() if name != "supplier_factor")
    own = example.inputs.get("supplier_factor")
    factor = f"{example.factor:g} per {example.per}" if example.per else "none"
    factor = factor if own is None else f"`supplier_factor` {own:g}"
    method, kg_co2e = _calculated(example)
    quantity = f"{example.quantity:g} {example.unit}"
    return example.category, example.what, quantity, given, factor, f"`{method}`", f"{kg_co2e:g}"


def _calculated(example: Example) -> tuple[str, float]:
    """Return the name of the method used, and kg CO2e."""
    key = "example:factor"
    table = build_table(
        *(1, ""),
        ids=[1],
        keys=[key],
        regions=[""],
        years=[2024],
        units=[example.per],
        kg_co2e=[example.factor],
        gsd2=[1.05],
    )
    activity = activity_pb2.Activity(
        supplier_code="S1",
        category=example.category,  # type: ignore[arg-type]  # its number
        method=f"METHOD_{example.method.upper() or 'UNSPECIFIED'}",  # type: ignore[arg-type]  # its name
        quantity=example.quantity,
        unit=example.unit,
        factor=key if example.per else "",
        reporting_period=Date(year=2024, month=1, day=1),
        inputs=example.inputs,
    )
    activities, _ = decode([activity], EarlyErrors())
    emissions = calculate(activities, table).emissions
    (method,) = (method for method in METHODS if method.number == emissions.method[0])
    return method.name, float(emissions.kg_co2e[0])


def _use(of: Input) -> str:
    if of in DEDUCTIONS:
        return "off the factor"
    return {1: "×", -1: "/", 0: "beside"}[of.power]


def _flag(setting: "Field[Any]") -> str:
    return "none: a secret" if setting.metadata["secret"] else f"`--{setting.name.replace('_', '-')}`"


def _with_unit(setting: "Field[Any]") -> str:
    return f"{_default(setting)} {setting.metadata['unit']}" if setting.default else "none"


def _default(setting: "Field[Any]") -> str:
    if setting.default is MISSING:
        return "(of the machine)"
    return {"": "(empty)", "False": "no", "True": "yes"}.get(str(setting.default), str(setting.default))


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(rewritten(path.read_text()))

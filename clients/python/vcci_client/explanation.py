"""An explanation as a person would write it on paper."""

from collections.abc import Iterator, Sequence

from vcci.v1.activity_pb2 import Category, Method
from vcci.v1.emission_pb2 import NoticeDetail
from vcci.v1.explanation_pb2 import Explanation, FormulaPart, Origin, Replay
from vcci.v1.price_service_pb2 import Price, PriceKind

HEADS = 13  # width of the headings


def on_paper(of: Explanation) -> str:
    """Return an explanation as text: the result, the formula in names and numbers, and where each number is from."""
    sections = {
        "Activity": _activity(of),
        "Formula": _formula(of),
        "Numbers": _table([_number_row(part) for term in of.terms for part in term.parts]),
        "Also given": _table([_number_row(part) for part in of.told]),
        "Factor": _factor(of),
        "Prices": _prices(of),
        "Notices": [in_words(notice) for notice in of.notices],
        "Uncertainty": _uncertainty(of),
        "Check": _check(of.replay),
    }
    as_of = f", as of {of.run}" if of.run else ""
    lines = [f"{of.name}: {number(of.estimate.kg_co2e)} kg CO2e{as_of}"]
    for head, texts in sections.items():
        lines += (
            ["", *(f"{head if not place else '':{HEADS}}{text}" for place, text in enumerate(texts))] if texts else []
        )
    return "\n".join(lines)


def in_words(notice: NoticeDetail) -> str:
    """Return a notice as a sentence."""
    return f"wanted {notice.wanted}; {notice.why_not}; used {notice.used}"


def number(value: float) -> str:
    """Return a number with twelve significant digits."""
    return f"{value:,.12g}"


def _activity(of: Explanation) -> list[str]:
    activity, day = of.activity, of.activity.reporting_period
    country = f" ({activity.country})" if activity.country else ""
    supplier = f"supplier {activity.supplier_code} {activity.supplier_name}".rstrip() + country
    named = (("group", activity.group), ("reference", activity.reference))
    return [
        f"category {activity.category}, {_words(Category, 'CATEGORY', activity.category)}",
        f"{supplier}, {day.year:04}-{day.month:02}-{day.day:02}",
        *(f"{name} {text}" for name, text in named if text),
    ]


def _formula(of: Explanation) -> list[str]:
    method = of.method
    declared = (
        f"{_words(Method, 'METHOD', method.method).replace(' ', '_')}, version {method.version}: {method.formula}"
    )
    return [*filter(None, (of.formula, of.calculation)), declared, method.source]


def _number_row(part: FormulaPart) -> Sequence[str]:
    origin = _words(Origin, "ORIGIN", part.origin)
    return part.name, f"{number(part.value)} {part.unit}".rstrip(), part.what, origin


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _factor(of: Explanation) -> list[str]:
    set_text = f"{of.factor_set.name} {of.factor_set.display_name}, SHA-256 {of.factor_set.content_hash}"
    if not of.HasField("factor"):
        return [f"none of the set; active was {set_text}"]
    factor = of.factor
    spread = f"GSD2 {number(factor.gsd2)}, GWP set {factor.gwp_set or 'unknown'}"
    return [
        f"{factor.source}:{factor.code}, {factor.display_name}; {factor.region or 'world'}, {factor.year}",
        f"{number(factor.kg_co2e)} kg CO2e per {factor.unit}; {spread}",
        f"source: {factor.source_note}",
        f"{factor.name} of {set_text}",
    ]


def _prices(of: Explanation) -> list[str]:
    if not of.HasField("price_set"):
        return []
    of_set = f"{of.price_set.name} {of.price_set.display_name}, SHA-256 {of.price_set.content_hash}"
    return [*(f"{_price(line)}; source: {line.source_note}" for line in of.prices), of_set]


def _price(line: Price) -> str:
    when = f"{line.year}-{line.month:02}" if line.month else str(line.year)
    if line.kind == PriceKind.PRICE_KIND_RATE:
        return f"{number(line.value)} {line.currency} per {line.base_currency}, {when}"
    return f"price index of {line.currency} {number(line.value)}, {when}"


def _uncertainty(of: Explanation) -> list[str]:
    scores = [f"{it.name} {it.score or 'unknown'} ({it.gsd2:g})" for it in of.uncertainty.scores]
    estimate = of.estimate
    low, high, mean = (f"{kg:,.6g}" for kg in (estimate.kg_co2e_low, estimate.kg_co2e_high, estimate.kg_co2e_mean))
    return [
        f"{', '.join(scores)}, factor ({of.uncertainty.factor_gsd2:g})",
        f"GSD2 {of.uncertainty.gsd2:.7g}: 95 % interval {low} to {high} kg CO2e about the median, mean {mean}",
    ]


def _check(replay: Replay) -> Iterator[str]:
    if replay.problem:
        yield f"IT CANNOT BE CALCULATED AGAIN: {replay.problem}"
    elif replay.identical:
        yield f"calculated again: {number(replay.kg_co2e)} kg CO2e, the same to the bit"
    else:
        yield f"CALCULATED AGAIN IT IS ANOTHER: {replay.kg_co2e!r} kg CO2e, or its spread differs"
    told = "the inputs are as they were stored" if replay.inputs_unaltered else "THE STORED INPUTS WERE ALTERED"
    yield f"{told}: SHA-256 {replay.input_hash}"


def _words(enum: type, prefix: str, value: int) -> str:
    """Return an enum's name in words; of one newer than this client, its number."""
    names = {number: name for name, number in enum.items()}  # type: ignore[attr-defined]  # a wrapper, not a class
    return names[value].removeprefix(f"{prefix}_").lower().replace("_", " ") if value in names else str(value)

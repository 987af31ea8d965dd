"""Explanations of stored emissions: how each came about, and whether it comes out the same again."""

from collections.abc import Iterable, Iterator, Sequence
from math import exp

import numpy as np
from google.type.date_pb2 import Date
from vcci.v1 import activity_pb2
from vcci.v1 import explanation_pb2 as pb
from vcci_engine.activities import Activities
from vcci_engine.calculate import calculate
from vcci_engine.dates import EPOCH
from vcci_engine.errors import InvalidField
from vcci_engine.explanation import Part, Term, in_names, in_numbers, number, terms_of, told
from vcci_engine.express import express
from vcci_engine.factors import FactorTable, build_table
from vcci_engine.input_hash import is_unaltered
from vcci_engine.methods import METHODS
from vcci_engine.notices import Asked
from vcci_engine.prices import NO_PRICES, Prices, build_prices
from vcci_engine.quality import GSD2_OF_SCORE, SCORES, WORST, scores
from vcci_engine.results import Calculation
from vcci_engine.stored_row import StoredEmission, activities_of
from vcci_engine.uncertainty import GSD2_BASIC, of_row

from vcci_server import price_messages
from vcci_server.calculation_messages import estimate_message, notice_messages
from vcci_server.factor_messages import factor_message, set_message
from vcci_server.importers.price_record import INDEX, RATE, PriceRecord
from vcci_server.run_messages import request_of
from vcci_server.storage.explaining import Evidence
from vcci_server.storage.factors import StoredFactor
from vcci_server.validation import resource_id

MOST_ROWS = 1 << 32  # of an upload


def emission_name(name: str) -> tuple[int, int]:
    """Return the upload and the row of `uploads/{upload}/emissions/{row}`."""
    upload, _, row = name.partition("/emissions/")
    try:
        return resource_id(upload, "uploads"), min(resource_id(f"emissions/{row}", "emissions"), MOST_ROWS)
    except InvalidField as error:
        expected = "a name `uploads/{upload}/emissions/{row}`"
        raise InvalidField("name", name, expected, reason=error.reason) from None


def explanation_message(name: str, evidence: Evidence) -> pb.Explanation:
    """Return how a stored emission came about; it is calculated again, and its segment's hash checked."""
    stored = evidence.emission
    used = [factor for factor in evidence.factors if factor.factor_id == stored.factor_id]
    table = _table(evidence, used)
    activities = activities_of(stored, evidence.supplier, used[0].record.key if used else "")
    gwp_set = request_of(evidence.run).gwp_set if evidence.run else ""
    again = express(calculate(activities, table, allow_negative=True), activities, table, gwp_set)
    message = pb.Explanation(
        name=name,
        run=f"runs/{evidence.run.run_id}" if evidence.run else "",
        gwp_set=gwp_set,
        activity=_activity(activities, stored),
        estimate=estimate_message(of_row(stored.kg_co2e, float(stored.sigma))),
        told=map(_part, told(activities)),
        method=_method(stored.method, evidence.basis.method_version),
        factor=factor_message(used[0]) if used else None,
        factor_set=set_message(evidence.factor_set),
        uncertainty=_uncertainty(stored, used[0].record.gsd2 if used else GSD2_BASIC),
        replay=_replay(evidence, again),
        price_set=None if evidence.price_set is None else price_messages.set_message(evidence.price_set),
    )
    if used:
        of_key = _table(evidence, evidence.factors)
        place = int(of_key.positions(np.array([stored.factor_id], np.uint32))[0])
        country, day = evidence.supplier.country_of(0), message.activity.reporting_period
        asked = Asked(country, day.year, day.month, stored.unit, stored.inputs)
        message.notices.extend(notice_messages(stored.notices, asked, place, of_key))
    if not len(again.errors):
        terms = terms_of(activities, again.emissions, table, gwp_set)
        _write_formula(message, terms, stored.kg_co2e)
        message.prices.extend(map(price_messages.price_message, _lines_of(terms, evidence.prices)))
    return message


def _table(evidence: Evidence, factors: Sequence[StoredFactor]) -> FactorTable:
    """A table of some factors of the set: with the one used alone, no other can be chosen."""
    records = [factor.record for factor in factors]
    return build_table(
        *(evidence.factor_set.factor_set_id, evidence.factor_set.content_hash),
        ids=[factor.factor_id for factor in factors],
        keys=[record.key for record in records],
        regions=[record.region for record in records],
        years=[record.year for record in records],
        units=[record.unit for record in records],
        kg_co2e=[record.kg_co2e for record in records],
        gsd2=[record.gsd2 for record in records],
        gases=[record.gases for record in records],
        gwp_sets=[record.gwp_set for record in records],
        price_years=[record.price_year for record in records],
        price_bases=[record.price_basis for record in records],
        margins=[record.margins for record in records],
        prices=_prices(evidence),
    )


def _prices(evidence: Evidence) -> Prices:
    of, lines = evidence.price_set, evidence.prices
    if of is None:
        return NO_PRICES
    rates = {(line.currency, line.year, line.month): line.value for line in lines if line.kind == RATE}
    indices = {(line.currency, line.year): line.value for line in lines if line.kind == INDEX}
    return build_prices(of.price_set_id, of.content_hash, of.base_currency, rates, indices)


def _lines_of(terms: Sequence[Term], lines: Sequence[PriceRecord]) -> Iterator[PriceRecord]:
    """Yield the lines of a price set that rate and deflator are made of."""
    used = {line for term in terms for part in term.parts for line in part.prices}
    return (line for line in lines if line.key in used)


def _activity(activities: Activities, stored: StoredEmission) -> activity_pb2.Activity:
    suppliers, day = activities.suppliers, EPOCH.fromordinal(EPOCH.toordinal() + stored.period)
    return activity_pb2.Activity(
        supplier_code=suppliers.codes[0],
        supplier_name=suppliers.names[0],
        country=suppliers.country_of(0),
        category=stored.category,  # type: ignore[arg-type]  # whatever is stored
        method=stored.method,  # type: ignore[arg-type]
        quantity=stored.quantity,
        unit=stored.unit,
        factor=activities.factors[0],
        reporting_period=Date(year=day.year, month=day.month, day=day.day),
        quality=activity_pb2.Quality(**scores(stored.quality)),
        group=stored.group,
        reference=stored.reference,
        inputs=stored.inputs,
    )


def _write_formula(message: pb.Explanation, terms: Sequence[Term], kg_co2e: float) -> None:
    message.formula = in_names(terms)
    message.calculation = f"{in_numbers(terms)} = {number(kg_co2e)} kg CO2e"
    message.terms.extend(
        pb.FormulaTerm(value=term.value, divides=term.divides, parts=map(_part, term.parts)) for term in terms
    )


def _part(part: Part) -> pb.FormulaPart:
    return pb.FormulaPart(
        name=part.name,
        value=part.value,
        unit=part.unit,
        what=part.what,
        origin=part.origin.value,  # type: ignore[arg-type]  # the engine's Origin has the contract's numbers
        negative=part.negative,
    )


def _method(method: int, registry_version: int) -> pb.ExplainedMethod:
    message = pb.ExplainedMethod(method=method, registry_version=registry_version)  # type: ignore[arg-type]
    if 1 <= method <= len(METHODS):
        of = METHODS[method - 1]
        message.version = min(of.version, registry_version)
        message.formula, message.source = of.formula, of.source
    return message


def _uncertainty(stored: StoredEmission, factor_gsd2: float) -> pb.ExplainedUncertainty:
    return pb.ExplainedUncertainty(
        scores=_scores(scores(stored.quality).items()), factor_gsd2=factor_gsd2, gsd2=exp(2 * float(stored.sigma))
    )


def _scores(found: Iterable[tuple[str, int]]) -> list[pb.ScoreUncertainty]:
    by_name = dict(found)
    return [
        pb.ScoreUncertainty(name=name, score=by_name[name], gsd2=gsd2_of_score[min(by_name[name] or WORST, WORST) - 1])
        for name, gsd2_of_score in zip(SCORES, GSD2_OF_SCORE, strict=True)
    ]


def _replay(evidence: Evidence, again: Calculation) -> pb.Replay:
    stored, errors = evidence.emission, again.errors
    replay = pb.Replay(
        inputs_unaltered=is_unaltered(evidence.segment), input_hash=bytes(evidence.segment.input_hash).hex()
    )
    if len(errors):
        replay.problem = f"{errors.field[0]}: found {errors.value[0]!r}, expected {errors.expected[0]}"
        return replay
    replay.kg_co2e = float(again.emissions.kg_co2e[0])
    replay.identical = replay.kg_co2e == stored.kg_co2e and bool(again.emissions.sigma[0] == stored.sigma)
    return replay

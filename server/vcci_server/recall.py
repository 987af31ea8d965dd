"""Recalls how single activities were calculated: one like it, with another quantity, costs microseconds.

The kernel costs 100 microseconds for one row as for fifty, and single calls repeat: the same factor, unit and month.
"""

from dataclasses import dataclass

from vcci.v1 import activity_pb2, calculation_service_pb2, emission_pb2
from vcci_engine.activities import Activities
from vcci_engine.factors import FactorTable
from vcci_engine.results import Emissions
from vcci_engine.single import Plan, plan_of
from vcci_engine.uncertainty import of_row

from vcci_server.calculation_messages import emission_messages, estimate_message
from vcci_server.validation import MAX_STRING_BYTES, are_storable

MOST_KNOWN = 10_000
MAX_KEY_BYTES = 512

Key = tuple[tuple[int, int], bytes]


@dataclass(frozen=True, slots=True)
class _Known:
    plan: Plan
    sigma: float
    emission: emission_pb2.Emission  # without its estimate and amount


class Recall:
    """The activities that were calculated last, whatever their supplier, quantity and reference; none has a group."""

    def __init__(self) -> None:
        self._known: dict[Key, _Known] = {}

    def response(
        self, activity: activity_pb2.Activity, table: FactorTable, allow_negative: bool
    ) -> calculation_service_pb2.CalculateResponse | None:
        """Return the response to an activity like one that is known and right, else None."""
        known = self._known.get(_key(activity, table))
        if known is None or not _right_texts(activity):
            return None
        kg_co2e = known.plan.kg_co2e(activity.quantity, allow_negative=allow_negative)
        if kg_co2e is None:
            return None
        estimate = estimate_message(of_row(kg_co2e, known.sigma))
        response = calculation_service_pb2.CalculateResponse(emissions=[known.emission], total=estimate)
        response.emissions[0].estimate.CopyFrom(estimate)
        response.emissions[0].amount = known.plan.amount(activity.quantity)
        return response

    def remember(
        self, activity: activity_pb2.Activity, table: FactorTable, activities: Activities, emissions: Emissions
    ) -> None:
        """Remember an activity that was calculated, and its only emission."""
        key = _key(activity, table)
        if len(key[1]) > MAX_KEY_BYTES:
            return
        while len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        (emission,) = emission_messages(emissions, activities, table)
        emission.ClearField("estimate")
        emission.ClearField("amount")
        self._known[key] = _Known(plan_of(activities, table), float(emissions.sigma[0]), emission)


def _key(activity: activity_pb2.Activity, table: FactorTable) -> Key:
    """Return all that the calculation depends on but the quantity."""
    like = activity_pb2.Activity()
    like.CopyFrom(activity)
    for name in ("quantity", "supplier_code", "supplier_name", "reference"):
        like.ClearField(name)
    return table.version, like.SerializeToString(deterministic=True)


def _right_texts(activity: activity_pb2.Activity) -> bool:
    texts = activity.supplier_code, activity.supplier_name, activity.reference
    return bool(activity.supplier_code) and are_storable(texts, MAX_STRING_BYTES)

"""Recalls how single activities were calculated: one like it, with another quantity, costs microseconds.

The kernel costs 100 microseconds for one row as for fifty, and single calls repeat: the same factor, unit and month.
"""

from dataclasses import dataclass

from vcci.v1 import activity_pb2
from vcci.v1.calculation_service_pb2 import CalculateRequest
from vcci_engine.activities import Activities
from vcci_engine.factors import FactorTable
from vcci_engine.results import Emissions
from vcci_engine.single import Plan, plan_of
from vcci_engine.uncertainty import RowSpread

from vcci_server.answers import Answer
from vcci_server.calculation_messages import emission_messages
from vcci_server.validation import MAX_STRING_BYTES, are_storable

MOST_KNOWN = 10_000
MAX_KEY_BYTES = 512

Key = tuple[tuple[int, int], bytes]


@dataclass(frozen=True, slots=True)
class _Known:
    plan: Plan
    spread: RowSpread
    answer: Answer


class Recall:
    """The requests that were answered last, whatever the supplier, quantity and reference of their one activity."""

    def __init__(self) -> None:
        self._known: dict[Key, _Known] = {}

    def response(self, request: CalculateRequest, table: FactorTable) -> bytes | None:
        """Return the serialized response to a request like one that is known, and right, else None."""
        if len(request.activities) != 1:
            return None
        activity = request.activities[0]
        known = self._known.get(_key(request, activity, table))
        if known is None or not _right_texts(activity):
            return None
        quantity = activity.quantity
        kg_co2e = known.plan.kg_co2e(quantity, allow_negative=request.allow_negative)
        if kg_co2e is None:
            return None
        return known.answer.filled(known.spread.numbers(kg_co2e), known.plan.amount(quantity))

    def remember(
        self, request: CalculateRequest, table: FactorTable, activities: Activities, emissions: Emissions
    ) -> None:
        """Remember the only emission of a request whose answer depends on nothing but the request and the table."""
        key = _key(request, request.activities[0], table)
        if len(key[1]) > MAX_KEY_BYTES:
            return
        while len(self._known) >= MOST_KNOWN:
            del self._known[next(iter(self._known))]
        (emission,) = emission_messages(emissions, activities, table)
        emission.ClearField("estimate")
        emission.ClearField("amount")
        spread = RowSpread.of(float(emissions.sigma[0]))
        self._known[key] = _Known(plan_of(activities, table), spread, Answer.of(emission))


def _key(request: CalculateRequest, activity: activity_pb2.Activity, table: FactorTable) -> Key:
    """Return all that the calculation depends on but the quantity; the request is as before."""
    quantity, code, name = activity.quantity, activity.supplier_code, activity.supplier_name
    reference = activity.reference
    activity.quantity = 0.0
    activity.supplier_code = activity.supplier_name = activity.reference = ""
    like = request.SerializeToString(deterministic=True)
    activity.quantity, activity.supplier_code, activity.supplier_name = quantity, code, name
    activity.reference = reference
    return table.version, like


def _right_texts(activity: activity_pb2.Activity) -> bool:
    code, name, reference = activity.supplier_code, activity.supplier_name, activity.reference
    together = f"{code}{name}{reference}"
    if not code or "\0" in together:
        return False
    return len(together.encode()) <= MAX_STRING_BYTES or are_storable((code, name, reference), MAX_STRING_BYTES)

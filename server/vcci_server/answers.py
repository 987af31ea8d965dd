"""The response to one activity as bytes in which its numbers are filled in: a message made, copied and serialized costs
five times as much.

On the wire a field is a tag, `number << 3 | type`, and a value: eight bytes of a double, or bytes after their length.
The order of fields is free, so the numbers come last.
"""

from dataclasses import dataclass
from struct import Struct
from typing import Self

from google.protobuf.message import Message
from vcci.v1 import calculation_service_pb2, emission_pb2

DOUBLE, LENGTH_DELIMITED = 1, 2
NUMBERS = ("kg_co2e", "kg_co2e_low", "kg_co2e_high", "kg_co2e_mean", "kg_co2e_median")


def _tag(of: type[Message], name: str, wire_type: int) -> bytes:
    return _varint(of.DESCRIPTOR.fields_by_name[name].number << 3 | wire_type)


def _varint(number: int) -> bytes:
    """Return a number as seven bits a byte, the lowest first, with the eighth bit where more come."""
    if number < 0x80:
        return bytes((number,))
    return bytes((number & 0x7F | 0x80,)) + _varint(number >> 7)


_KG, _LOW, _HIGH, _MEAN, _MEDIAN = (_tag(emission_pb2.Estimate, name, DOUBLE) for name in NUMBERS)
_AMOUNT = _tag(emission_pb2.Emission, "amount", DOUBLE)
_FIVE = Struct("<cdcdcdcdcd")
_ONE = Struct("<cd")
_ESTIMATE = _tag(emission_pb2.Emission, "estimate", LENGTH_DELIMITED) + _varint(_FIVE.size)
_TOTAL = _tag(calculation_service_pb2.CalculateResponse, "total", LENGTH_DELIMITED) + _varint(_FIVE.size)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response to one activity without its numbers."""

    head: bytes

    @classmethod
    def of(cls, emission: emission_pb2.Emission) -> Self:
        """Return the answer with an emission that has neither an estimate nor an amount."""
        fixed = emission.SerializeToString()
        size = len(fixed) + len(_ESTIMATE) + _FIVE.size + _ONE.size
        tag = _tag(calculation_service_pb2.CalculateResponse, "emissions", LENGTH_DELIMITED)
        return cls(tag + _varint(size) + fixed + _ESTIMATE)

    def filled(self, numbers: tuple[float, float, float, float, float], amount: float) -> bytes:
        """Return the response: the estimate's NUMBERS are those of the emission and of the total."""
        kg, low, high, mean, median = numbers
        estimate = _FIVE.pack(_KG, kg, _LOW, low, _HIGH, high, _MEAN, mean, _MEDIAN, median)
        return b"".join((self.head, estimate, _ONE.pack(_AMOUNT, amount), _TOTAL, estimate))

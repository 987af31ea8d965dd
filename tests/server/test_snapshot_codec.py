"""Tables to bytes and back: every field, whatever is added; nothing else than what the annotations say."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from vcci_engine.factors import FactorTable
from vcci_server.snapshot_codec import Codec

from tests.engine.samples import TABLE


@dataclass(frozen=True)
class Inner:
    names: tuple[str, ...]
    rate: Decimal


@dataclass(frozen=True)
class Outer:
    number: int
    share: float
    known: bool
    none: int | None
    some: float | None
    pair: tuple[str, int]
    inner: Inner
    inners: tuple[Inner, ...]
    maybe: tuple[Inner | None, ...]
    by_name: Mapping[str, tuple[int, int]]
    by_pair: Mapping[tuple[str, int], Inner]
    flags: npt.NDArray[np.bool_]
    matrix: npt.NDArray[np.float64]
    nothing: npt.NDArray[np.int32]


INNER = Inner(("Zürich", "", "a\nb", '"\\'), Decimal("1.000e-30"))
OUTER = Outer(
    number=2**62,
    share=0.1 + 0.2,
    known=True,
    none=None,
    some=-0.0,
    pair=("a", 1),
    inner=INNER,
    inners=(INNER, INNER),
    maybe=(None, INNER),
    by_name={"x": (1, 2), "": (3, 4)},
    by_pair={("EUR", 2024): INNER},
    flags=np.array([True, False]),
    matrix=np.arange(6.0).reshape(3, 2).T,
    nothing=np.empty((0, 4), np.int32),
)


def test_every_kind_of_field_comes_back_as_it_was() -> None:
    codec = Codec(Outer)
    _assert_same(codec.decode(codec.encode(OUTER)), OUTER)


def test_a_table_comes_back_as_it_was() -> None:
    codec = Codec(FactorTable)
    back = codec.decode(codec.encode(TABLE))
    _assert_same(back, TABLE)
    assert codec.encode(back) == codec.encode(TABLE)


def test_the_table_does_not_keep_the_bytes_it_came_from() -> None:
    codec = Codec(FactorTable)
    assert codec.decode(codec.encode(TABLE)).kg_co2e.base is None


@pytest.mark.parametrize("cut", [0, 3, 4, 100, -1])
def test_bytes_that_were_cut_off_are_refused(cut: int) -> None:
    codec = Codec(FactorTable)
    with pytest.raises((ValueError, LookupError, TypeError)):
        codec.decode(codec.encode(TABLE)[:cut])


@pytest.mark.parametrize("kind", [object, dict, int | str, npt.NDArray[np.object_], npt.NDArray[np.str_]])
def test_a_type_that_cannot_be_written_is_refused_before_anything_is(kind: Any) -> None:
    with pytest.raises(TypeError):
        Codec(kind)


def test_an_array_of_another_type_than_announced_is_refused() -> None:
    with pytest.raises(TypeError, match="float32"):
        Codec(Outer).encode(Outer(**{**vars(OUTER), "matrix": np.zeros((1, 1), np.float32)}))


def _assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    elif is_dataclass(expected):
        for field in fields(expected):
            _assert_same(getattr(found, field.name), getattr(expected, field.name))
    else:
        assert found == expected

"""Dataclasses of arrays, as bytes and back.

The annotations of the dataclass say how each field is read: what the bytes contain is never taken for a name of a
type, so that foreign bytes can make no other objects than those. Layout: u4, length of the JSON text; the JSON text, in
which an array is its place and shape; then the arrays, each from a multiple of eight bytes.
"""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Generic, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
LENGTH = struct.Struct("<I")
ALIGNMENT = 8
SCALARS = (bool, int, float, str, NoneType)
NUMBERS = "biuf"  # kinds of dtypes


class _Form(NamedTuple):
    """How values of one type become JSON and arrays, and come back."""

    store: Callable[[Any, bytearray], Any]
    load: Callable[[Any, memoryview], Any]


class Codec(Generic[T]):
    """Writes and reads one dataclass: of numbers, texts, arrays of numbers, tuples, mappings and dataclasses."""

    def __init__(self, kind: type[T]) -> None:
        self._form = _form(kind)  # raises TypeError for a field that it cannot write

    def encode(self, value: T) -> bytes:
        """Return the bytes of a value; equal values give the same bytes."""
        arrays = bytearray()
        text = json.dumps(self._form.store(value, arrays), ensure_ascii=False, separators=(",", ":")).encode()
        start = LENGTH.size + len(text)
        return b"".join((LENGTH.pack(len(text)), text, bytes(-start % ALIGNMENT), arrays))

    def decode(self, data: bytes) -> T:
        """Return the value of bytes that `encode` wrote; others raise ValueError, LookupError or TypeError."""
        if len(data) < LENGTH.size:
            raise ValueError("too short")
        end = LENGTH.size + LENGTH.unpack_from(data)[0]
        arrays = memoryview(data)[end + -end % ALIGNMENT :]
        value: T = self._form.load(json.loads(data[LENGTH.size : end]), arrays)
        return value


def _form(kind: Any) -> _Form:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in SCALARS:
        return _PLAIN
    if kind is Decimal:
        return _Form(lambda value, arrays: str(value), lambda plain, arrays: Decimal(plain))
    if origin is np.ndarray:
        return _array(np.dtype(get_args(arguments[1])[0]))
    if origin is tuple:
        return _tuple(arguments)
    if origin in (Union, UnionType):
        return _optional(arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(*arguments)
    if isinstance(kind, type) and is_dataclass(kind):
        return _dataclass(kind)
    raise TypeError(f"{kind} cannot be written as bytes")


def _keep(value: Any, arrays: object) -> Any:
    return value


_PLAIN = _Form(_keep, _keep)


def _array(dtype: "np.dtype[Any]") -> _Form:
    if dtype.kind not in NUMBERS:
        raise TypeError(f"arrays of {dtype} cannot be written as bytes")
    stored = dtype.newbyteorder("<")

    def store(value: npt.NDArray[Any], arrays: bytearray) -> list[int]:
        if value.dtype != dtype:
            raise TypeError(f"found an array of {value.dtype}, expected {dtype}")
        arrays.extend(bytes(-len(arrays) % ALIGNMENT))
        place = len(arrays)
        arrays.extend(value.astype(stored, order="C", copy=False).tobytes())
        return [place, *value.shape]

    def load(plain: list[int], arrays: memoryview) -> npt.NDArray[Any]:
        place, *shape = plain
        count = int(np.prod(shape, dtype=np.int64))
        # A copy: a view would keep the whole snapshot in memory.
        return np.frombuffer(arrays, stored, count, place).reshape(shape).astype(dtype)

    return _Form(store, load)


def _tuple(arguments: tuple[Any, ...]) -> _Form:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        part = _form(arguments[0])
        if part is _PLAIN:
            return _Form(_keep, lambda plain, arrays: tuple(plain))
        return _Form(
            lambda value, arrays: [part.store(each, arrays) for each in value],
            lambda plain, arrays: tuple(part.load(each, arrays) for each in plain),
        )
    parts = [_form(argument) for argument in arguments]
    if all(part is _PLAIN for part in parts):
        return _Form(_keep, lambda plain, arrays: tuple(plain))
    return _Form(
        lambda value, arrays: [part.store(each, arrays) for part, each in zip(parts, value, strict=True)],
        lambda plain, arrays: tuple(part.load(each, arrays) for part, each in zip(parts, plain, strict=True)),
    )


def _optional(arguments: tuple[Any, ...]) -> _Form:
    present = [argument for argument in arguments if argument is not NoneType]
    if len(present) != 1:
        raise TypeError(f"a choice of {arguments} cannot be written as bytes")
    part = _form(present[0])
    return _Form(
        lambda value, arrays: None if value is None else [part.store(value, arrays)],
        lambda plain, arrays: None if plain is None else part.load(plain[0], arrays),
    )


def _mapping(key: Any, value: Any) -> _Form:
    """Keys and values as two lists, since a key of JSON is a text."""
    keys, values = _tuple((key, ...)), _tuple((value, ...))
    return _Form(
        lambda known, arrays: [keys.store([*known], arrays), values.store([*known.values()], arrays)],
        lambda plain, arrays: dict(zip(keys.load(plain[0], arrays), values.load(plain[1], arrays), strict=True)),
    )


def _dataclass(kind: type[Any]) -> _Form:
    hints = get_type_hints(kind)
    forms = {field.name: _form(hints[field.name]) for field in fields(kind)}
    return _Form(
        lambda value, arrays: [form.store(getattr(value, name), arrays) for name, form in forms.items()],
        lambda plain, arrays: kind(
            **{name: form.load(part, arrays) for (name, form), part in zip(forms.items(), plain, strict=True)}
        ),
    )

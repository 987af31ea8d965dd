"""The suppliers that batches name: a dictionary that is looked through once, for all the batches that use it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

MAX_CODE_BYTES = 128

MISSING, TOO_LONG = 1, 2  # what is wrong with a code

Flags = npt.NDArray[np.bool_]
Faults = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Suppliers:
    """A dictionary of K suppliers; entries may repeat.

    `codes` and `names` may go on beyond K: a dictionary that was extended shares them with the longer one, since
    copying them for each page of a stream would touch every text again.
    """

    codes: list[str]
    names: list[str]  # as many as codes, or none
    country: npt.NDArray[np.uint32]  # [K], index into countries
    countries: tuple[str, ...]  # as they were given; "" says nothing
    fault: Faults | None  # [K], MISSING, TOO_LONG or 0; None: every code is right

    @classmethod
    def of(cls, codes: Sequence[str], names: Sequence[str] = (), countries: Sequence[str] = ()) -> Self:
        """Return the dictionary; `names` and `countries` are as many as `codes`, or none."""
        numbers = {country: number for number, country in enumerate(dict.fromkeys(countries or ("",)))}
        country = np.zeros(len(codes), np.uint32)
        if len(numbers) > 1:
            country = np.fromiter(map(numbers.__getitem__, countries), np.uint32, len(countries))
        return cls.indexed(list(codes), list(names), country, tuple(numbers))

    @classmethod
    def indexed(
        cls, codes: list[str], names: list[str], country: npt.NDArray[np.uint32], countries: tuple[str, ...]
    ) -> Self:
        """Return the dictionary of lists that are its own, and of an index of countries."""
        return cls(codes, names, country, countries, _faults(codes))

    def __len__(self) -> int:
        return len(self.country)

    def country_of(self, entry: int) -> str:
        """Return an entry's country as it was given; empty where none was."""
        return self.countries[int(self.country[entry])]

    def with_countries(self, chosen: Sequence[bool]) -> Flags:
        """Return [K]: which entries have one of the chosen `countries`."""
        return np.array(chosen, np.bool_).take(self.country)

    def extended(self, more: "Suppliers") -> "Suppliers":
        """Return the dictionary of these, and more behind them; these cannot be extended again."""
        if len(self.codes) != len(self):
            raise ValueError("these suppliers were extended before")
        countries = tuple(dict.fromkeys((*self.countries, *more.countries)))
        number = {country: number for number, country in enumerate(countries)}
        moved = np.array([number[country] for country in more.countries], np.uint32)
        if self.names or more.names:
            self.names.extend([""] * (len(self) - len(self.names)))
            self.names.extend(more.names or [""] * len(more))
        self.codes.extend(more.codes)
        country = np.concatenate((self.country, moved.take(more.country)))
        return Suppliers(self.codes, self.names, country, countries, _joined(self, more))


def _faults(codes: Sequence[str]) -> Faults | None:
    if "" not in codes and max(map(len, codes), default=0) * 4 <= MAX_CODE_BYTES:
        return None
    too_long = [len(code.encode()) > MAX_CODE_BYTES for code in codes]
    missing = [not code for code in codes]
    fault = np.array(missing, np.uint8) * np.uint8(MISSING) + np.array(too_long, np.uint8) * np.uint8(TOO_LONG)
    return fault if fault.any() else None


def _joined(*parts: Suppliers) -> Faults | None:
    if all(part.fault is None for part in parts):
        return None
    return np.concatenate([np.zeros(len(part), np.uint8) if part.fault is None else part.fault for part in parts])

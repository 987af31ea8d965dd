"""Cells and texts as people read them."""

import re
from datetime import date
from math import floor, log10

from vcci_server.report.model import Cell, CellKind

NUMERIC: frozenset[CellKind] = frozenset({"count", "tonnes", "share", "number"})
NOTHING = "–"
SMALLEST = 1e-9  # that is written without a power of ten
_GAS = re.compile(r"\b(?:(?:t|kg|g) )?(?:CO2e?|CH4|N2O|SF6|NF3)\b")
_SUBSCRIPTS = str.maketrans("2346", "₂₃₄₆")


def shown(cell: Cell, kind: CellKind) -> str:
    """Return a cell as text."""
    if cell is None:
        return NOTHING
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, str):
        return cell
    if kind == "share":
        return percent(cell)
    return minus(f"{cell:,}") if isinstance(cell, int) else amount(cell)


def total_shown(cell: Cell, kind: CellKind) -> str:
    """Return a cell of a total as text: where nothing can be added up, it is empty."""
    return "" if cell is None else shown(cell, kind)


def amount(value: float) -> str:
    """Return an amount with as many decimals as it takes to tell small ones apart."""
    if value == 0:
        return "0"
    return minus(f"{value:,.{_decimals(abs(value))}f}" if abs(value) >= SMALLEST else f"{value:.2e}")


def percent(part: float) -> str:
    """Return a part of a whole as `12.3 %`, the space one that does not break."""
    return minus(f"{part * 100:,.1f}\u00a0%")


def minus(number: str) -> str:
    """Return a number with a minus sign for its hyphen."""
    return number.replace("-", "\u2212") if number.startswith("-") else number


def typeset(text: str) -> str:
    """Return a text with the digits of gases as subscripts, and their units of mass kept with them."""
    return _GAS.sub(lambda found: found[0].replace(" ", "\u00a0").translate(_SUBSCRIPTS), text)


def _decimals(size: float) -> int:
    if size >= 1000:
        return 0
    if size >= 10:
        return 1
    return 3 if size >= 0.01 else 2 - floor(log10(size))

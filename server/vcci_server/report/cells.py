"""Cells as people read them."""

from datetime import date

from vcci_server.report.model import Cell, CellKind

NUMERIC: frozenset[CellKind] = frozenset({"count", "tonnes", "share", "number"})
NOTHING = "–"


def shown(cell: Cell, kind: CellKind) -> str:
    """Return a cell as text."""
    if cell is None:
        return NOTHING
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, str):
        return cell
    if kind == "share":
        return f"{cell:.1%}"
    if kind == "count":
        return f"{cell:,}"
    return amount(cell)


def total_shown(cell: Cell, kind: CellKind) -> str:
    """Return a cell of a total as text: where nothing can be added up, it is empty."""
    return "" if cell is None else shown(cell, kind)


def amount(value: float) -> str:
    """Return an amount with as many decimals as it takes to tell small ones apart."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:,.1f}"
    return f"{value:,.3f}" if size >= 0.01 else f"{value:.2e}"

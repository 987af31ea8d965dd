"""What the cells of a table hold."""

import re

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
LARGEST = 1e30  # above any figure in its unit; sums and products with GWPs stay finite


def finite_number(text: str) -> float | None:
    """Return the number that a cell holds, or None; narrower than `float`, which reads `nan` and `1_000` too."""
    number = float(text) if _NUMBER.fullmatch(text) else None
    return number if number is not None and abs(number) <= LARGEST else None

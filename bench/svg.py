"""SVG by hand: marks in the colours of a light or a dark page, whichever it is shown on.

A picture has a ground of its own, so that it can be read where the page and the system differ.
"""

from collections.abc import Iterable
from html import escape

STYLE = """
:root{--ground:#fff;--text:#1f2328;--quiet:#59636e;--grid:#d1d9e0;--ours:#0969da;--limit:#8c959f;--peer:#bc6c00}
@media (prefers-color-scheme:dark){:root{--ground:#0d1117;--text:#f0f6fc;--quiet:#9198a1;--grid:#3d444d;--ours:#4493f8;
--limit:#656c76;--peer:#d29922}}
.ground{fill:var(--ground)}text{fill:var(--text)}.quiet{fill:var(--quiet)}.grid{stroke:var(--grid)}
.ours{fill:var(--ours)}.limit{fill:var(--limit)}.peer{fill:var(--peer)}
path{fill:none}.line-ours{stroke:var(--ours)}.line-limit{stroke:var(--limit)}.line-peer{stroke:var(--peer)}
.whisker{stroke:var(--text)}
"""
FONT = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"


def picture(width: float, height: float, title: str, marks: Iterable[str], style: str = "") -> str:
    """Return a whole picture."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_place(width)} {_place(height)}" role="img" '
            f'aria-label="{escape(title)}" font-family="{FONT}" font-size="12">',
            f"<style>{STYLE}{style}</style>",
            f'<rect width="{_place(width)}" height="{_place(height)}" rx="6" class="ground"/>',
            *marks,
            "</svg>\n",
        ]
    )


def text(
    x: float, y: float, words: str, kind: str = "", anchor: str = "start", *, size: int = 12, bold: bool = False
) -> str:
    """Return words whose baseline begins, has its middle, or ends at a place."""
    attributes = [
        f'x="{_place(x)}" y="{_place(y)}"',
        *([f'class="{kind}"'] if kind else []),
        *([f'text-anchor="{anchor}"'] if anchor != "start" else []),
        *([f'font-size="{size}"'] if size != 12 else []),
        *(['font-weight="600"'] if bold else []),
    ]
    return f"<text {' '.join(attributes)}>{escape(words)}</text>"


def bar(x: float, y: float, width: float, height: float, kind: str) -> str:
    """Return a filled bar."""
    place = f'x="{_place(x)}" y="{_place(y)}" width="{_place(width)}" height="{_place(height)}"'
    return f'<rect {place} rx="2" class="{kind}"/>'


def line(places: Iterable[tuple[float, float]], kind: str, width: float = 1.0) -> str:
    """Return a line from place to place."""
    path = "L".join(f"{_place(x)} {_place(y)}" for x, y in places)
    return f'<path d="M{path}" class="{kind}" stroke-width="{width:g}" stroke-linejoin="round"/>'


def _place(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

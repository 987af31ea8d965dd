"""Flame graphs as small SVGs, from the stacks that py-spy counts ("raw" format: frames from the root, a count).

A frame is as wide as the share of samples in which it was on the stack; below it stands who called it. What is narrower
than a pixel is left out.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from bench.svg import picture, text

WIDTH, MARGIN, ROW, HEAD = 1200, 12, 17, 62
NARROWEST, LETTER = 1.2, 6.4  # pixels: of a frame, of a letter
Stacks = Counter[tuple[str, ...]]

# Whose code a frame is: the first that fits.
OWNERS = (
    ("VCCI", "ours", r"\(vcci"),
    ("NumPy", "numpy", r"\(numpy"),
    ("gRPC", "grpc", r"grpc"),
    ("protobuf", "protobuf", r"\((google|upb|_message)|^(upb_|PyUpb)"),
    ("asyncpg", "asyncpg", r"\((asyncpg|protocol\.c|pgproto\.c|recordobj\.c)"),
    ("uvloop", "uvloop", r"\((uvloop|loop\.c|core\.c|linux\.c|stream\.c|uv)|UV|uv__"),
    ("other native code", "native", r"\.so|\.c:"),
    ("other Python", "other", r""),
)
# Threads that wait: for work, for a message, for the interpreter's lock.
WAITING = re.compile(
    r"_queue_SimpleQueue_get|PyThread_acquire_lock|take_gil|pthread_cond_|select_poll_poll"
    r"|^(epoll_p?wait|poll|sem_\w+) \("
)
# How every thread begins, how event loops come to a task, what the compiler wrote into another function.
BETWEEN = re.compile(
    r"^0x\w+ \((libc|libpython|python)|^(_bootstrap|Thread\._bootstrap|Thread\.run |thread_run|_run_module_as_main)"
    r"|^(_run_code|run_until_complete|run_forever) \(|^(Loop__|loop_cb_|Handle__run|task_step)"
    r"|\(vcci_server/__main__\.py|\(click/|\w\.h:\d+\)"
)
STYLE = """
.numpy{fill:#8250df}.grpc{fill:#1a7f37}.protobuf{fill:#4d7c0f}.asyncpg{fill:#bf3989}.uvloop{fill:#0e7490}
.native{fill:#6e7781}.other{fill:#bc6c00}g .ours{fill:#0969da}
g text{fill:#fff;font-size:11px;font-family:ui-monospace,monospace}g rect{stroke:var(--ground);stroke-width:.5}
"""


@dataclass(slots=True)
class Frame:
    """How often a function was on the stack in this place, and what it called."""

    samples: int = 0
    calls: "dict[str, Frame]" = field(default_factory=dict)


def parse(raw: str, keep: Callable[[Sequence[str]], bool] = lambda _: True) -> Stacks:
    """Return the stacks of threads that run and that are to be kept, without what would tell of this machine."""
    stacks: Stacks = Counter()
    for line in raw.splitlines():
        frames, _, count = line.rpartition(" ")
        stack = [_thread(frames.split(";")[0]), *frames.split(";")[1:]]
        if not any(map(WAITING.search, stack)) and keep(stack):
            named = (_named(frame) for frame in stack if not BETWEEN.search(frame))
            stacks[tuple(frame for frame, _ in groupby(named))] += int(count)
    return stacks


def _thread(frame: str) -> str:
    """Return a thread's name: "thread (4328): vcci-work_0" are the workers'."""
    return re.sub(r"[_-]\d+$", "", frame.partition(": ")[2]) or "other threads"


def _named(frame: str) -> str:
    """Return a frame without the folders before its package; of one without a name only its library."""
    frame = re.sub(r"^0x\w+ (?=\()", "", frame)
    frame = re.sub(r"\.cpython-\S+?\.so|\.abi3\.so|\.so\b[.\d]*", ".so", frame)
    return re.sub(r"\(/\S*?([^/\s]+(/[^/\s]+)?\))$", r"(\1", frame)


def largest(stacks: Stacks, most: int = 12) -> Iterator[str]:
    """Yield what has the largest shares of its own: a function of Python, or whose code it called."""
    own = Counter[str]()
    for stack, count in stacks.items():
        function = next((frame for frame in reversed(stack) if ".py:" in frame), stack[0])
        owner = _owner(stack[-1])[0]
        own[function if owner == _owner(function)[0] else f"{owner}, from {function}"] += count
    for frame, count in own.most_common(most):
        yield f"{count / stacks.total():6.1%}  {frame}"


def _owner(frame: str) -> tuple[str, str]:
    """Return whose code a frame is, and the kind of its mark."""
    return next((words, kind) for words, kind, pattern in OWNERS if re.search(pattern, frame))


def draw(title: str, stacks: Stacks) -> str:
    """Return the picture."""
    root = Frame()
    for stack, count in stacks.items():
        _add(root, stack, count)
    scale = (WIDTH - 2 * MARGIN) / max(1, root.samples)
    height = HEAD + ROW * _depth(root, scale) + MARGIN
    marks = [
        text(MARGIN, 24, title, size=15, bold=True),
        text(WIDTH - MARGIN, 24, f"{root.samples:,} samples", "quiet", "end"),
        *_legend(),
        *_draw(root, MARGIN, height - MARGIN, scale, max(1, root.samples)),
    ]
    return picture(WIDTH, height, title, marks, STYLE)


def _add(root: Frame, stack: Iterable[str], count: int) -> None:
    at = root
    at.samples += count
    for frame in stack:
        at = at.calls.setdefault(frame, Frame())
        at.samples += count


def _depth(of: Frame, scale: float) -> int:
    return max((1 + _depth(each, scale) for each in of.calls.values() if each.samples * scale >= NARROWEST), default=0)


def _draw(of: Frame, left: float, bottom: float, scale: float, every: int) -> Iterator[str]:
    for name, each in sorted(of.calls.items()):
        width = each.samples * scale
        if width >= NARROWEST:
            yield _box(name, left, bottom - ROW, width, each.samples / every)
            yield from _draw(each, left, bottom - ROW, scale, every)
        left += width


def _box(name: str, x: float, y: float, width: float, share: float) -> str:
    mark = f'<rect x="{x:.1f}" y="{y:.0f}" width="{width:.1f}" height="{ROW}" class="{_owner(name)[1]}"/>'
    fits = int((width - 6) / LETTER)
    shown = name if len(name) <= fits else f"{name[: fits - 1]}…" if fits > 3 else ""
    words = text(x + 3, y + 12.5, shown) if shown else ""
    return f"<g><title>{_escaped(name)}: {share:.1%}</title>{mark}{words}</g>"


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _legend() -> Iterator[str]:
    x = float(MARGIN)
    for words, kind, _ in OWNERS:
        yield f'<g><rect x="{x:.0f}" y="36" width="11" height="11" class="{kind}"/></g>'
        yield text(x + 16, 46, words, "quiet")
        x += 36 + len(words) * LETTER

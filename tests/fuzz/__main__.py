"""`make fuzz`: wrong inputs for every decoder, for a bounded time; guided by coverage where atheris is installed.

What a decoder fails on is written to out/fuzz. Mend it, with a test of its own.
"""

import hashlib
import importlib.util
import random
import subprocess
import sys
import time
import traceback
from pathlib import Path

import click

from tests.fuzz.decoders import DECODERS, quieten, seeds, try_out
from tests.fuzz.mutation import INTERESTING, edited

FOUND = Path("out/fuzz")
KINDS = ("put", "insert", "cut", "copy")
GRACE_S = 60


@click.command()
@click.option("--seconds", default=120.0, show_default=True, help="For all decoders together.")
@click.option("--seed", default=0, show_default=True, help="Of the inputs, without atheris.")
@click.option("--only", type=click.Choice([*DECODERS]), help="One decoder.")
def main(seconds: float, seed: int, only: str | None) -> None:
    """Try wrong inputs."""
    has_atheris = importlib.util.find_spec("atheris") is not None
    click.echo("guided by coverage" if has_atheris else "atheris is not installed: random edits of the corpus")
    names = [only] if only else [*DECODERS]
    wrong = 0
    for name in names:
        share = seconds / len(names)
        wrong += guide(name, share) if has_atheris else edit(name, share, random.Random(f"{seed} {name}"))
    sys.exit(1 if wrong else 0)


def edit(name: str, seconds: float, rng: random.Random) -> int:
    """Try random edits; return how many kinds of faults were found."""
    quieten()
    tried, found = 0, set[str]()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        tried += 1
        data = random_edit(rng.choice(seeds(name)), rng)
        try:
            try_out(name, data)
        except Exception as error:
            if (place := where(error)) not in found:
                found.add(place)
                click.echo(f"{name}: {type(error).__name__}: {error} at {place}, by {keep(name, data)}")
    click.echo(f"{name:20} {tried:9,} inputs {len(found):3} faults")
    return len(found)


def random_edit(seed: bytes, rng: random.Random) -> bytes:
    """Return a seed with some edits."""
    pieces = [rng.choice((rng.choice(INTERESTING), rng.randbytes(rng.randint(1, 8)))) for _ in range(rng.randint(1, 6))]
    return edited(seed, [(rng.random(), rng.randrange(17), piece, rng.choice(KINDS)) for piece in pieces])


def where(error: Exception) -> str:
    """Return the last line of ours that an error has passed."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "vcci" in Path(frame.filename).parent.name
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"


def keep(name: str, data: bytes) -> Path:
    """Write an input down; return where."""
    FOUND.mkdir(parents=True, exist_ok=True)
    path = FOUND / f"{name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    return path


def guide(name: str, seconds: float) -> int:
    """Run a decoder under atheris in a process of its own; return 1 when it has found a fault."""
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(int(seconds)), str(FOUND)]
    ended = subprocess.run(command, timeout=seconds + GRACE_S, capture_output=True, text=True, check=False)
    click.echo(f"{name:20} {'right' if ended.returncode == 0 else 'FAULT'}")
    if ended.returncode:
        click.echo(ended.stdout[-2_000:] + ended.stderr[-2_000:])
    return int(ended.returncode != 0)


if __name__ == "__main__":
    main()

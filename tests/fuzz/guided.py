"""One decoder under atheris: `python -m tests.fuzz.guided DECODER SECONDS FOLDER`. It ends the process."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["vcci_client", "vcci_engine", "vcci_server"]):
    from tests.fuzz.decoders import quieten, seeds, try_out

MOST_BYTES = 1 << 14


def main(name: str, seconds: str, folder: str) -> None:
    """Fuzz, beginning with the corpus; what fails is written into the folder, what is new into one of its own."""
    corpus = Path(folder, "corpus", name)
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    quieten()
    options = [f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}", f"-artifact_prefix={folder}/{name}-"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], lambda data: try_out(name, data))
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])

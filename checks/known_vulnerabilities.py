"""Asks the OSV database whether a pinned dependency has a known vulnerability; exits with 1 when one has.

Where the database cannot be had within some seconds, nothing is checked, and that is said: being offline is no fault.
The request is that of https://google.github.io/osv.dev/post-v1-querybatch/, names and versions only.
"""

import json
import re
import sys
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = (ROOT / "constraints.txt", *sorted(ROOT.glob("bench/stacks/requirements/*.txt")))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
SERVICE = "https://api.osv.dev/v1/querybatch"
LIMIT_S = 10.0
MOST_BYTES = 16 << 20

ACCEPTED: Mapping[str, str] = {}  # by id, why it does not concern us


def pins(text: str) -> list[tuple[str, str]]:
    """Return names and versions of a file of pins."""
    return PIN.findall(text)


def known(pinned: list[tuple[str, str]], service: str, limit_s: float) -> dict[str, list[str]] | None:
    """Return the ids of what is known by `name==version`; None when the database did not answer in time."""
    answers: list[object] = []

    def ask() -> None:
        queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in pinned]
        body = json.dumps({"queries": queries}).encode()
        request = urllib.request.Request(service, body, {"Content-Type": "application/json"})  # noqa: S310  ours
        try:
            with urllib.request.urlopen(request, timeout=limit_s) as answer:  # noqa: S310  ours
                answers.extend(json.loads(answer.read(MOST_BYTES))["results"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"the database of vulnerabilities does not answer: {type(error).__name__}", file=sys.stderr)

    asking = threading.Thread(target=ask, daemon=True)  # looking up a name knows no time limit
    asking.start()
    asking.join(limit_s)
    if len(answers) != len(pinned):
        return None
    found = {f"{name}=={version}": _ids(answer) for (name, version), answer in zip(pinned, answers, strict=True)}
    return {pin: ids for pin, ids in found.items() if ids}


def _ids(answer: object) -> list[str]:
    vulnerabilities = answer.get("vulns", []) if isinstance(answer, dict) else []
    return [each["id"] for each in vulnerabilities if each["id"] not in ACCEPTED]


def main(service: str = SERVICE, limit_s: float = LIMIT_S) -> int:
    """Check the pins; return the exit status."""
    pinned = sorted({pin for file in FILES for pin in pins(file.read_text())})
    found = known(pinned, service, limit_s)
    if found is None:
        print(f"{len(pinned)} pins were not compared with known vulnerabilities")
        return 0
    for pin, ids in found.items():
        print(f"{pin}: {', '.join(ids)}")
    print(f"{len(pinned)} pins, {len(found)} of them with known vulnerabilities")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

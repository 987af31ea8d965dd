"""Call any unary method of a server of this machine, as often as is asked for: `python -m bench.calls --help`.

    python -m bench.calls 127.0.0.1:50051 vcci.v1.SupplierService/ListSuppliers --data '{"pageSize": 100}' \\
        --callers 50 --connections 5 --duration 10
    python -m bench.calls 127.0.0.1:50051 vcci.v1.EmissionService/GetDashboard --rate 500

The server's reflection says what the method takes. Without --rate so many callers wait for their answers, each pausing
before its next call when asked to; with it calls begin at that rate, whatever the answers do. The token is VCCI_TOKEN.
"""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import Parse, ParseError
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from vcci_server.settings import SettingsError, is_loopback

from bench.load import Load, Method, Outcome, arrivals_s, run

WIDEST_BAR = 40
BARS = 12


def main() -> int:
    arguments = _parse()
    metadata = tuple(arguments.metadata)
    if token := os.environ.get("VCCI_TOKEN", ""):
        metadata = (("authorization", f"Bearer {token}"), *metadata)
    payload = message(arguments.target, arguments.method, arguments.data)
    method = Method(arguments.target, f"/{arguments.method}", payload, metadata, arguments.timeout)
    outcome = run(_load(arguments), method)
    print("\n".join(summary(outcome)))
    if arguments.json:
        arguments.json.write_text(json.dumps(results(outcome), indent=1) + "\n")
    return int(not outcome.answered.any())


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.calls", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", type=_of_this_machine, help="host:port, in plain text, so of this machine")
    parser.add_argument("method", help="package.Service/Method")
    parser.add_argument("--data", default="{}", help="the request as JSON, or @FILE")
    parser.add_argument(
        "--metadata", type=_pair, action="append", default=[], metavar="KEY=VALUE", help="may be repeated"
    )
    parser.add_argument("--callers", type=int, default=1, help="who call at once")
    parser.add_argument("--connections", type=int, default=1, help="that the calls are dealt out to")
    parser.add_argument("--pause", type=float, nargs=2, default=(0.0, 0.0), metavar=("MIN_S", "MAX_S"))
    parser.add_argument("--rate", type=float, metavar="CALLS/S", help="begin so many calls a second instead")
    parser.add_argument("--duration", type=float, default=10.0, metavar="S")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="S", help="of one call")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures, statuses, curve and histogram")
    return parser.parse_args()


def _of_this_machine(target: str) -> str:
    try:
        if is_loopback("listen", target):
            return target
    except SettingsError:
        pass
    raise argparse.ArgumentTypeError(f"found {target!r}, expected host:port of this machine, as 127.0.0.1:50051")


def _pair(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected KEY=VALUE")
    return key, value


def _load(arguments: argparse.Namespace) -> Load:
    if arguments.rate:
        return Load(connections=arguments.connections, arrivals_s=arrivals_s(arguments.rate, arguments.duration))
    return Load(arguments.duration, arguments.callers, arguments.connections, (*arguments.pause,))


def message(target: str, method: str, data: str) -> bytes:
    """Return a method's request from JSON; exit with a sentence when there is no such method or field."""
    text = Path(data[1:]).read_text() if data.startswith("@") else data
    service, _, name = method.partition("/")
    with grpc.insecure_channel(target) as channel:
        pool: Any = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        try:
            of = pool.FindServiceByName(service).FindMethodByName(name)
            return Parse(text, GetMessageClass(of.input_type)(), descriptor_pool=pool).SerializeToString()
        except KeyError:
            sys.exit(f"{target} has no method {method}")
        except ParseError as error:
            sys.exit(f"--data: {error}")


def results(outcome: Outcome) -> dict[str, Any]:
    """Return what `--json` writes."""
    return {
        "figures": outcome.figures(),
        "statuses": Counter(outcome.statuses),
        "percent_ms": outcome.latencies.curve(),
        "hdr_us": outcome.latencies.encoded(),
    }


def summary(outcome: Outcome) -> list[str]:
    """Return the outcome in lines to read: figures, a histogram, statuses."""
    lines = [f"{name:>9}  {value:,.2f}" for name, value in outcome.figures().items()]
    bars = [(percent, ms) for percent, ms in outcome.latencies.curve() if percent]
    lines += ["", "per cent of the answers came within"]
    lines += [
        f"{percent:9.3f}  {ms:10.2f} ms  {'#' * max(1, round(WIDEST_BAR * ms / bars[-1][1]))}"
        for percent, ms in bars[:: -max(1, len(bars) // BARS)][::-1]
    ]
    return [*lines, "", *(f"{status:>20}  {count:,}" for status, count in Counter(outcome.statuses).most_common())]


if __name__ == "__main__":
    sys.exit(main())

"""Which unary calls are refused while more come than can be answered in time, before anything is done for them.

Calls wait in two places. grpc.aio takes them up one by one, at a turn of the event loop each; what it has not taken up
yet waits, first come, first served, in gRPC's core, which says through channelz how many calls it holds. What was taken
up waits for its method's own means, such as connections to the database. Both are lines, in which a call waits for as
long as it takes to work off those before it. For each a controller, PIE (RFC 8033), finds the share of calls to refuse
with which that is `max_wait_s`. Refusing whole stretches instead left the server idle for whole stretches.

Never refused are health, reflection, operations, which are waited for on purpose, and uploads.
"""

import asyncio
import json
from time import perf_counter
from typing import Any

import grpc
import grpc.aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # as grpcio-channelz asks it
from vcci_engine.errors import Overloaded

from vcci_server.metrics import Metrics
from vcci_server.status import code_of, details_of, message_of

NEVER_REFUSED = ("/grpc.", "/google.longrunning.", "/vcci.v1.OperationService/", "/vcci.v1.UploadService/")
LOOK_EVERY_S = 0.02  # a look takes 0.1 ms
RATE_S = 0.5  # over which it is averaged how many calls are worked off a second
LET_WAIT = 100  # calls: so many are let wait however slow they are; what one program makes at once passes
ALPHA, BETA = 0.125, 1.25  # per look: of the wait beyond the limit, and of its growth (RFC 8033, section 4.2)
STEEPEST = 0.02  # change of the share in a look, so that a burst passes (likewise)
FADES = 0.98  # per look without a wait (likewise)
MOST_REFUSED = 0.98
RETRY_S = 1.0
OVERLOADED = Overloaded("more calls come than are answered in time", retry_after_s=RETRY_S)
TRAILERS = (("grpc-status-details-bin", details_of(OVERLOADED)),)


class Line:
    """Calls, each of which waits for those before it."""

    def __init__(self) -> None:
        self.length = 0
        self.passed = 0  # since the last look
        self.refused_share = 0.0
        self._rate = 0.0
        self._wait_s = 0.0
        self._owed = 0.0  # refusals

    def look(self, elapsed_s: float, max_wait_s: float) -> None:
        """Find out how long a call waits, and which share to refuse."""
        if not (self.length or self.passed or self.refused_share):
            self._rate = 0.0
            return
        now = self.passed / elapsed_s
        self._rate += (now - self._rate) * (min(1.0, elapsed_s / RATE_S) if self._rate else 1.0)
        self.passed = 0
        before, beyond = self._wait_s, self.length - LET_WAIT
        self._wait_s = beyond / max(self._rate, 1.0) if beyond > 0 else 0.0
        growth = ALPHA * (self._wait_s - max_wait_s) + BETA * (self._wait_s - before)
        faded = self.refused_share if self._wait_s or before else self.refused_share * FADES
        self.refused_share = min(max(faded + min(max(growth, -STEEPEST), STEEPEST), 0.0), MOST_REFUSED)

    def refuses(self) -> bool:
        """Tell whether the next call is refused: evenly, not by chance."""
        self._owed += self.refused_share
        if self._owed < 1:
            return False
        self._owed -= 1
        return True


def may_be_refused(method: str) -> bool:
    """Whether a unary method is one of those that are."""
    return not method.startswith(NEVER_REFUSED)


class Shedding:
    """The lines of a server, none of which stands before somebody watches; for one event loop."""

    def __init__(self, metrics: Metrics, max_wait_s: float = 0.1) -> None:
        self.under_way = 0  # calls of all methods in their handlers, streams too
        self._max_wait_s = max_wait_s
        self._not_taken_up = Line()
        self._methods: dict[str, Line] = {}
        self._metrics = metrics
        self._shed = {name: metrics.shed.labels(name) for name in ("server", "method")}
        self._refused = metrics.refusals.labels(OVERLOADED.reason)

    def line_of(self, method: str) -> Line:
        """Return the line of a method's calls."""
        return self._methods.setdefault(method, Line())

    def refuses(self, line: Line | None) -> bool:
        """Tell whether the call that was taken up just now is refused; each call pays this."""
        self._not_taken_up.passed += 1
        if line is None:
            return False
        if self._not_taken_up.refused_share and self._not_taken_up.refuses():
            self._shed["server"].inc()
        elif line.refused_share and line.refuses():
            self._shed["method"].inc()
        else:
            return False
        self._refused.inc()
        return True

    def begin(self, line: Line | None) -> None:
        """Count a call whose handler begins."""
        self.under_way += 1
        if line is not None:
            line.length += 1

    def end(self, line: Line | None) -> None:
        """Count a call whose handler has ended."""
        self.under_way -= 1
        if line is not None:
            line.length -= 1
            line.passed += 1

    async def watch(self, server_id: int) -> None:
        """Go on looking how many calls wait."""
        before = perf_counter()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = perf_counter()
            idle = not (self.under_way or self._not_taken_up.passed)
            self.look(0 if idle else calls_held(server_id), now - before)
            before = now

    def look(self, held: int, elapsed_s: float) -> None:
        """Find out how long the lines are; `held` are the calls in the server, wherever."""
        self._not_taken_up.length = held - self.under_way
        for line in (self._not_taken_up, *self._methods.values()):
            line.look(elapsed_s, self._max_wait_s)


async def refuse(requests: object, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
    """Answer without reading the request: the handler of a stream, which unary callers take as well."""
    context.set_code(code_of(OVERLOADED))
    context.set_details(message_of(OVERLOADED))
    context.set_trailing_metadata(TRAILERS)


REFUSAL: "grpc.RpcMethodHandler[Any, Any]" = grpc.stream_stream_rpc_method_handler(refuse)


def newest_server() -> int:
    """Return channelz's number of the server that was made last in this process."""
    servers = json.loads(cygrpc.channelz_get_servers(0))["server"]
    return max(int(server["ref"]["serverId"]) for server in servers)


def calls_held(server_id: int) -> int:
    """Return how many calls have begun and not ended."""
    data = json.loads(cygrpc.channelz_get_server(server_id))["server"]["data"]
    return int(data["callsStarted"]) - int(data["callsSucceeded"]) - int(data["callsFailed"])

"""The channel to a server: its address, the token, and how long to go on trying."""

import asyncio
import logging
import os
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import grpc.aio
from vcci.v1 import (
    audit_service_pb2_grpc,
    calculation_service_pb2_grpc,
    emission_service_pb2_grpc,
    factor_service_pb2_grpc,
    hotspot_service_pb2_grpc,
    price_service_pb2_grpc,
    report_service_pb2_grpc,
    run_service_pb2_grpc,
    supplier_service_pb2_grpc,
    upload_service_pb2_grpc,
)

from vcci_client.channel import TlsFiles, open_channel
from vcci_client.errors import Overloaded, ServerError, Unavailable, from_rpc

if TYPE_CHECKING:
    from google.longrunning.operations_pb2_grpc import OperationsStub
    from vcci.v1.operation_service_pb2_grpc import OperationServiceAsyncStub

# Finalizers of calls ask this logger for its level, which takes the lock of `logging` while they hold a lock of
# grpc's: a deadlock when the garbage collector runs them in a thread that logs (grpc/grpc#43421). So it must not ask.
logging.getLogger("grpc._cython.cygrpc").isEnabledFor = lambda level: level >= logging.WARNING  # type: ignore[method-assign]

DEFAULT_ADDRESS = "127.0.0.1:50051"
MAX_MESSAGE_BYTES = 16 << 20
# The policy that is published for every client: what finds no server, or one that stops, is sent again, but for streams
# of batches, which go on at the server's offset.
SERVICE_CONFIG = files("vcci").joinpath("service_config.json").read_text()
OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    # A restarted server is back within seconds; gRPC by itself would wait up to two minutes before it looks again.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A connection that has fallen silent (a lost route, a machine gone) is found after 40 s, by a ping that is not
    # answered: one of keepalive, or one that gRPC has sent before to measure the line.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
)
GZIP = (("x-response-compression", "gzip"),)
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0

Token = str | Callable[[], str]  # a bearer token, or what gives the one that is valid now

Q = TypeVar("Q")
A = TypeVar("A")


class Connection:
    """A channel and the services behind it. Make it inside a running event loop."""

    def __init__(
        self,
        address: str = "",
        token: Token = "",
        *,
        tls: TlsFiles | None = None,
        timeout_s: float = 60.0,
        gzip: bool = False,
    ) -> None:
        address = address or os.environ.get("VCCI_SERVER") or DEFAULT_ADDRESS
        self.address = address.removeprefix("https://").removeprefix("http://")
        self.timeout_s = timeout_s
        self._token = token or os.environ.get("VCCI_TOKEN", "")
        self.further: tuple[tuple[str, str], ...] = GZIP if gzip else ()  # metadata of each call
        self.channel = open_channel(address, tls or TlsFiles.from_environment(), OPTIONS)
        self.uploads = upload_service_pb2_grpc.UploadServiceStub(self.channel)
        self.calculations = calculation_service_pb2_grpc.CalculationServiceStub(self.channel)
        self.runs = run_service_pb2_grpc.RunServiceStub(self.channel)
        self.suppliers = supplier_service_pb2_grpc.SupplierServiceStub(self.channel)
        self.factors = factor_service_pb2_grpc.FactorServiceStub(self.channel)
        self.prices = price_service_pb2_grpc.PriceServiceStub(self.channel)
        self.emissions = emission_service_pb2_grpc.EmissionServiceStub(self.channel)
        self.hotspots = hotspot_service_pb2_grpc.HotspotServiceStub(self.channel)
        self.reports = report_service_pb2_grpc.ReportServiceStub(self.channel)
        self.audit = audit_service_pb2_grpc.AuditServiceStub(self.channel)

    @cached_property
    def operations(self) -> "OperationsStub":
        """google.longrunning, which takes long to import."""
        from google.longrunning.operations_pb2_grpc import OperationsStub

        return OperationsStub(self.channel)  # type: ignore[no-untyped-call]

    @cached_property
    def tasks(self) -> "OperationServiceAsyncStub":
        """OperationService, which needs the same."""
        from vcci.v1.operation_service_pb2_grpc import OperationServiceStub

        return OperationServiceStub(self.channel)

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The metadata of a call that begins now."""
        token = self._token() if callable(self._token) else self._token
        return (*((("authorization", f"Bearer {token}"),) if token else ()), *self.further)

    def is_passing(self, error: ServerError) -> bool:
        """Whether the same call may succeed later, with the token that there will be then."""
        return is_passing(error) or (error.reason == "CREDENTIALS_EXPIRED" and callable(self._token))

    async def call(self, method: "grpc.aio.UnaryUnaryMultiCallable[Q, A]", request: Q, *, patience_s: float = 0.0) -> A:
        """Call a unary method; while the server cannot be reached, try again for `patience_s`.

        When it is too busy, or a quota of the tenant is used up, and it says when to come again, do so for `timeout_s`.
        Every method of the contract may be repeated: what it makes is named by the client.
        """
        pauses, told = Pauses(patience_s), Pauses(max(patience_s, self.timeout_s))
        while True:
            try:
                return await method(request, metadata=self.metadata, timeout=self.timeout_s)
            except grpc.aio.AioRpcError as rpc_error:
                error = self.error(rpc_error)
                if not self.is_passing(error):
                    raise error from None
                await (told if is_told_when(error) else pauses).wait(error)

    async def answers(self, method: "grpc.aio.UnaryStreamMultiCallable[Q, A]", request: Q) -> AsyncGenerator[A, None]:
        """Yield what a method streams; as in `call`, come again when the server is too busy to begin."""
        told, begun = Pauses(self.timeout_s), False
        while True:
            call = method(request, metadata=self.metadata)
            try:
                async for answer in call:
                    begun = True
                    yield answer
                return
            except grpc.aio.AioRpcError as rpc_error:
                error = self.error(rpc_error)
                if begun or not is_told_when(error):
                    raise error from None
                await told.wait(error)
            finally:
                call.cancel()

    async def pages(self, method: "grpc.aio.UnaryUnaryMultiCallable[Q, A]", request: Q) -> AsyncIterator[A]:
        """Yield the pages of a list; `request` has the fields page_token and the method's answer next_page_token."""
        page: Any = None
        while page is None or page.next_page_token:
            if page is not None:
                request.page_token = page.next_page_token  # type: ignore[attr-defined]
            page = await self.call(method, request)
            yield page

    def error(self, rpc_error: grpc.aio.AioRpcError) -> ServerError:
        """Return what the server answered, or that it did not, as an exception."""
        error = from_rpc(rpc_error)
        if error.code is grpc.StatusCode.UNAVAILABLE and not error.reason:
            return Unavailable(f"no server answers at {self.address} ({error})", code=error.code)
        return error

    async def aclose(self) -> None:
        """Close the channel; calls under way are cancelled."""
        await self.channel.close()


class Service:
    """The calls of one service, over a connection."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection


class Pauses:
    """Pauses between attempts: exponential, with full jitter, until patience runs out without progress."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self.progress()

    def progress(self) -> None:
        """Begin anew: the last attempt got somewhere."""
        self.attempt = 0
        self._give_up_at = time.monotonic() + self._patience_s

    async def wait(self, error: ServerError) -> None:
        """Wait for the next attempt, beyond what the server asks; raise the error when patience has run out."""
        longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2**self.attempt)
        delay = (error.retry_after_s or 0.0) + random.uniform(0, longest)  # noqa: S311  not a secret
        if time.monotonic() + delay > self._give_up_at:
            raise error
        self.attempt += 1
        await asyncio.sleep(delay)


def is_told_when(error: ServerError) -> bool:
    """Whether the server is too busy, for this tenant or all, and says when to come again."""
    return isinstance(error, Overloaded) and error.retry_after_s is not None


def is_passing(error: ServerError) -> bool:
    """Whether the same call may succeed later."""
    if isinstance(error, Overloaded):  # the same code says that a message is too large for gRPC
        return error.reason == "OVERLOADED" or error.retry_after_s is not None
    if error.code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.CANCELLED):  # a fault of the server has a reason
        return not error.reason
    return isinstance(error, Unavailable)

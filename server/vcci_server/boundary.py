"""What stands before every handler: who calls, what it took, and every error as a status, for all four kinds of RPC.

It is the only generic handler of the server, and servicers are added to it: an interceptor would cost each call a
coroutine, and gRPC would ask the services one after the other. A handler raises errors of the tree in
`vcci_engine.errors`. It may return or yield a message, the twin of one (`vcci.columns`), or the bytes of one. A
stream's message that cannot be read raises where it is awaited, and the stream can be read on after it.
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from time import perf_counter
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from vcci_cluster import TimeLimitExceeded
from vcci_engine.errors import InvalidField, InvalidInput, Unauthenticated, VcciError

from vcci_server.auth import Authenticator, Principal, set_caller
from vcci_server.deadlines import Deadlines
from vcci_server.denials import Denials
from vcci_server.logs import request_id
from vcci_server.metrics import Metrics
from vcci_server.quotas import Quotas
from vcci_server.roles import check_role, roles_for
from vcci_server.shedding import REFUSAL, Line, Shedding, may_be_refused
from vcci_server.status import code_of, details_of, message_of
from vcci_server.storage import audit
from vcci_server.storage.audit import Actor
from vcci_server.storage.pool import bind_tenant
from vcci_server.usage import Quota
from vcci_server.validation import CallLimits

# Finalizers of calls ask this logger for its level, which takes the lock of `logging` while they hold a lock of
# grpc's: a deadlock when the garbage collector runs them in a thread that logs (grpc/grpc#43421). So it must not ask.
logging.getLogger("grpc._cython.cygrpc").isEnabledFor = lambda level: level >= logging.WARNING  # type: ignore[method-assign]

OPEN_SERVICES = ("/grpc.health.v1.Health/", "/grpc.reflection.")
REQUEST_ID = "x-request-id"
COMPRESSION = "x-response-compression"  # in the metadata of a call
MAX_REQUEST_ID = 128
EXPIRED = "the credentials have expired while the call went on: come again with new ones"
REFUSED = (grpc.StatusCode.UNAUTHENTICATED.name, grpc.StatusCode.PERMISSION_DENIED.name)

logger = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Metadata: TypeAlias = Sequence[tuple[str, Any]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Unreadable:
    """Stands for a message that could not be read."""

    def __init__(self, error: InvalidInput) -> None:
        self.error = error


# Of the call that is being taken up; asking gRPC's context for it again would decode it again.
_metadata: ContextVar[Metadata] = ContextVar("metadata")


class Boundary(grpc.GenericRpcHandler):
    """The handlers of all servicers that are added, each wrapped once, when it is first called."""

    def __init__(
        self,
        authenticator: Authenticator,
        metrics: Metrics,
        limits: CallLimits,
        denials: Denials | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._quotas = quotas or Quotas(Quota(), metrics)
        self._denials = denials
        self._metrics = metrics
        self._limits = limits
        self.deadlines = Deadlines(limits.unlimited_s)
        self.shedding = Shedding(metrics, limits.wait_s)
        self._services: list[Any] = []
        self._handlers: dict[str, tuple[Handler, Line | None]] = {}
        self._request_ids = (f"{prefix}-{number}" for prefix in [secrets.token_hex(6)] for number in itertools.count(1))

    def add_generic_rpc_handlers(self, handlers: Iterable[Any]) -> None:
        """Take the methods of a servicer, as `add_…Servicer_to_server` hands them to a server."""
        self._services.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: object) -> None:
        """Take nothing: they are the same methods again."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "Handler | None":
        """Return the wrapped handler of a call; None, when there is no such method, is answered by UNIMPLEMENTED."""
        handler, line = self._handlers.get(handler_call_details.method) or self._first(handler_call_details)
        if self.shedding.refuses(line):
            return REFUSAL
        _metadata.set(handler_call_details.invocation_metadata or ())
        return handler

    def _first(self, details: grpc.HandlerCallDetails) -> "tuple[Handler | None, Line | None]":
        method = details.method
        for service in self._services:
            if (handler := service.service(details)) is not None:
                long = handler.request_streaming or handler.response_streaming
                line = self.shedding.line_of(method) if may_be_refused(method) and not long else None
                return self._handlers.setdefault(method, (self._wrap(method, handler, line), line))
        return None, None

    def _wrap(self, method: str, handler: Any, line: Line | None) -> Handler:
        make, kind, inner = _kind(handler)
        meter = self._metrics.calls.meter(kind, method)
        read = self._reader(handler.request_deserializer)
        readable = _Requests if handler.request_streaming else read
        run = partial(_run_stream, inner) if handler.response_streaming else inner
        long = handler.request_streaming or handler.response_streaming
        allowed = None if method.startswith(OPEN_SERVICES) else roles_for(method)
        action = method.rpartition(".")[2].replace("/", ".")
        shedding = self.shedding

        async def call(request: Any, context: Context) -> Any:
            started = perf_counter()
            status = "CANCELLED"
            who: Principal | None = None
            shedding.begin(line)
            try:
                given = self._identify(context)
                if allowed is not None:
                    who = await self._authenticate(given, context)
                    self._quotas.count_call(who, started)
                    check_role(who, allowed, method)
                    audit.set_actor(partial(_actor, who, action))
                if COMPRESSION in given:
                    _compress(context, given[COMPRESSION])
                if long and who is not None:
                    async with self._while_valid(who):
                        response = await run(readable(request), context)
                elif not long and context.time_remaining() is None:
                    response = await self._within_limit(run(readable(request), context), started)
                else:
                    response = await run(readable(request), context)
                if response is not None:
                    response = _serialize(response)
                status = "OK"
            except grpc.aio.AbortError:
                status = _status_name(context)
                raise
            except grpc.aio.BaseError:
                logger.debug("the client has gone", extra={"method": method})  # nobody is left to be told
                return None
            except Exception as error:
                status = self._tell(error, context, method)
                if status in REFUSED and self._denials is not None:
                    self._denials.add(who.tenant_id if who else audit.NO_TENANT, _actor(who, action), _reason(error))
                return None
            finally:
                shedding.end(line)
                meter.ended(status, perf_counter() - started)
            return response

        return make(
            call,
            _keeping_errors(read) if handler.request_streaming else None,  # else `call` gets bytes, and gives them
            _serialize if handler.response_streaming else None,
        )

    async def _within_limit(self, response: Awaitable[Any], started: float) -> Any:
        """Await the response to a call whose client has set no deadline; raise TimeLimitExceeded."""
        task = self.deadlines.begin(started)
        try:
            return await response
        except asyncio.CancelledError:
            if self.deadlines.is_over(task):
                limit = f"{self.deadlines.limit_s:g} s"
                raise TimeLimitExceeded(
                    f"the call took longer than {limit}, and its client had set no deadline"
                ) from None
            raise
        finally:
            self.deadlines.end(task)

    def _tell(self, error: Exception, context: Context, method: str) -> str:
        """Set the call's status; a call that is ended by `context.abort` would leave a cycle of references behind."""
        known = _known(error)
        if known is None:
            logger.error("a call failed", extra={"method": method}, exc_info=error)
            known = VcciError(f"a fault of the server; its log has it under the request id {request_id.get()}")
        code = code_of(known)
        logger.debug("%s: %s", code.name, known, extra={"method": method, "reason": known.reason})
        self._metrics.refusals.labels(known.reason).inc()
        context.set_code(code)
        context.set_details(message_of(known))
        details = ("grpc-status-details-bin", details_of(known))
        context.set_trailing_metadata(((REQUEST_ID, request_id.get()), details))
        return code.name

    def _reader(self, parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        limit = self._limits.message_bytes

        def read(data: bytes) -> Any:
            if len(data) > limit:
                raise InvalidField("message", len(data), f"at most {limit} bytes", reason="LIMIT_EXCEEDED")
            try:
                return parse(data)
            except DecodeError:
                raise InvalidInput("the message is not valid protobuf", reason="MALFORMED_MESSAGE") from None

        return read

    def _identify(self, context: Context) -> Mapping[str, str]:
        """Give the call its id; return its metadata, of one name the first."""
        metadata = _metadata.get()
        given = dict(reversed(metadata))
        identifier = given.get(REQUEST_ID, "")
        if not (0 < len(identifier) <= MAX_REQUEST_ID and identifier.isprintable()):
            identifier = next(self._request_ids)
        request_id.set(identifier)
        context.set_trailing_metadata(((REQUEST_ID, identifier),))
        size = sum(map(len, itertools.chain.from_iterable(metadata)))
        if size > self._limits.metadata_bytes:
            expected = f"at most {self._limits.metadata_bytes} bytes"
            raise InvalidField("metadata", size, expected, reason="LIMIT_EXCEEDED")
        return given

    async def _authenticate(self, given: Mapping[str, str], context: Context) -> Principal:
        """Find out who calls: a token goes before the client certificate."""
        scheme, _, token = given.get("authorization", "").partition(" ")
        if not scheme:
            who = await self._authenticator.check_peer(context.auth_context())
        elif scheme.lower() != "bearer":
            raise Unauthenticated
        else:
            who = self._authenticator.remembered(token) or await self._authenticator.check(token)
        set_caller(who)
        bind_tenant(who.tenant_id)
        return who

    @asynccontextmanager
    async def _while_valid(self, who: Principal) -> AsyncIterator[None]:
        """Cancel the body when the credentials expire: a stream may last for days."""
        try:
            async with asyncio.timeout(self._authenticator.seconds_left(who)) as limit:
                yield
        except TimeoutError as error:
            if limit.expired():
                raise Unauthenticated(EXPIRED, reason="CREDENTIALS_EXPIRED") from error
            raise


def _actor(who: Principal | None, action: str) -> Actor:
    """Say in the words of the audit log who calls what; None: nobody who is known."""
    subject, roles = (who.subject, " ".join(sorted(who.roles))) if who else ("", "")
    return Actor(subject, roles, request_id.get(), action)


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, VcciError) else ""


def _compress(context: Context, wanted: str) -> None:
    """Compress the responses when the call asks for it: what a client accepts, gRPC keeps to itself."""
    if wanted == "gzip":
        context.set_compression(grpc.Compression.Gzip)
    elif wanted:
        raise InvalidField(f"metadata.{COMPRESSION}", wanted, "gzip, or nothing", reason="OUT_OF_RANGE")


def _kind(handler: Any) -> tuple[Callable[..., Handler], str, Callable[..., Any]]:
    """Return how to make such a handler, the kind's name in metrics, and what it calls."""
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler, "bidi_stream", handler.stream_stream
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler, "client_stream", handler.stream_unary
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler, "server_stream", handler.unary_stream
    return grpc.unary_unary_rpc_method_handler, "unary", handler.unary_unary


def _keeping_errors(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """Return a message's error in its place."""

    def kept(data: bytes) -> Any:
        try:
            return read(data)
        except InvalidInput as error:
            return Unreadable(error)

    return kept


class _Requests:
    """The requests of a stream."""

    def __init__(self, requests: AsyncIterator[Any]) -> None:
        self._requests = aiter(requests)

    def __aiter__(self) -> "_Requests":
        return self

    async def __anext__(self) -> Any:
        request = await anext(self._requests)
        if type(request) is Unreadable:
            raise request.error
        return request


async def _run_stream(inner: Callable[..., Any], request: Any, context: Context) -> None:
    responses = inner(request, context)
    if not hasattr(responses, "__aiter__"):
        await responses  # the handler writes by itself
        return
    try:
        async for response in responses:
            await context.write(response)
    finally:
        await responses.aclose()


def _serialize(response: Any) -> bytes:
    return response if type(response) is bytes else response.SerializeToString()


def _known(error: BaseException) -> VcciError | None:
    """Return the error when the caller can be told of it; of a group, the first unless one of them cannot be told."""
    if isinstance(error, BaseExceptionGroup):
        parts = [_known(part) for part in error.exceptions]
        return None if None in parts else parts[0]
    return error if isinstance(error, VcciError) and code_of(error) is not grpc.StatusCode.INTERNAL else None


def _status_name(context: Context) -> str:
    """Return the name of the status that a handler has set."""
    number = context.code()
    return next((code.name for code in grpc.StatusCode if number in (code, code.value[0])), "UNKNOWN")

"""The one interceptor: who calls, what it took, and every error as a status, for all four kinds of RPC.

A handler raises errors of the tree in `vcci_engine.errors`. It may return or yield a message, the twin of one
(`vcci.columns`), or the bytes of one. A stream's message that cannot be read raises where it is awaited, and the
stream can be read on after it.
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from vcci_engine.errors import InvalidField, InvalidInput, Unauthenticated, VcciError

from vcci_server.auth import Authenticator, Principal, set_caller
from vcci_server.denials import Denials
from vcci_server.logs import request_id
from vcci_server.metrics import CallMeter, Metrics
from vcci_server.quotas import Quotas
from vcci_server.roles import check_role, roles_for
from vcci_server.status import code_of, details_of, message_of
from vcci_server.storage import audit
from vcci_server.storage.audit import Actor
from vcci_server.storage.pool import bind_tenant
from vcci_server.usage import Quota

# Finalizers of calls ask this logger for its level, which takes the lock of `logging` while they hold a lock of
# grpc's: a deadlock when the garbage collector runs them in a thread that logs (grpc/grpc#43421). So it must not ask.
logging.getLogger("grpc._cython.cygrpc").isEnabledFor = lambda level: level >= logging.WARNING  # type: ignore[method-assign]

OPEN_SERVICES = ("/grpc.health.v1.Health/", "/grpc.reflection.")
MAX_METADATA_BYTES = 8_192
COMPRESSION = "x-response-compression"  # in the metadata of a call
MAX_REQUEST_ID = 128
EXPIRED = "the credentials have expired while the call went on: come again with new ones"
REFUSED = (grpc.StatusCode.UNAUTHENTICATED.name, grpc.StatusCode.PERMISSION_DENIED.name)

logger = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Metadata: TypeAlias = Iterable[tuple[str, str | bytes]]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class Unreadable:
    """Stands for a message that could not be read."""

    def __init__(self, error: InvalidInput) -> None:
        self.error = error


class Boundary(grpc.aio.ServerInterceptor):
    """Wraps each handler once, when it is first called."""

    def __init__(
        self,
        authenticator: Authenticator,
        metrics: Metrics,
        max_message_bytes: int,
        denials: Denials | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._quotas = quotas or Quotas(Quota(), metrics)
        self._denials = denials
        self._metrics = metrics
        self._max_message_bytes = max_message_bytes
        self._handlers: dict[str, Handler] = {}
        self._request_ids = (f"{prefix}-{number}" for prefix in [secrets.token_hex(6)] for number in itertools.count(1))

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Return the wrapped handler; None, when there is no such method, is answered by UNIMPLEMENTED."""
        method = handler_call_details.method
        if method not in self._handlers:
            handler = await continuation(handler_call_details)
            if handler is None:
                return handler
            self._handlers[method] = self._wrap(method, handler)
        return self._handlers[method]

    def _wrap(self, method: str, handler: Any) -> Handler:
        make, kind, inner = _kind(handler)
        meter = CallMeter(self._metrics, kind, method)
        run = _run_stream if handler.response_streaming else _run_unary
        long = handler.request_streaming or handler.response_streaming
        allowed = None if method.startswith(OPEN_SERVICES) else roles_for(method)
        action = method.rpartition(".")[2].replace("/", ".")

        async def call(request: Any, context: Context) -> Any:
            started = perf_counter()
            status = "CANCELLED"
            who: Principal | None = None
            try:
                metadata = context.invocation_metadata() or ()
                self._identify(context, metadata)
                if allowed is not None:
                    who = await self._authenticate(metadata, context)
                    self._quotas.count_call(who, started)
                    check_role(who, allowed, method)
                    audit.set_actor(_actor(who, action))
                _compress(context, metadata)
                readable = _readable(request, handler.request_streaming)
                if long and who is not None:
                    async with self._while_valid(who):
                        response = await run(inner, readable, context)
                else:
                    response = await run(inner, readable, context)
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
                meter.ended(status, perf_counter() - started)
            return response

        return make(call, self._reader(handler.request_deserializer), _serialize)

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
        context.set_trailing_metadata((("x-request-id", request_id.get()), details))
        return code.name

    def _reader(self, parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        limit = self._max_message_bytes

        def read(data: bytes) -> Any:
            if len(data) > limit:
                return Unreadable(InvalidField("message", len(data), f"at most {limit} bytes", reason="LIMIT_EXCEEDED"))
            try:
                return parse(data)
            except DecodeError:
                return Unreadable(InvalidInput("the message is not valid protobuf", reason="MALFORMED_MESSAGE"))

        return read

    def _identify(self, context: Context, metadata: Metadata) -> None:
        given = _value(metadata, "x-request-id")
        usable = 0 < len(given) <= MAX_REQUEST_ID and given.isprintable()
        identifier = given if usable else next(self._request_ids)
        request_id.set(identifier)
        context.set_trailing_metadata((("x-request-id", identifier),))
        size = sum(len(key) + len(value) for key, value in metadata)
        if size > MAX_METADATA_BYTES:
            raise InvalidField("metadata", size, f"at most {MAX_METADATA_BYTES} bytes", reason="LIMIT_EXCEEDED")

    async def _authenticate(self, metadata: Metadata, context: Context) -> Principal:
        """Find out who calls: a token goes before the client certificate."""
        who = await self._find_out(metadata, context)
        set_caller(who)
        bind_tenant(who.tenant_id)
        return who

    async def _find_out(self, metadata: Metadata, context: Context) -> Principal:
        authorization = _value(metadata, "authorization")
        if not authorization:
            return await self._authenticator.check_peer(context.auth_context())
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated
        return self._authenticator.remembered(token) or await self._authenticator.check(token)

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


def _compress(context: Context, metadata: Metadata) -> None:
    """Compress the responses when the call asks for it: what a client accepts, gRPC keeps to itself."""
    wanted = _value(metadata, COMPRESSION)
    if wanted == "gzip":
        context.set_compression(grpc.Compression.Gzip)
    elif wanted:
        raise InvalidField(f"metadata.{COMPRESSION}", wanted, "gzip, or nothing", reason="OUT_OF_RANGE")


def _value(metadata: Metadata, key: str) -> str:
    return next((value for name, value in metadata if name == key and isinstance(value, str)), "")


def _kind(handler: Any) -> tuple[Callable[..., Handler], str, Callable[..., Any]]:
    """Return how to make such a handler, the kind's name in metrics, and what it calls."""
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler, "bidi_stream", handler.stream_stream
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler, "client_stream", handler.stream_unary
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler, "server_stream", handler.unary_stream
    return grpc.unary_unary_rpc_method_handler, "unary", handler.unary_unary


def _readable(request: Any, streaming: bool) -> Any:
    if streaming:
        return _Requests(request)
    if type(request) is Unreadable:
        raise request.error
    return request


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


async def _run_unary(inner: Callable[..., Any], request: Any, context: Context) -> Any:
    return await inner(request, context)


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

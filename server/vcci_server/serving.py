"""The gRPC server and its options."""

import grpc.aio

from vcci_server.boundary import Boundary
from vcci_server.settings import Settings

PING_MS, PING_TIMEOUT_MS = 30_000, 10_000  # a client that has gone silently is found after 40 s
HANDSHAKE_MS = 5_000  # for a client that has connected to say that it speaks HTTP/2
# Calls that wait to be taken up. gRPC's own thousand is filled by one client that resets what it calls at once, and
# then the calls of others are ended: this is more than the connections of a few such clients may have.
MAX_WAITING_CALLS = 20_000


def grpc_server(settings: Settings, boundary: Boundary) -> grpc.aio.Server:
    """Return one that does not listen yet, and answers by the handlers that are added to the boundary."""
    server = bare_server(settings)
    server.add_generic_rpc_handlers((boundary,))
    return server


def bare_server(settings: Settings) -> grpc.aio.Server:
    """Return one without any handler."""
    return grpc.aio.server(options=grpc_options(settings))


def grpc_options(settings: Settings) -> list[tuple[str, int]]:
    """Return the options of the gRPC server."""
    return [
        ("grpc.so_reuseport", int(settings.processes > 1)),  # else a second server on the port is an error, not a rival
        # Twice the limit, so that the boundary can tell those that are somewhat over it what the limit is.
        ("grpc.max_receive_message_length", 2 * settings.max_message_bytes),
        # Four times the limit, for the same.
        ("grpc.max_metadata_size", 4 * settings.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", 4 * settings.max_metadata_bytes),
        ("grpc.keepalive_time_ms", PING_MS),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.http2.ping_timeout_ms", PING_TIMEOUT_MS),  # of a ping that gRPC has sent before, to measure the line
        ("grpc.http2.min_ping_interval_without_data_ms", PING_TIMEOUT_MS),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.max_concurrent_streams", settings.max_connection_calls),
        ("grpc.server.max_pending_requests", MAX_WAITING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", MAX_WAITING_CALLS),
        ("grpc.enable_channelz", 1),  # how many calls wait (shedding.py); nobody else can ask it
        ("grpc.max_channel_trace_event_memory_per_node", 0),
    ]


def listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    """Take the port, with TLS where there are credentials; return its number."""
    return server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)

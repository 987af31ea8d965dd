"""The bare peer of a unary call: `python -m bench.echo BYTES` serves a method that answers with so many bytes.

The server's own stack and options, with nothing in them: no interceptor, no protobuf, no work.
"""

import asyncio
import sys
from typing import Any

import grpc
import grpc.aio
import uvloop
from vcci_server.serving import bare_server
from vcci_server.settings import Settings

PATH = "/bench.Echo/Call"


async def serve(answer: bytes) -> None:
    """Print the port and serve until killed."""

    async def call(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        return answer

    server = bare_server(Settings())
    handlers: dict[str, Any] = {"Call": grpc.unary_unary_rpc_method_handler(call)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(bytes(int(sys.argv[1]))))

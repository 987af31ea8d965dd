"""The table of roles, and that the server keeps to it."""

import grpc
import grpc.aio
import pytest
from vcci_server.auth import Role
from vcci_server.roles import TABLE, roles_for
from vcci_server.service import SERVICES

from tests.contract import METHODS, Method
from tests.failures import failure_of
from tests.server_process import ServerProcess

NOT_PROTOBUF = b"\xff"


def test_every_service_that_is_served_is_known_to_these_tests() -> None:
    assert {method.service for method in METHODS} == set(SERVICES)


def test_an_admin_may_do_everything_and_everybody_may_do_something() -> None:
    every = [roles for methods in TABLE.values() for roles in methods.values()]
    assert all(Role.ADMIN in roles for roles in every)
    assert frozenset().union(*every) == frozenset(Role)


def test_a_method_that_is_not_in_the_table_is_for_nobody() -> None:
    assert not roles_for("/vcci.v1.UploadService/DropEverything")
    assert not roles_for("/vcci.v2.UploadService/GetUpload")


@pytest.mark.parametrize("role", [*Role, None])
async def test_a_role_may_call_what_the_table_says_and_nothing_else(server: ServerProcess, role: Role | None) -> None:
    roles = [role] if role else []
    metadata = [("authorization", f"Bearer {server.token(roles=roles)}")]
    async with server.channel() as channel:
        denied = {method.path for method in METHODS if await _is_denied(channel, method, metadata)}
    assert denied == {method.path for method in METHODS if role not in roles_for(method.path)}


async def _is_denied(channel: grpc.aio.Channel, method: Method, metadata: list[tuple[str, str]]) -> bool:
    """Send a message that nothing can read, so that a call that is allowed does nothing."""
    try:
        await method.answers(channel, NOT_PROTOBUF, metadata)
    except grpc.aio.AioRpcError as error:
        failed = failure_of(error)
        assert failed.code in (grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT), method
        assert (failed.code is grpc.StatusCode.PERMISSION_DENIED) == (failed.reason == "ROLE_REQUIRED")
        return failed.code is grpc.StatusCode.PERMISSION_DENIED
    return False

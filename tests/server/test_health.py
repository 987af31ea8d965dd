"""Health follows what the server needs."""

from typing import Any

import grpc_health.v1.health_pb2 as pb
import pytest
from vcci_engine.errors import Unavailable
from vcci_server import health as health_module
from vcci_server.health import Health

from tests.waiting import until

SERVING, NOT_SERVING = pb.HealthCheckResponse.SERVING, pb.HealthCheckResponse.NOT_SERVING


class Needs:
    """What the server needs, which the test takes away."""

    def __init__(self) -> None:
        self.there = True

    async def check(self) -> None:
        if not self.there:
            raise Unavailable


async def _status(health: Health, service: str = "") -> int:
    context: Any = None  # used only to refuse
    response = await health.servicer.Check(pb.HealthCheckRequest(service=service), context)
    return int(response.status)


@pytest.fixture
def needs(monkeypatch: pytest.MonkeyPatch) -> Needs:
    monkeypatch.setattr(health_module, "CHECK_EVERY_S", 0.01)
    return Needs()


async def test_it_serves_only_while_what_it_needs_is_there(needs: Needs) -> None:
    health = Health(needs.check, ["vcci.v1.UploadService"])
    async with health.watch():
        assert await _status(health) == SERVING
        needs.there = False
        await until(lambda: _is(health, NOT_SERVING))
        assert await _status(health, "vcci.v1.UploadService") == NOT_SERVING
        needs.there = True
        await until(lambda: _is(health, SERVING))


async def test_it_does_not_serve_from_the_start_without_what_it_needs(needs: Needs) -> None:
    needs.there = False
    health = Health(needs.check, [])
    async with health.watch():
        assert await _status(health) == NOT_SERVING


async def test_once_it_drains_it_does_not_serve_again(needs: Needs) -> None:
    health = Health(needs.check, [])
    async with health.watch():
        await health.stop_serving()
        assert await _status(health) == NOT_SERVING
        needs.there = False
        await until(lambda: health.serving is False)
        needs.there = True
        await until(lambda: health.serving is True)
        assert await _status(health) == NOT_SERVING


async def _is(health: Health, status: int) -> bool:
    return await _status(health) == status

"""Simulations of stored emissions on two Ray workers: the same bits as in one process, and none left when cancelled."""

from collections import Counter

import pytest
from vcci.v1 import emission_service_pb2 as pb
from vcci_cluster import Place, RayOptions, open_executor
from vcci_server import simulating
from vcci_server.storage.pool import Pool

from tests.server.emission_reader import serve_emissions
from tests.waiting import until

OPTIONS = RayOptions(cpus=2, object_store_bytes=100 << 20)


async def test_two_ray_workers_draw_the_bits_of_one_process(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulating, "WORK_S", 0.0)  # a work for each segment, of which there are dozens
    ran: Counter[tuple[str, Place, str]] = Counter()
    drawn = {"group_by": [pb.DIMENSION_CATEGORY, pb.DIMENSION_COUNTRY, pb.DIMENSION_FACTOR], "draws": 5_000, "seed": 3}
    async with (
        open_executor(
            "local",
            threads=1,
            ray=OPTIONS,
            ray_threshold_s=0.0,
            observe=lambda name, place, status, _: ran.update([(name, place, status)]),
        ) as ray,
        serve_emissions(pool, ray) as reader,
    ):
        on_ray = await reader.simulated(**drawn)
        works = ran["simulate", Place.RAY, "success"]
        assert works > 20
        assert not ran["simulate", Place.IN_PROCESS, "success"]
        monkeypatch.setattr(ray, "_ray_threshold_s", float("inf"))
        in_process = await reader.simulated(**drawn)
        assert ran["simulate", Place.IN_PROCESS, "success"] == works
        assert on_ray.SerializeToString(deterministic=True) == in_process.SerializeToString(deterministic=True)
        monkeypatch.setattr(ray, "_ray_threshold_s", 0.0)
        call = reader.simulate(draws=1_000_000)
        await anext(aiter(call))
        call.cancel()
        await until(lambda: ray.waiting("simulation") == 0 and ran["simulate", Place.RAY, "cancelled"] > 0)

"""Reports on Ray: what is computed for them runs there, in lane `reporting`, and comes to the same figures."""

from collections import Counter

from vcci.v1 import report_service_pb2 as pb
from vcci_cluster import Place, RayOptions, open_executor
from vcci_server.storage.pool import Pool

from tests.server.report_caller import serve_reports

OPTIONS = RayOptions(cpus=1, object_store_bytes=100 << 20)


async def test_a_report_that_ray_makes_has_the_figures_of_one_made_in_process(pool: Pool) -> None:
    ran: Counter[tuple[str, Place, str]] = Counter()
    async with (
        open_executor(
            "local",
            threads=1,
            ray=OPTIONS,
            ray_threshold_s=0.0,
            observe=lambda name, place, status, _: ran.update([(name, place, status)]),
        ) as ray,
        serve_reports(pool, ray) as on_ray,
    ):
        made = await on_ray.generate()
        assert (await on_ray.generate(format=pb.REPORT_FORMAT_PDF)).file.startswith(b"%PDF-1.")
        assert ran["report", Place.RAY, "success"] == 2
        assert not [name for name, place, _ in ran if name == "report" and place is Place.IN_PROCESS]
        total = (await on_ray.totals()).total
        assert made.tables["categories"]["total"]["t_co2e"] == total.estimate.kg_co2e / 1000

"""Suppliers and the dashboard of a customer's own file, from the command line and the client, against its rows."""

import asyncio
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from vcci.v1.factor_service_pb2 import FACTOR_FORMAT_EPA_V1_3, MARGINS_WITH, FactorSetSpec
from vcci.v1.supplier_service_pb2 import Supplier
from vcci_client import AsyncClient, Client
from vcci_client.emissions import to_arrow
from vcci_client.errors import EtagMismatch, InvalidRequest
from vcci_client.mapping import load_mapping

from tests.chaos.proxy import proxy_to
from tests.data_files import shared_data
from tests.e2e.test_hotspots import by_supplier
from tests.e2e.test_real_spend import FACTORS, MAPPING, SPEND, TOTAL, vcci
from tests.prices import deactivate_all
from tests.server_process import ServerProcess
from tests.waiting import until


@pytest.fixture(scope="module")
def server(shared_server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> ServerProcess:
    """A tenant that has the file's emissions, counted."""
    mapping = tmp_path_factory.mktemp("mapping") / "spend.toml"
    mapping.write_text(MAPPING)
    server = shared_server.for_own_tenant()
    asyncio.run(_upload(server, shared_data(FACTORS), shared_data(SPEND), mapping))
    return server


async def _upload(server: ServerProcess, factors: Path, spend: Path, mapping: Path) -> None:
    spec = FactorSetSpec(display_name="EPA v1.3", format=FACTOR_FORMAT_EPA_V1_3, margins=MARGINS_WITH, activate=True)
    async with AsyncClient(server.listening, server.token()) as client:
        await client.import_factor_set(spec, factors)
        await deactivate_all(client)  # the control totals are without deflation
        await client.upload_file(spend, mapping=load_mapping(mapping))

        async def counted() -> bool:
            page = await anext(client.list_supplier_pages(page_size=1))
            return page.rows_not_counted == 0

        await until(counted)


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Client]:
    """A client without an event loop."""
    with Client(server.listening, server.token()) as client:
        yield client


def test_the_command_lists_the_largest_suppliers_first(server: ServerProcess) -> None:
    done = vcci(server, "suppliers", "list", "--by", "emissions", "--desc", "--limit", "20", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    largest = by_supplier().most_common(20)
    assert [supplier["kg_co2e"] for supplier in found] == pytest.approx([ug / 1e9 for _, ug in largest], rel=1e-9)
    assert {supplier["code"] for supplier in found} == {code for code, _ in largest}
    for supplier in found:
        assert supplier["currency"] == "USD"
        assert supplier["carbon_intensity"] == pytest.approx(supplier["kg_co2e"] / supplier["spend"], rel=1e-6)
        assert (supplier["data_quality"], supplier["primary_share"]) == (5, 0)


def test_filters_over_the_client_choose_by_figures(client: Client) -> None:
    kg = {code: ug / 1e9 for code, ug in by_supplier().items()}
    chosen = [*client.list_suppliers("kg_co2e > 1e6", order_by="kg_co2e", fields=["code", "kg_co2e"], page_size=10)]
    assert {supplier.code for supplier in chosen} == {code for code, value in kg.items() if value > 1e6}
    assert [supplier.kg_co2e for supplier in chosen] == sorted(supplier.kg_co2e for supplier in chosen)
    assert not chosen[0].display_name
    with pytest.raises(InvalidRequest) as raised:
        next(client.list_suppliers("kg_co2e > 1e6 AND turnover = 5"))
    assert raised.value.metadata["position"] == "19"
    assert "at character 19 a field: code" in str(raised.value)


def test_a_name_is_searched_with_a_typing_error(server: ServerProcess) -> None:
    done = vcci(server, "suppliers", "search", "raythen compny", "--limit", "1")
    assert done.returncode == 0
    assert "RAYTHEON COMPANY" in done.stdout


def test_a_supplier_is_shown_and_changed(server: ServerProcess, client: Client) -> None:
    code = by_supplier().most_common(1)[0][0]
    shown = vcci(server, "suppliers", "show", code)
    assert shown.returncode == 0
    assert code in shown.stdout
    before = client.get_supplier(f"suppliers/{code}")
    changed = vcci(server, "suppliers", "update", code, "--industry", "336411", "--status", "inactive", "--json")
    assert json.loads(changed.stdout)["industry"] == "336411"
    after = client.get_supplier(before.name)
    assert (after.status, after.display_name, after.kg_co2e) == (
        *(Supplier.STATUS_INACTIVE, before.display_name),
        before.kg_co2e,
    )
    with pytest.raises(EtagMismatch):
        client.update_supplier(Supplier(name=before.name, etag=before.etag, industry="1"))
    client.update_supplier(Supplier(name=before.name, etag=after.etag, status=Supplier.STATUS_ACTIVE))
    nothing = vcci(server, "suppliers", "update", code)
    assert (nothing.returncode, "say what to change" in nothing.stderr) == (2, True)


def test_the_dashboard_comes_to_the_file(server: ServerProcess, client: Client) -> None:
    done = vcci(server, "dashboard", "--json", "--top", "3")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    whole = client.get_dashboard((date(2000, 1, 1), date(2050, 1, 1)), top_suppliers=3)
    assert whole.total.estimate.kg_co2e == TOTAL
    largest = by_supplier().most_common(3)
    assert [of.kg_co2e for of in whole.top_suppliers] == pytest.approx([ug / 1e9 for _, ug in largest], rel=1e-9)
    assert whole.coverage.with_emissions == len(by_supplier())
    assert [group.keys[0] for group in whole.method_tiers] == ["spend_based"]
    assert found["period_start"]["month"] == 1
    year = found["period_start"]["year"]
    same = client.get_dashboard((date(year, 1, 1), date(year + 1, 1, 1)))
    assert found["total"]["estimate"]["kg_co2e"] == same.total.estimate.kg_co2e


async def test_answers_are_compressed_when_the_call_asks_for_it(server: ServerProcess) -> None:
    answers, sizes = [], []
    for gzip in (False, True):
        async with proxy_to(server.listening, iter(())) as proxy:
            async with AsyncClient(proxy.address, server.token(), gzip=gzip) as client:
                pages = [page async for page in client.list_supplier_pages()]
                columns = [to_arrow(arrays) async for arrays in client.stream_emissions()]
            answers.append((pages, columns))
            sizes.append(proxy.passed)
    assert answers[0] == answers[1]
    assert sizes[1] < sizes[0] / 2


async def test_an_unknown_compression_is_refused(server: ServerProcess) -> None:
    async with AsyncClient(server.listening, server.token()) as client:
        client.connection.further += (("x-response-compression", "br"),)
        with pytest.raises(InvalidRequest) as raised:
            await client.get_dashboard()
    assert raised.value.problems[0].field == "metadata.x-response-compression"


def test_the_dashboard_is_for_people(server: ServerProcess) -> None:
    done = vcci(server, "dashboard", "--period", "2022")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2022-01 up to 2023-01: ")
    assert "have emissions" in done.stdout
    wrong = vcci(server, "dashboard", "--period", "2022-Q5")
    assert "is not a year or quarter" in wrong.stderr

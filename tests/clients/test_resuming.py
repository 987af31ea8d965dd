"""Streams of the server go on where they broke: nothing is lost, and nothing comes twice."""

import pytest
from vcci.v1.audit_service_pb2 import AuditFilter
from vcci.v1.emission_pb2 import EmissionFilter
from vcci_client import AsyncClient
from vcci_client.errors import InvalidRequest

from tests.chaos.proxy import Fate, proxy_to
from tests.clients.test_upload import rows, unique
from tests.emission_tables import streamed
from tests.server_process import ServerProcess

ROWS = 45_000  # more than fit into two messages


async def test_emissions_go_on_with_dictionaries_of_their_own(client: AsyncClient, server: ServerProcess) -> None:
    summary = await client.upload(rows(ROWS), unique())
    only = EmissionFilter(upload=summary.upload)
    whole = streamed([page async for page in client.stream_emissions(only)])
    async with proxy_to(server.listening, [Fate(800_000), Fate(1_600_000)]) as proxy:
        async with AsyncClient(proxy.address, server.token()) as through:
            pages = [page async for page in through.stream_emissions(only)]
        assert proxy.broken == 2
    assert whole["row"] == [*range(ROWS)]
    assert streamed(pages) == whole
    assert len({id(page.supplier.entries) for page in pages}) > 1


async def test_audit_events_go_on_behind_the_last_page(client: AsyncClient, server: ServerProcess) -> None:
    for _ in range(20):
        await client.create_upload(unique())
    wanted = AuditFilter(action="UploadService.CreateUpload")
    events = [event.sequence async for event in client.list_audit_events(wanted, page_size=2)]
    async with proxy_to(server.listening, [Fate(3_000)]) as proxy:
        async with AsyncClient(proxy.address, server.token()) as through:
            assert [event.sequence async for event in through.list_audit_events(wanted, page_size=2)] == events
        assert proxy.broken == 1


async def test_what_the_server_refuses_is_not_tried_again(client: AsyncClient) -> None:
    with pytest.raises(InvalidRequest):
        [page async for page in client.stream_emissions(EmissionFilter(upload="no upload"))]

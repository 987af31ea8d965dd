"""A stream of emissions: every row once, wherever it breaks and whatever is merged meanwhile; only what is asked."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import pytest
from vcci.v1 import emission_pb2
from vcci.v1 import emission_service_pb2 as pb
from vcci_engine.errors import InvalidField
from vcci_server import emission_dictionaries, emission_messages, emission_stream
from vcci_server.emission_stream import EmissionReader, Page, Place, write_page
from vcci_server.storage.labels import Labels
from vcci_server.storage.pool import Pool, active_connections
from vcci_server.storage.summing import on_executor

from tests.server.emission_reader import Reader, as_sent, by_key, refusal, rows_of, serve_emissions
from tests.server.stored_emissions import Row, StoredEmissions
from tests.waiting import until

ALL = frozenset(pb.EmissionColumn.values()[1:])


@pytest.fixture
async def reader(pool: Pool) -> AsyncIterator[Reader]:
    """The service, with uploads at every stage."""
    async with serve_emissions(pool) as reader:
        yield reader


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages and messages of a segment or two, so that a stream has many."""
    monkeypatch.setattr(emission_stream, "PAGE_BYTES", 500)
    monkeypatch.setattr(emission_stream, "FIRST_ROWS", 10)
    monkeypatch.setattr(emission_messages, "ROWS_PER_MESSAGE", 10)


async def test_a_stream_has_every_visible_row_once_with_all_columns(reader: Reader) -> None:
    assert by_key(await reader.rows()) == as_sent(reader.store.visible)


@pytest.mark.usefixtures("small_pages")
async def test_many_small_pages_are_the_same_rows(reader: Reader) -> None:
    responses = [response async for response in reader.stream()]
    assert len(responses) > 10
    assert by_key(rows_of(responses)) == as_sent(reader.store.visible)


@pytest.mark.usefixtures("small_pages")
async def test_dictionaries_are_sent_once_per_call(reader: Reader) -> None:
    responses = [response async for response in reader.stream()]
    codes = [code for response in responses for code in response.emissions.supplier_codes]
    assert sorted(codes) == sorted({row.supplier for row in reader.store.visible})
    assert [response.new_dictionaries for response in responses] == [True, *[False] * (len(responses) - 1)]


@pytest.mark.usefixtures("small_pages")
async def test_large_dictionaries_begin_anew_within_a_stream(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emission_dictionaries, "MOST_ENTRIES", 20)
    responses = [response async for response in reader.stream()]
    assert 1 < sum(response.new_dictionaries for response in responses) < len(responses)
    assert by_key(rows_of(responses)) == as_sent(reader.store.visible)


async def test_small_segments_share_a_message(reader: Reader) -> None:
    responses = [response async for response in reader.stream()]
    assert [response.emissions.rows for response in responses] == [len(reader.store.visible)]


@pytest.mark.parametrize("column", pb.EmissionColumn.values()[1:])
async def test_only_the_columns_asked_for_are_sent(reader: Reader, column: pb.EmissionColumn.ValueType) -> None:
    (response,) = [response async for response in reader.stream(columns=[column])]
    sent = {field.name for field, _ in response.emissions.ListFields()} - {"rows"}
    dictionaries = {"supplier_codes", "units", "factors", "groups", "uploads", "gwp_sets"}
    name = pb.EmissionColumn.Name(column).removeprefix("EMISSION_COLUMN_").lower()
    expected = {"quantity": {"quantity", "unit"}, "row": {"row", "upload"}}.get(name, {name})
    assert sent - dictionaries == expected


@pytest.mark.usefixtures("small_pages")
async def test_a_stream_goes_on_behind_any_token_without_a_row_lost_or_repeated(reader: Reader) -> None:
    asked: dict[str, Any] = {"filter": {"categories": range(1, 12)}}
    responses = [response async for response in reader.stream(**asked)]
    rows = rows_of(responses)
    sent = 0
    for number, response in enumerate(responses):
        sent += response.emissions.rows
        if number % 4 == 0:
            assert await reader.rows(**asked, resume_token=response.resume_token) == rows[sent:]


async def _everything_is_merged(reader: Reader) -> None:
    await reader.store.finalize(reader.stages.uploads[2])
    await reader.stages.fold(1_000)
    await reader.stages.merge_all(rows=30)


@pytest.mark.usefixtures("small_pages")
async def test_a_stream_goes_on_at_its_version_while_segments_are_merged(reader: Reader) -> None:
    expected = as_sent(reader.store.visible)
    pages = _pages(reader)
    read = [await anext(pages)]
    await _everything_is_merged(reader)
    read += [page async for page in pages]
    assert by_key(_page_rows(read)) == expected


@pytest.mark.usefixtures("small_pages")
async def test_a_token_goes_on_at_its_version_after_segments_are_merged(reader: Reader) -> None:
    expected = as_sent(reader.store.visible)
    first = await reader.first()
    await _everything_is_merged(reader)
    rest = await reader.rows(resume_token=first.resume_token)
    assert by_key(rows_of([first]) + rest) == expected


@pytest.mark.usefixtures("small_pages")
async def test_a_token_is_refused_when_its_segments_are_deleted(reader: Reader) -> None:
    first = await reader.first()
    await _everything_is_merged(reader)
    await reader.stages.sweep()
    assert await refusal(reader.rows(resume_token=first.resume_token)) == ("INVALID_ARGUMENT", "INVALID_TOKEN")
    assert by_key(await reader.rows()) == as_sent(reader.store.visible)


@pytest.mark.usefixtures("small_pages")
async def test_a_stream_ends_rather_than_lose_rows_when_its_segments_are_deleted(reader: Reader) -> None:
    pages = _pages(reader)
    await anext(pages)
    await _everything_is_merged(reader)
    await reader.stages.sweep()
    with pytest.raises(InvalidField) as raised:
        [page async for page in pages]  # one may have been read before
    assert raised.value.reason == "INVALID_TOKEN"


@pytest.mark.usefixtures("small_pages")
async def test_rows_that_are_committed_meanwhile_are_seen_once_or_not_a_pending_upload_whole_or_not(
    reader: Reader,
) -> None:
    _, pending, going_on = reader.stages.uploads
    before = {(row.upload_id, row.row) for row in reader.store.visible}
    pages = _pages(reader)
    read = [await anext(pages)]
    await reader.store.append(going_on, 50, seed=9)
    await reader.store.finalize(pending)
    rows = _page_rows([*read, *[page async for page in pages]])
    keys = [(row.upload_id, row.row) for row in rows]
    assert len(keys) == len({*keys})
    assert {*keys} >= before
    assert sum(row.upload_id == pending for row in rows) in (0, len(reader.store.rows[pending]))


@pytest.mark.usefixtures("small_pages")
async def test_while_a_page_is_in_use_no_transaction_stays_open(reader: Reader) -> None:
    pool = reader.store.pool
    async for _ in _pages(reader):
        await until(lambda: active_connections(pool) == 0)


async def test_tokens_of_another_request_or_tenant_and_damaged_ones_are_refused(reader: Reader) -> None:
    (response,) = [response async for response in reader.stream()]
    token = response.resume_token
    other = await StoredEmissions.of_new_tenant(reader.store.pool)
    for request in (
        {"resume_token": token, "columns": [1]},
        {"resume_token": token, "filter": {"categories": [1]}},
        {"resume_token": token, "gwp_set": "AR6"},
        {"resume_token": token, "tenant": other.tenant},
        {"resume_token": token[:-3]},
        {"resume_token": "no token"},
    ):
        assert await refusal(reader.rows(**request)) == ("INVALID_ARGUMENT", "INVALID_TOKEN")


def _pages(reader: Reader) -> AsyncGenerator[Page]:
    run = on_executor(reader.stages.executor, "reading")
    pages = EmissionReader(reader.store.pool, run, Labels(), reader.store.tenant_id, ALL, "")
    return pages.pages(emission_pb2.EmissionFilter(), Place())


def _page_rows(pages: Sequence[Page]) -> list[Row]:
    written = [response for page in pages for response in write_page(page, ALL, str)]
    return rows_of(map(pb.StreamEmissionsResponse.FromString, written))

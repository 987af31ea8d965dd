"""Uploads to a real server."""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path

import pytest
from vcci.v1.emission_pb2 import EmissionFilter
from vcci.v1.upload_pb2 import Upload
from vcci_client import AsyncClient
from vcci_client.appender import Progress, Stage
from vcci_client.encode import Form
from vcci_client.errors import (
    AlreadyStarted,
    BatchRefused,
    OutOfStep,
    Unauthenticated,
    UploadInterrupted,
    WriterFenced,
    WrongState,
)
from vcci_client.files.rows import activities_of
from vcci_client.row_errors import count_by_reason
from vcci_client.upload import UploadOptions
from vcci_server.auth import load_secret, make_token

from tests.clients.samples import CSV, HEADER, write_all
from tests.server_process import ServerProcess, running_server
from tests.waiting import until

ROW = {"supplier_code": "S-1", "category": 1, "reporting_period": "2024-Q1", "quantity": 10, "unit": "USD"}
FACTOR = {"factor": "naics:331110"}


def rows(number: int, **changes: object) -> Iterator[dict[str, object]]:
    """Return rows that differ in supplier and quantity."""
    return (ROW | FACTOR | {"supplier_code": f"S-{row % 7}", "quantity": row} | changes for row in range(number))


def unique(**options: object) -> UploadOptions:
    return UploadOptions(uuid.uuid4().hex, **options)  # type: ignore[arg-type]


async def test_rows_are_stored_and_summed_up(client: AsyncClient) -> None:
    summary = await client.upload(rows(1_000))
    assert (summary.rows, summary.committed, summary.rejected, summary.duplicates) == (1_000, 1_000, 0, 0)
    assert 0 < summary.kg_co2e_low < summary.kg_co2e_high
    assert summary.rows_per_second == pytest.approx(summary.rows / summary.seconds)
    assert (await client.get_upload(summary.upload)).state == Upload.STATE_FINALIZED


async def test_an_upload_outlives_its_tokens(server: ServerProcess) -> None:
    secret, expiries = load_secret(server.state_dir), []

    def new_token() -> str:
        expiries.append(time.time() + 2.0)
        return make_token(secret, server.tenant, "test", 2.0)

    async def as_tokens_expire() -> AsyncIterator[dict[str, object]]:
        for row in rows(300):
            if row["quantity"] in (100, 200):
                await until(lambda: time.time() > expiries[-1])
            yield row

    async with AsyncClient(server.listening, new_token) as client:
        summary = await client.upload(as_tokens_expire(), unique(batch_rows=50))
        pages = [page async for page in client.stream_emissions(EmissionFilter(upload=summary.upload))]
    assert (summary.rows, summary.committed, summary.rejected) == (300, 300, 0)
    assert len(expiries) >= 7  # creating, three streams, finalizing, summing up, reading
    assert sorted(row for page in pages for row in page.row) == [*range(300)]


async def test_a_token_that_cannot_be_renewed_ends_the_upload(server: ServerProcess) -> None:
    token = make_token(load_secret(server.state_dir), server.tenant, "test", -1.0)
    async with AsyncClient(server.listening, token) as client:
        with pytest.raises(Unauthenticated) as raised:
            await client.upload(rows(10), unique())
    assert raised.value.reason == "CREDENTIALS_EXPIRED"


async def test_every_kind_of_source_comes_to_the_same(client: AsyncClient) -> None:
    async def later(items: Iterable[dict[str, object]]) -> AsyncIterator[dict[str, object]]:
        for item in items:
            yield item

    (whole,) = activities_of(rows(500), 500)
    halves = [whole.slice(0, 200), whole.slice(200, 500)]
    found = [
        await client.upload(source, unique(batch_rows=size, form=form))
        for source, size, form in (
            (rows(500), 500, Form.COLUMNS),
            (rows(500), 7, Form.COLUMNS),
            (rows(500), 100, Form.ROWS),
            (later(rows(500)), 100, Form.COLUMNS),
            (whole, 100, Form.COLUMNS),
            (halves, 150, Form.ROWS),
        )
    ]
    assert {(each.rows, each.committed, each.kg_co2e, each.kg_co2e_low, each.kg_co2e_high) for each in found} == {
        (500, 500, found[0].kg_co2e, found[0].kg_co2e_low, found[0].kg_co2e_high)
    }


async def test_every_kind_of_file_comes_to_the_same(client: AsyncClient, tmp_path: Path) -> None:
    found = [await client.upload_file(path, unique()) for path in write_all(tmp_path)]
    assert {(each.rows, each.committed, each.rejected) for each in found} == {(3, 3, 0)}
    assert len({each.kg_co2e for each in found}) == 1


@pytest.mark.parametrize("form", list(Form))
async def test_what_a_file_has_wrong_is_rejected_under_its_own_row(
    client: AsyncClient, tmp_path: Path, form: Form
) -> None:
    path = tmp_path / "a.csv"
    wrong = ["S-1,,,1,2024-Q1,12 approx.,USD,naics:331110,,", "S-1,,,1,2024-Q1,1,crate,naics:331110,,", "S-1,1"]
    path.write_text(CSV + "\n".join(wrong) + "\n" + CSV.splitlines()[1] + "\n")
    summary = await client.upload_file(path, unique(form=form, batch_rows=2))
    assert (summary.rows, summary.committed, summary.rejected) == (7, 4, 3)
    found = [(error.row, error.field, error.value) async for error in client.list_row_errors(summary.upload)]
    assert found == [(3, "quantity", "12 approx."), (4, "unit", "crate"), (5, "", "2 cells: S-1,1")]
    assert sum((await count_by_reason(client, summary.upload)).values()) == 3


async def test_the_same_file_is_stored_once_unless_again(client: AsyncClient, tmp_path: Path) -> None:
    path, copy = tmp_path / "a.csv", tmp_path / "copy.csv"
    for each in (path, copy):
        each.write_text(
            CSV + f"S-9,,,1,2024-Q1,{uuid.uuid4().int % 10**9},USD,naics:331110,,\n" if each == path else ""
        )
    copy.write_text(path.read_text())
    first = await client.upload_file(path)
    second = await client.upload_file(copy)
    assert second.already_done
    assert (second.upload, second.committed, second.kg_co2e) == (first.upload, first.committed, first.kg_co2e)
    third = await client.upload_file(path, again=True)
    assert third.upload != first.upload
    assert not third.already_done
    await client.abandon_upload(first.upload)
    assert (await client.upload_file(path)).upload == third.upload


async def test_an_interrupted_file_is_taken_up_only_when_asked(client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join([HEADER, *(f"S-{row},,,1,2024-Q1,{row}.25,USD,naics:331110,," for row in range(90))]))

    class Interrupted(Exception):
        pass

    def interrupt(progress: Progress) -> None:
        if progress.rows_committed >= 40:
            raise Interrupted

    options = UploadOptions(batch_rows=10)
    with pytest.raises(Interrupted):
        await client.upload_file(path, options, on_progress=interrupt)
    with pytest.raises(AlreadyStarted) as already:
        await client.upload_file(path, options)
    assert already.value.committed_rows >= 40
    summary = await client.upload_file(path, options, resume=True)
    assert (summary.upload, summary.rows, summary.committed) == (already.value.upload, 90, 90)


async def test_a_request_id_with_another_shorter_source_is_refused(client: AsyncClient) -> None:
    options = unique(finalize=False)
    await client.upload(rows(50), options)
    with pytest.raises(OutOfStep):
        await client.upload(rows(20), options)


async def test_a_second_writer_takes_the_upload_over(client: AsyncClient) -> None:
    options = unique(batch_rows=10, finalize=False)
    opened, resumed = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[dict[str, object]]:
        for number, row in enumerate(rows(100)):
            if number == 50:
                opened.set()
                await resumed.wait()
            yield row

    first = asyncio.create_task(client.upload(slowly(), options))
    await opened.wait()
    second = await client.upload(rows(100), options)
    resumed.set()
    with pytest.raises((WriterFenced, OutOfStep)):
        await first
    assert second.rows == 100


async def test_one_wrong_row_refuses_a_batch_of_all_or_nothing(client: AsyncClient) -> None:
    options = unique(batch_rows=10, all_or_nothing=True)
    source = itertools.chain(rows(20), rows(1, unit="crate"), rows(5))
    with pytest.raises(BatchRefused) as refused:
        await client.upload(source, options)
    assert refused.value.reason == "BATCH_REFUSED"
    assert refused.value.rejected_rows == 1
    assert [error.row for error in refused.value.row_errors] == [20]
    assert (await client.get_upload(refused.value.upload)).committed_through == 20


async def test_credit_notes_are_taken_only_when_allowed(client: AsyncClient) -> None:
    refused = await client.upload(rows(3, quantity=-5))
    assert (refused.committed, refused.rejected) == (0, 3)
    taken = await client.upload(rows(3, quantity=-5), UploadOptions(allow_negative=True))
    assert (taken.committed, taken.rejected) == (3, 0)
    assert taken.kg_co2e < 0


async def test_a_finalized_upload_takes_nothing(client: AsyncClient) -> None:
    options = unique(finalize=False)
    summary = await client.upload(rows(5), options)
    await client.finalize_upload(summary.upload, 5)
    again = await client.upload(rows(5), options)
    assert again.already_done
    with pytest.raises(WrongState) as wrong:
        await client.finalize_upload(summary.upload, 6)
    assert wrong.value.reason == "ROW_COUNT_MISMATCH"


async def test_a_source_that_fails_leaves_what_was_sent(client: AsyncClient) -> None:
    def failing() -> Iterator[dict[str, object]]:
        yield from rows(30)
        raise OSError("the disk is gone")

    options = unique(batch_rows=10)
    with pytest.raises(OSError, match="the disk is gone"):
        await client.upload(failing(), options)
    summary = await client.upload(rows(40), options)
    assert summary.rows == 40


async def test_an_empty_source_is_an_upload_without_rows(client: AsyncClient) -> None:
    summary = await client.upload([])
    assert (summary.rows, summary.kg_co2e) == (0, 0.0)


async def test_progress_is_told_from_the_first_row_to_the_end(client: AsyncClient) -> None:
    told: list[Progress] = []
    await client.upload(rows(100), UploadOptions(batch_rows=10), on_progress=told.append)
    committed = [progress.rows_committed for progress in told]
    assert committed == sorted(committed)
    assert (committed[0], committed[-1]) == (0, 100)
    assert told[-1].stage is Stage.FINALIZING


@pytest.fixture(scope="module")
def mortal() -> Iterator[ServerProcess]:
    """A server that tests end and start again."""
    with running_server() as process:
        yield process


async def test_a_killed_and_restarted_server_costs_no_row_and_repeats_none(mortal: ServerProcess) -> None:
    async with AsyncClient(mortal.listening, mortal.token()) as client:
        committed = asyncio.Queue[int]()
        options = unique(batch_rows=50)
        going = asyncio.create_task(
            client.upload(
                rows(20_000), options, on_progress=lambda progress: committed.put_nowait(progress.rows_committed)
            )
        )
        for enough in (1_000, 5_000):
            while await committed.get() < enough:
                assert not going.done()
            await asyncio.to_thread(mortal.kill)
            await asyncio.to_thread(mortal.start)
        summary = await going
        assert (summary.rows, summary.committed) == (20_000, 20_000)
        alone = await client.upload(rows(20_000))
        assert summary.kg_co2e == alone.kg_co2e


async def test_a_server_that_drains_hands_over_to_the_next_one(mortal: ServerProcess) -> None:
    async with AsyncClient(mortal.listening, mortal.token()) as client:
        enough = asyncio.Event()

        def on_progress(progress: Progress) -> None:
            if progress.rows_committed >= 2_000:
                enough.set()

        going = asyncio.create_task(client.upload(rows(20_000), unique(batch_rows=50), on_progress=on_progress))
        await enough.wait()
        assert await asyncio.to_thread(mortal.terminate) == 0
        await asyncio.to_thread(mortal.start)
        summary = await going
        assert (summary.rows, summary.committed, summary.duplicates) == (20_000, 20_000, 0)


async def test_an_upload_whose_server_stays_away_says_how_far_it_came(mortal: ServerProcess) -> None:
    async with AsyncClient(mortal.listening, mortal.token()) as client:
        enough = asyncio.Event()

        def on_progress(progress: Progress) -> None:
            if progress.rows_committed >= 1_000:
                enough.set()

        options = unique(batch_rows=50, patience_s=0.5)
        going = asyncio.create_task(client.upload(rows(20_000), options, on_progress=on_progress))
        await enough.wait()
        await asyncio.to_thread(mortal.kill)
        with pytest.raises(UploadInterrupted) as interrupted:
            await going
        assert 1_000 <= interrupted.value.committed_rows < 20_000
        await asyncio.to_thread(mortal.start)
        assert (await client.upload(rows(20_000), options)).rows == 20_000


async def test_several_uploads_share_a_connection(client: AsyncClient) -> None:
    found = await asyncio.gather(*(client.upload(rows(500), UploadOptions(batch_rows=50)) for _ in range(4)))
    assert len({summary.upload for summary in found}) == 4
    assert len({summary.kg_co2e for summary in found}) == 1

"""The ledger's states: who may write, what closes an upload, what is left of an abandoned one."""

from collections.abc import Awaitable
from typing import Any
from uuid import uuid4

import pytest
from vcci_engine.errors import NotFound, WriterFenced, WrongState
from vcci_server.storage import uploads
from vcci_server.storage.pool import Connection, Pool


async def _create(pool: Pool, tenant_id: int, **given: Any) -> uploads.UploadRecord:
    return await uploads.create(pool, tenant_id, **{"request_id": uuid4().hex, "mode": "committed", **given})


async def _unfold_nothing(connection: Connection, tenant_id: int, upload_id: int) -> None:
    pass


async def _reason(awaitable: Awaitable[object]) -> str:
    with pytest.raises(WrongState) as raised:
        await awaitable
    return raised.value.reason


async def test_a_new_upload_is_open_and_empty(pool: Pool, tenant_id: int) -> None:
    upload = await _create(pool, tenant_id, display_name="2026.csv", mode="pending", allow_negative=True)
    assert (upload.state, upload.epoch, upload.committed_rows, upload.ug_co2e) == ("open", 0, 0, 0)
    assert (upload.display_name, upload.mode, upload.allow_negative) == ("2026.csv", "pending", True)
    assert await uploads.get(pool, tenant_id, upload.upload_id) == upload


async def test_the_same_request_id_returns_the_same_upload(pool: Pool, tenant_id: int) -> None:
    first = await _create(pool, tenant_id, request_id="r")
    assert await _create(pool, tenant_id, request_id="r", display_name="another name") == first


@pytest.mark.parametrize("other", [{"mode": "pending"}, {"allow_negative": True}])
async def test_a_request_id_is_not_reused_for_another_upload(pool: Pool, tenant_id: int, other: dict[str, Any]) -> None:
    await _create(pool, tenant_id, request_id="r")
    assert await _reason(_create(pool, tenant_id, request_id="r", **other)) == "REQUEST_ID_REUSED"


async def test_another_tenants_upload_is_not_found(pool: Pool, tenant_id: int) -> None:
    upload = await _create(pool, tenant_id)
    for ask in (uploads.get, uploads.open_upload, uploads.finalize):
        with pytest.raises(NotFound):
            await ask(pool, tenant_id + 1, upload.upload_id)
    with pytest.raises(NotFound):
        await uploads.abandon(pool, tenant_id + 1, upload.upload_id, _unfold_nothing)


async def test_uploads_are_listed_newest_first_page_by_page(pool: Pool, tenant_id: int) -> None:
    made = [(await _create(pool, tenant_id)).upload_id for _ in range(5)]
    first = await uploads.list_page(pool, tenant_id, limit=3)
    rest = await uploads.list_page(pool, tenant_id, limit=3, before=first[-1].upload_id)
    assert [upload.upload_id for upload in first + rest] == made[::-1]


async def test_opening_fences_the_writer_before(pool: Pool, tenant_id: int) -> None:
    upload = await _create(pool, tenant_id)
    first = await uploads.open_upload(pool, tenant_id, upload.upload_id)
    second = await uploads.open_upload(pool, tenant_id, upload.upload_id)
    assert second.epoch == first.epoch + 1
    assert await uploads.check_epoch(pool, tenant_id, upload.upload_id, second.epoch) == second
    with pytest.raises(WriterFenced):
        await uploads.check_epoch(pool, tenant_id, upload.upload_id, first.epoch)


async def test_a_finalized_upload_takes_no_writer(pool: Pool, tenant_id: int) -> None:
    upload = await _create(pool, tenant_id)
    writer = await uploads.open_upload(pool, tenant_id, upload.upload_id)
    finalized = await uploads.finalize(pool, tenant_id, upload.upload_id, row_count=0)
    assert finalized.state == "finalized"
    check = uploads.check_epoch(pool, tenant_id, upload.upload_id, writer.epoch)
    assert await _reason(check) == "UPLOAD_FINALIZED"
    assert await _reason(uploads.open_upload(pool, tenant_id, upload.upload_id)) == "UPLOAD_FINALIZED"
    assert await uploads.finalize(pool, tenant_id, upload.upload_id) == finalized


async def test_an_upload_with_another_row_count_is_not_finalized(pool: Pool, tenant_id: int) -> None:
    upload = await _create(pool, tenant_id)
    with pytest.raises(WrongState) as raised:
        await uploads.finalize(pool, tenant_id, upload.upload_id, row_count=7)
    assert raised.value.reason == "ROW_COUNT_MISMATCH"
    assert raised.value.metadata == {"row_count": "7", "committed_through": "0"}
    assert (await uploads.get(pool, tenant_id, upload.upload_id)).state == "open"


async def test_an_abandoned_upload_takes_nothing_any_more(pool: Pool, tenant_id: int) -> None:
    upload = await _create(pool, tenant_id)
    abandoned = await uploads.abandon(pool, tenant_id, upload.upload_id, _unfold_nothing)
    assert abandoned.state == "abandoned"
    assert await uploads.abandon(pool, tenant_id, upload.upload_id, _unfold_nothing) == abandoned
    assert await _reason(uploads.open_upload(pool, tenant_id, upload.upload_id)) == "UPLOAD_ABANDONED"
    assert await _reason(uploads.finalize(pool, tenant_id, upload.upload_id)) == "UPLOAD_ABANDONED"

"""The file of quotas, and the count of calls."""

import logging
import os
from pathlib import Path

import pytest
from vcci_engine.errors import QuotaExceeded
from vcci_server.auth import Means, Principal, Role
from vcci_server.changing import LOOK_EVERY_S
from vcci_server.metrics import Metrics
from vcci_server.quotas import Quotas, read_quotas
from vcci_server.settings import SettingsError
from vcci_server.tasks import running
from vcci_server.usage import Quota

from tests.waiting import until

DEFAULT = Quota(calls_per_s=5, stored_rows=7)


def tenant(name: str, number: int = 1) -> Principal:
    return Principal(number, name, "somebody", frozenset({Role.READER}), Means.TOKEN, 1e10)


def test_a_tenant_has_its_own_quotas_and_the_rest_by_default(tmp_path: Path) -> None:
    file = tmp_path / "quotas.toml"
    file.write_text('[acme]\nrows_per_s = 100\n\n["of spaces"]\ncalls_per_s = 0\n')
    assert read_quotas(str(file), DEFAULT) == {
        "acme": Quota(calls_per_s=5, rows_per_s=100, stored_rows=7),
        "of spaces": Quota(stored_rows=7),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[acme", "quotas.toml"),
        ("acme = 5", r"expected a table \[acme\]"),
        ("[acme]\nrows = 5", "no quota 'rows', expected one of calls_per_s, rows_per_s"),
        ("[acme]\nstreams = -1", "streams: found -1"),
        ("[acme]\nstreams = 1.5", "streams: found 1.5"),
        ("[acme]\nstreams = true", "streams: found True"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "quotas.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=told):
        Quotas(DEFAULT, Metrics(), str(file))


def test_calls_beyond_the_rate_are_refused_until_there_is_room_again() -> None:
    metrics = Metrics()
    quotas = Quotas(Quota(calls_per_s=4), metrics)
    acme, other = tenant("acme"), tenant("other", 2)
    for _ in range(5):  # a burst, and the one that is due
        quotas.count_call(acme, 100.0)
    with pytest.raises(QuotaExceeded, match="4 calls a second") as raised:
        quotas.count_call(acme, 100.0)
    assert raised.value.retry_after_s == pytest.approx(0.25)
    quotas.count_call(other, 100.0)
    quotas.count_call(acme, 100.25)
    assert metrics.registry.get_sample_value("vcci_quota_refusals_total", {"quota": "calls_per_s"}) == 1


async def test_a_file_that_changes_is_read_again_and_a_wrong_one_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("vcci_server.quotas.LOOK_EVERY_S", LOOK_EVERY_S / 1_000)
    file = tmp_path / "quotas.toml"
    file.write_text("[acme]\nrows_per_s = 100\n")
    quotas = Quotas(DEFAULT, Metrics(), str(file))
    acme = quotas.of(tenant("acme"))
    assert acme.quota.rows_per_s == 100
    with caplog.at_level(logging.WARNING):
        async with running(quotas.follow()):
            _replace(file, "[acme]\nrows_per_s = 'many'\n")
            await until(lambda: "the last quotas stay" in caplog.text)
            assert acme.quota.rows_per_s == 100
            _replace(file, "[acme]\nrows_per_s = 200\nstreams = 3\n")
            await until(lambda: acme.quota.rows_per_s == 200)
    assert quotas.of(tenant("acme")).quota.streams == 3


def _replace(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    os.replace(new, file)

"""Search that forgives typing errors: with pg_trgm, and with the index of the process where the database has none."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import numpy as np
import pytest
from vcci_server.filters import parse_filter
from vcci_server.storage import likeness, supplier_lists
from vcci_server.storage.binaries import system_binaries, wheel_binaries
from vcci_server.storage.embedded import EmbeddedServer
from vcci_server.storage.likeness import index_names
from vcci_server.storage.migrate import migrate
from vcci_server.storage.pool import Pool, open_pool
from vcci_server.storage.queries import QUERIES
from vcci_server.storage.supplier_lists import START, Listing, SupplierReader
from vcci_server.storage.suppliers import SupplierFields, SupplierStore

SERVER_KINDS = {"external": system_binaries, "embedded": wheel_binaries}
CREATE_DATABASE = "CREATE DATABASE unicode TEMPLATE template0 LOCALE 'C.UTF-8'"
NAMES = {
    "sie": ("Siemens AG", "DE"),
    "sif": ("Siemens Finance", "US"),
    "acm": ("Acme Corporation", "DE"),
    "acn": ("ACME  Logistics_GmbH", "FR"),
    "mue": ("Müller & Söhne", "DE"),
    "non": ("", ""),
    "tho": ("Thomsen", "DK"),
}


@pytest.fixture(scope="module", params=SERVER_KINDS)
def kind(request: pytest.FixtureRequest, state_folders: Path) -> Iterator[tuple[str, str]]:
    """A migrated database: as an operator would have it on the system's PostgreSQL, and as the wheel's is embedded."""
    found = SERVER_KINDS[request.param]()
    if not found:
        pytest.skip("no PostgreSQL is installed on the system")
    folder = state_folders / uuid4().hex
    folder.mkdir()
    server = EmbeddedServer(folder, found[0])
    asyncio.run(_execute(server.url, CREATE_DATABASE))
    url = urlsplit(server.url)._replace(path="/unicode").geturl() if request.param == "external" else server.url
    asyncio.run(_execute(url))
    yield request.param, url
    server.stop()


async def _execute(url: str, statement: str = "") -> None:
    connection = await asyncpg.connect(url)
    await (connection.execute(statement) if statement else migrate(connection))
    await connection.close()


@pytest.fixture
async def names(
    kind: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Pool, int, SupplierReader]]:
    """A tenant with suppliers, and a reader that leaves search to the database where that has an index."""
    monkeypatch.setattr(supplier_lists, "MOST_INDEXED", 0)
    async with open_pool(kind[1], size=2) as pool:
        tenant_id = await pool.fetchval("INSERT INTO tenants (name) VALUES ($1) RETURNING tenant_id", uuid4().hex)
        fields = [SupplierFields(code, name, country) for code, (name, country) in NAMES.items()]
        await SupplierStore(pool).upsert(tenant_id, fields)
        yield pool, tenant_id, SupplierReader(pool, asyncio.to_thread)


async def _search(names: tuple[Pool, int, SupplierReader], text: str, size: int = 100, chosen: str = "") -> list[str]:
    _, tenant_id, reader = names
    listing = Listing(frozenset({"code"}), parse_filter(chosen), search=text)
    codes: list[str] = []
    place = START
    while True:
        page = await reader.page(tenant_id, listing, size, place)
        codes += [row["code"] for row in page.suppliers]
        if page.behind is None:
            return codes
        place = page.behind


async def test_the_database_searches_where_it_has_pg_trgm_and_many_names(
    kind: tuple[str, str], names: tuple[Pool, int, SupplierReader]
) -> None:
    pool, tenant_id, _ = names
    asked = [(tenant_id, len(NAMES) - 1), (tenant_id, len(NAMES))]
    left = [await pool.fetchval(QUERIES["leave_search_to_database"], *arguments) for arguments in asked]
    assert left == [kind[0] == "external", False]


async def test_few_names_are_searched_alike_in_the_process(
    names: tuple[Pool, int, SupplierReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    by_database = await _search(names, "siemens finance", size=1)
    monkeypatch.setattr(supplier_lists, "MOST_INDEXED", len(NAMES))
    assert await _search(names, "siemens finance", size=1) == by_database == ["sif", "sie"]


async def test_a_filter_walks_along_all_that_are_alike(names: tuple[Pool, int, SupplierReader]) -> None:
    pool, tenant_id, _ = names
    countries = ["DE", "FR", "US"]
    fields = [SupplierFields(f"z{n:03}", f"Zeppelin Works {n}", countries[n % 3]) for n in range(300)]
    await SupplierStore(pool).upsert(tenant_id, fields)
    assert len(await _search(names, "zeppelin works", size=7)) == 300
    assert sorted(await _search(names, "zepelin works", size=7, chosen="country = US")) == [
        f"z{n:03}" for n in range(2, 300, 3)
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Siemens AG", "sie"),
        ("simens ag", "sie"),
        ("Seimens Finance", "sif"),
        ("acme corp", "acm"),
        ("amce corporation", "acm"),
        ("muller sohne", "mue"),
        ("MÜLLER", "mue"),
        ("logistic", "acn"),
        ("tomsen", "tho"),
        ("thompsen", "tho"),
    ],
)
async def test_a_name_is_found_in_spite_of_typing_errors(
    names: tuple[Pool, int, SupplierReader], text: str, found: str
) -> None:
    assert (await _search(names, text))[0] == found


@pytest.mark.parametrize("text", ["qwertz", "...", "x"])
async def test_what_is_like_no_name_is_not_found(names: tuple[Pool, int, SupplierReader], text: str) -> None:
    assert await _search(names, text) == []


async def test_pages_of_a_search_follow_likeness_and_hold_each_once(names: tuple[Pool, int, SupplierReader]) -> None:
    for text, every in (("siemens finance", ["sif", "sie"]), ("acme", ["acm", "acn"])):
        assert await _search(names, text) == every
        assert await _search(names, text, size=1) == every
        german = [code for code in every if NAMES[code][1] == "DE"]
        assert await _search(names, text, chosen="country = DE") == german


async def test_a_renamed_supplier_is_found_by_its_new_name_only(
    names: tuple[Pool, int, SupplierReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, tenant_id, _ = names
    assert await _search(names, "thomsen") == ["tho"]
    await SupplierStore(pool).upsert(tenant_id, [SupplierFields("tho", "Nakamura"), SupplierFields("new", "Nakamora")])
    assert await _search(names, "thomsen") == []
    assert await _search(names, "nakamura") == ["tho", "new"]
    monkeypatch.setattr(likeness, "MOST_CHANGED", 1)  # more have changed: the index is made anew
    assert await _search(names, "nakamura") == ["tho", "new"]


def test_the_index_counts_common_trigrams() -> None:
    index = index_names([7, 9], ["Acme Ltd", ""])
    assert index.likeness("acme").tolist() == [1.0, 0.0]
    assert index.likeness("acne").tolist() == [pytest.approx(2 / 5), 0.0]
    assert index.likeness("").tolist() == [0.0, 0.0]
    assert np.array_equal(index_names([], []).likeness("acme"), np.zeros(0))

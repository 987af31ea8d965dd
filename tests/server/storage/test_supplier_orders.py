"""Suppliers in the order of a figure: as sorting them would have it, from any place on, and never an old one."""

import asyncio
import struct
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci_server.filters import parse_filter
from vcci_server.storage import supplier_lists
from vcci_server.storage.pool import Pool
from vcci_server.storage.supplier_lists import COLUMNS, START, Listing, SupplierReader
from vcci_server.storage.supplier_orders import orders_of

from tests.server.stages import Stages, mixed_stages
from tests.server.stored_emissions import CODES

KEYS = st.sampled_from([-1.5, 0.0, 2.0, 2.5, 1e300])
FIGURES = st.dictionaries(st.integers(1, 30), st.tuples(KEYS, KEYS | st.none()), max_size=20)


@given(FIGURES, st.booleans(), KEYS, st.integers(0, 31))
def test_what_is_behind_a_place_is_what_sorting_has_behind_it(
    figures: dict[int, tuple[float, float | None]], descending: bool, key: float, supplier_id: int
) -> None:
    columns = (
        b"".join(struct.pack(">i", number) for number in figures),
        b"".join(struct.pack(">d", kg) for kg, _ in figures.values()),
        b"".join(struct.pack(">d", float("nan") if of is None else of) for _, of in figures.values()),
    )
    orders = orders_of(*columns) if figures else orders_of(None, None, None)
    for name, place in (("kg_co2e", 0), ("carbon_intensity", 1)):
        known = [(of[place], number) for number, of in figures.items() if of[place] is not None]
        expected = sorted(known, reverse=descending)
        assert orders[name].all(descending=descending).tolist() == [number for _, number in expected]
        behind = [item for item in expected if (item < (key, supplier_id) if descending else item > (key, supplier_id))]
        found = orders[name].behind(key, supplier_id, descending=descending).tolist()
        assert found == [number for _, number in behind]


@pytest.fixture
async def stages(pool: Pool) -> AsyncIterator[Stages]:
    """Uploads at every stage, folded."""
    async with mixed_stages(pool) as stages:
        await stages.fold(1_000)
        await stages.count()
        yield stages


async def _listed(reader: SupplierReader, stages: Stages, listing: Listing, size: int = 3) -> list[str]:
    codes: list[str] = []
    place = START
    while True:
        page = await reader.page(stages.store.tenant_id, listing, size, place)
        codes += [row["code"] for row in page.suppliers]
        if page.behind is None:
            return codes
        place = page.behind


def _by_kg(stages: Stages) -> list[str]:
    """Return the suppliers with emissions, those with the most first."""
    kg: dict[str, int] = {}
    for row in stages.store.visible:
        kg[row.supplier] = kg.get(row.supplier, 0) + row.terms[0]
    ids = dict(zip(CODES, stages.store.supplier_ids.tolist(), strict=True))
    return sorted(kg, key=lambda code: (kg[code], ids[code]), reverse=True)


async def test_an_order_follows_the_figures(stages: Stages) -> None:
    reader = SupplierReader(stages.store.pool, asyncio.to_thread)
    listing = Listing(frozenset({"code"}), parse_filter("kg_co2e:*"), "kg_co2e", descending=True)
    for change in (None, stages.uploads[0], stages.uploads[2]):
        if change is not None:
            await stages.store.abandon(change)
            await stages.count()
        assert await _listed(reader, stages, listing) == _by_kg(stages)


@pytest.mark.parametrize("few", [0, 2, 5_000])
@pytest.mark.parametrize("text", ["emission_count >= 8", "country = DE", "kg_co2e < 0", "NOT currency = EUR"])
@pytest.mark.parametrize("descending", [False, True])
async def test_a_filter_chooses_the_same_whether_looked_up_or_walked_to(
    stages: Stages, text: str, few: int, descending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supplier_lists, "FEW_CHOSEN", few)
    monkeypatch.setattr(supplier_lists, "MOST_WALKED", 2)
    reader = SupplierReader(stages.store.pool, asyncio.to_thread)
    tree = parse_filter(text)
    by_code = {row["code"]: row for row in await _rows(reader, stages, Listing(frozenset(COLUMNS), tree))}
    ordered = await _rows(reader, stages, Listing(frozenset(COLUMNS), tree, "carbon_intensity", descending))
    assert sorted(row["code"] for row in ordered) == sorted(by_code)
    known = [row["carbon_intensity"] for row in ordered if row["carbon_intensity"] is not None]
    assert known == sorted(known, reverse=descending)
    assert all(row["carbon_intensity"] is None for row in ordered[len(known) :])


async def _rows(reader: SupplierReader, stages: Stages, listing: Listing) -> list[supplier_lists.Row]:
    return [*(await reader.page(stages.store.tenant_id, listing, 1_000)).suppliers]

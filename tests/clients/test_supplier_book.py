"""The suppliers of a stream as the client sends them: whatever batches say, the server reads the same at each index."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vcci.v1.upload_service_pb2 import AppendActivitiesRequest
from vcci_client import supplier_book
from vcci_client.activities import Activities, Dictionary, IndexArray
from vcci_client.supplier_book import Bookkeeper, SupplierBook
from vcci_engine.suppliers import Suppliers
from vcci_server.supplier_messages import added_suppliers
from vcci_server.validation import BatchLimits

Triple = tuple[str, str, str]  # code, name, country

TRIPLES = st.tuples(
    st.sampled_from(["S1", "S2", "S3", "ÄÖ", ""]), st.sampled_from(["", "Acme"]), st.sampled_from(["", "DE", "FR"])
)
BATCHES = st.lists(st.lists(TRIPLES, min_size=1, max_size=8), max_size=6)


def batch(suppliers: Sequence[Triple]) -> Activities:
    """One row for each supplier; names and countries are left out where nobody has one."""
    codes, names, countries = ([triple[part] for triple in suppliers] for part in range(3))
    rows = len(suppliers)
    return Activities(
        supplier=Dictionary(codes, np.arange(rows, dtype=np.uint32)),
        names=names if any(names) else (),
        countries=countries if any(countries) else (),
        category=np.ones(rows, np.uint32),
        period=np.zeros(rows, np.int32),
        quantity=np.ones(rows),
        unit=Dictionary(["kg"], np.zeros(rows, np.uint32)),
    )


def received(book: SupplierBook) -> Suppliers:
    """The suppliers of a stream that was sent the book."""
    suppliers = Suppliers.of(())
    for page in book.pages:
        suppliers = added_suppliers(suppliers, AppendActivitiesRequest.FromString(page).suppliers, BatchLimits())
    return suppliers


def read(book: SupplierBook, index: IndexArray) -> list[Triple]:
    suppliers = received(book)
    names = suppliers.names or [""] * len(suppliers)
    return [(suppliers.codes[at], names[at], suppliers.country_of(at)) for at in index.tolist()]


@given(BATCHES)
def test_the_server_reads_at_each_index_what_the_batch_says(batches: list[list[Triple]]) -> None:
    book = SupplierBook()
    indices = [book.rows(batch(suppliers)) for suppliers in batches]
    for suppliers, index in zip(batches, indices, strict=True):
        assert read(book, index) == suppliers


@given(BATCHES)
def test_codes_that_share_a_slot_are_told_apart(batches: list[list[Triple]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supplier_book, "SLOTS", 2)
        book = SupplierBook()
        indices = [book.rows(batch(suppliers)) for suppliers in batches]
    for suppliers, index in zip(batches, indices, strict=True):
        assert read(book, index) == suppliers


def test_a_supplier_is_sent_once_and_again_only_with_news() -> None:
    book = SupplierBook()
    first = [("S1", "", "DE"), ("S2", "", "")]
    assert book.rows(batch(first)).tolist() == [0, 1]
    assert book.rows(batch(first[::-1])).tolist() == [1, 0]
    assert len(book.pages) == 1
    assert book.rows(batch([("S2", "Acme", ""), ("S3", "", "")])).tolist() == [2, 3]
    assert book.rows(batch([("S2", "Acme", "")])).tolist() == [2]
    assert (len(book.pages), len(book)) == (2, 4)


def test_many_suppliers_go_out_in_pages() -> None:
    name = "A" * supplier_book.PAGE_CHARACTERS
    suppliers = [("S1", "Acme", ""), ("S2", name, "DE"), ("S3", "", "FR"), ("S4", name, "")]
    book = SupplierBook()
    places = book.rows(batch(suppliers))
    pages = [AppendActivitiesRequest.FromString(page).suppliers for page in book.pages]
    assert [page.first for page in pages] == [0, 1, 3]
    assert [list(page.codes) for page in pages] == [["S1"], ["S2", "S3"], ["S4"]]
    assert places.tolist() == [0, 1, 2, 3]


def test_of_a_dictionary_of_tuples_that_batches_share_what_rows_use_is_sent_once() -> None:
    keeper = Bookkeeper(most_suppliers=3)
    every = replace(batch([("S1", "", "DE"), ("S2", "", ""), ("S3", "", "")]), countries=("DE", "", ""))
    every = replace(every, supplier=Dictionary(("S1", "S2", "S3"), every.supplier.index))
    book = keeper.book_for(every)
    assert book is not None
    assert read(book, book.rows(every.slice(1, 2))) == [("S2", "", "")]
    assert (len(book.pages), len(book)) == (1, 1)
    assert keeper.book_for(every) is book
    assert read(book, book.rows(every)) == [("S1", "", "DE"), ("S2", "", ""), ("S3", "", "")]
    assert (len(book.pages), len(book)) == (2, 3)
    assert read(book, book.rows(every)) == [("S1", "", "DE"), ("S2", "", ""), ("S3", "", "")]
    assert (len(book.pages), len(book)) == (2, 3)


def test_a_list_that_was_changed_between_batches_is_looked_through_again() -> None:
    book = SupplierBook()
    activities = batch([("S1", "", ""), ("S2", "", "")])
    assert book.rows(activities).tolist() == [0, 1]
    codes = activities.supplier.entries
    assert isinstance(codes, list)
    codes[:] = ["S2", "S3"]
    assert read(book, book.rows(activities)) == [("S2", "", ""), ("S3", "", "")]


def test_another_book_is_begun_when_a_stream_has_as_many_suppliers_as_it_may() -> None:
    keeper = Bookkeeper(most_suppliers=3)
    two, three = batch([("S1", "", ""), ("S2", "", "")]), batch([("S3", "", ""), ("S4", "", ""), ("S5", "", "")])
    first = keeper.book_for(two)
    assert first is not None
    first.rows(two)
    second = keeper.book_for(three)
    assert second is not None
    assert second is not first
    assert second.rows(three).tolist() == [0, 1, 2]
    assert keeper.book_for(batch([(f"S{number}", "", "") for number in range(4)])) is None

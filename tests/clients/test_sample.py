"""The sample of the demo."""

import csv
from collections import Counter
from importlib.resources import files
from pathlib import Path

from vcci_client.demo.run import batches_by_place
from vcci_client.demo.sample import ACTIVITIES, KINDS, MISTAKES, QUARTERS, SUPPLIERS, rows, write_sample

from tests.clients.samples import read


def test_the_sample_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one.csv", "other.csv"):
        write_sample(tmp_path / name, suppliers=100, activities=2_000)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()


def test_the_sample_is_as_large_and_as_uneven_as_it_says() -> None:
    made = rows(SUPPLIERS, ACTIVITIES)
    often = Counter(row["supplier_code"] for row in made)
    assert len(made) == ACTIVITIES
    assert len(often) == SUPPLIERS + 1  # and the rows that lost theirs
    assert often.most_common(1)[0][1] > 1_000
    assert {row["category"] for row in made} >= {str(kind.category) for kind in KINDS}
    assert {row["reporting_period"] for row in made} >= set(QUARTERS)
    assert abs(sum(kind.share for kind in KINDS) - 1) < 1e-9


def test_about_one_row_in_a_hundred_is_wrong_in_every_way() -> None:
    right_quarters = {quarter[:4] for quarter in QUARTERS}
    wrong = Counter(
        kind
        for row in rows(SUPPLIERS, ACTIVITIES)
        for kind, is_wrong in {
            "negative": row["quantity"].startswith("-"),
            "no number": row["quantity"].endswith("approx.") or not row["quantity"],
            "factor": row["factor"] == "naics:999999",
            "unit": row["unit"] == "crate" or (row["unit"], row["factor"]) == ("kWh", "material:steel"),
            "supplier": not row["supplier_code"],
            "date": row["reporting_period"][:4] not in right_quarters or row["reporting_period"].endswith("-13-45"),
            "category": row["category"] == "21",
        }.items()
        if is_wrong
    )
    assert len(wrong) == 7
    assert len(MISTAKES) == 10
    assert 0.008 * ACTIVITIES < wrong.total() < 0.012 * ACTIVITIES


def test_every_factor_of_the_sample_is_in_the_starter_set() -> None:
    text = files("vcci_server").joinpath("data/starter_factors.csv").read_text("utf-8")
    starter = {f"{row['source']}:{row['code']}" for row in csv.DictReader(text.splitlines())}
    assert {factor for kind in KINDS for factor in kind.factors if factor} <= starter


def test_the_sample_is_a_file_of_our_own(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample.csv", suppliers=100, activities=2_000)
    batches = read(tmp_path / "sample.csv")
    assert sum(map(len, batches)) == 2_000
    assert set(batches[0].inputs) == {"supplier_factor", "distance", "nights"}


def test_where_batches_ran_is_read_from_the_metrics() -> None:
    metrics = (
        "# TYPE vcci_ingest_batches_total counter\n"
        'vcci_ingest_batches_total{form="columns",place="in_process"} 7.0\n'
        'vcci_ingest_batches_total{form="rows",place="ray"} 2.0\n'
        'vcci_ingest_batches_created{form="rows",place="ray"} 1.7e+09\n'
    )
    assert batches_by_place(metrics) == {("columns", "in_process"): 7, ("rows", "ray"): 2}

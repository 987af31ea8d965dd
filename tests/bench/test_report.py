"""From measurements to a verdict."""

from typing import Any

import pytest

from bench import report
from bench.sizes import QUICK, Sizes


def raw(**result: Any) -> dict[str, Any]:
    """Return pytest-benchmark's JSON of one benchmark with one result."""
    results = [{"name": "ratio", "values": [1.0, 3.0, 2.0], "at_least": None, "at_most": None, **result}]
    contenders = {"ours": {"rows/s": [3e6, 1e6, 2e6]}}
    extra_info = {
        "question": "How fast?",
        "contenders": contenders,
        "results": results,
        "curves": {"MB": [1.0, 2.0]},
        "left_out": {},
    }
    return {
        "datetime": "2026-01-02T03:04:05",
        "commit_info": {"id": "c0ffee", "dirty": False},
        "machine_info": {"cores": 2},
        "benchmarks": [{"name": "test_speed", "extra_info": extra_info}],
    }


@pytest.mark.parametrize("bound", [{"at_least": 2.5}, {"at_most": 1.5}])
def test_a_median_beyond_its_bound_is_missed(bound: dict[str, float]) -> None:
    measured = report.build(raw(**bound), Sizes(), judged=True)
    assert len(report.missed(measured)) == 1
    assert "**missed**" in report.markdown(measured)


@pytest.mark.parametrize("bound", [{}, {"at_least": 2.0}, {"at_most": 2.0}])
def test_a_median_within_its_bound_is_not_missed(bound: dict[str, float]) -> None:
    assert report.missed(report.build(raw(**bound), Sizes(), judged=True)) == []


def test_a_quick_run_judges_nothing_and_says_so() -> None:
    measured = report.build(raw(at_least=2.5), QUICK, judged=False)
    assert report.missed(measured) == []
    assert "too short to judge" in report.markdown(measured)


def test_the_page_has_medians_with_their_spread() -> None:
    page = report.markdown(report.build(raw(), Sizes(), judged=True))
    assert "| ours | 2 M (1 M–3 M) |" in page
    assert "| ratio | 2 (1–3) |" in page


def test_the_page_says_who_was_left_out_and_why() -> None:
    without = raw()
    without["benchmarks"][0]["extra_info"]["left_out"] = {"a peer": "it has no environment"}
    assert "Left out: a peer: it has no environment." in report.markdown(report.build(without, Sizes(), judged=True))


def test_sizes_are_changed_by_name() -> None:
    assert Sizes().changed(["rounds=3", "rate=12.5"]) == Sizes(rounds=3, rate=12.5)
    assert Sizes.from_json(QUICK.to_json()) == QUICK
    with pytest.raises(ValueError, match="row=1"):
        Sizes().changed(["row=1"])

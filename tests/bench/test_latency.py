"""Latencies in a histogram."""

import pytest

pytest.importorskip("hdrh", reason="hdrhistogram has no wheel here")

from bench.latency import Latencies


def test_a_percentile_is_right_to_three_digits() -> None:
    latencies = Latencies(number * 1.234e-4 for number in range(1, 10_001))
    assert len(latencies) == 10_000
    for percent in (50.0, 95.0, 99.0, 99.9, 100.0):
        assert latencies.percentile_ms(percent) == pytest.approx(percent * 12.34, rel=1e-3)


def test_the_curve_rises_to_the_longest_and_is_denser_towards_it() -> None:
    curve = Latencies(number / 1e3 for number in range(1, 1_001)).curve()
    percents, milliseconds = zip(*curve, strict=True)
    assert list(percents) == sorted(percents)
    assert list(milliseconds) == sorted(milliseconds)
    assert percents[-1] == 100.0
    assert milliseconds[-1] == pytest.approx(1_000, rel=1e-3)
    assert sum(percent > 90 for percent in percents) > sum(percent < 50 for percent in percents)


def test_histograms_add_up_and_come_back_from_text() -> None:
    added = Latencies([0.001, 0.002])
    added += Latencies([0.004])
    again = Latencies.decoded(added.encoded())
    assert len(again) == 3
    assert again.curve() == added.curve()


def test_what_no_histogram_holds_counts_as_the_nearest_that_it_holds() -> None:
    latencies = Latencies([-1.0, 1e9])
    assert len(latencies) == 2
    assert latencies.percentile_ms(1) == pytest.approx(0.001)
    assert latencies.percentile_ms(100) == pytest.approx(3.6e6, rel=1e-3)

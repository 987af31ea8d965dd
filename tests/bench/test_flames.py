"""Flame graphs, and those that are kept."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import flames

KEPT = Path(flames.__file__).parent / "results" / "profiles"
MOST_BYTES = 300_000
RAW = """\
thread (12): vcci-work_0;Thread.run (threading.py:971);calculate (vcci_engine/calculate.py:31);0x7f01 (numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so) 6
thread (13): vcci-work_1;Thread.run (threading.py:971);calculate (vcci_engine/calculate.py:31) 1
thread (14): vcci-work_2;_worker (concurrent/futures/thread.py:69);_queue_SimpleQueue_get (_queuemodule.c:177) 90
thread (11): MainThread;main (/home/someone/project/tool.py:3);0x7f02 (/usr/lib/libz.so.1) 3
"""  # noqa: E501  as py-spy writes them


def test_threads_that_wait_are_left_out() -> None:
    assert flames.parse(RAW).total() == 10


def test_threads_of_a_pool_are_one_and_addresses_are_libraries() -> None:
    stacks = flames.parse(RAW)
    calculate = "calculate (vcci_engine/calculate.py:31)"
    assert stacks["vcci-work", calculate, "(numpy/_core/_multiarray_umath.so)"] == 6
    assert stacks["vcci-work", calculate] == 1


def test_nothing_tells_of_the_machine() -> None:
    assert "someone" not in flames.draw("all", flames.parse(RAW))


def test_the_largest_share_is_told_by_function_and_whose_code_it_called() -> None:
    assert next(flames.largest(flames.parse(RAW))) == " 60.0%  NumPy, from calculate (vcci_engine/calculate.py:31)"


def test_a_frame_is_as_wide_as_its_share() -> None:
    root = ElementTree.fromstring(flames.draw("all", flames.parse(RAW)))
    widths = {
        title.text: float(group[1].get("width", 0))
        for group in root.iter("{http://www.w3.org/2000/svg}g")
        for title in group.iter("{http://www.w3.org/2000/svg}title")
    }
    assert widths["vcci-work: 70.0%"] / widths["MainThread: 30.0%"] == pytest.approx(7 / 3, rel=1e-2)


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.svg")), ids=lambda path: path.name)
def test_a_kept_picture_is_small_and_has_no_path_of_the_machine(path: Path) -> None:
    text = path.read_text()
    assert len(text) < MOST_BYTES
    assert not re.search(r"\(/|/(home|root|tmp|work|usr)/", text)
    assert ElementTree.fromstring(text).get("viewBox")


def test_every_hot_path_has_a_picture() -> None:
    paths = {"calculate", "dashboard", "folding", "ingest_client", "ingest_server", "stream_emissions"}
    assert {path.stem for path in KEPT.glob("*.svg")} == paths

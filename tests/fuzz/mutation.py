"""Bytes that are nearly right: a seed with some edits."""

from collections.abc import Sequence

from hypothesis import strategies as st

INTERESTING = (
    *(
        b"\x00",
        b"\xff",
        b"\x80",
        b"\x7f",
        b"\xff\xff\xff\xff\x0f",
        b"\xff" * 9 + b"\x01",
        bytes(8),
        b"\x00" * 6 + b"\xf8\x7f",
    ),
    *(b"-1", b"1e999", b"nan", b"inf", b"99999999999999999999", b"0x10", b"'", b'"', b"\\", b"\n", b"\r\n", b",", b";"),
    *(b"(" * 50, b"[" * 50, b"{", b"}", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", "\u0662".encode()),
)
pieces = st.one_of(st.sampled_from(INTERESTING), st.binary(max_size=8))
edits = st.tuples(st.floats(0, 1), st.integers(0, 16), pieces, st.sampled_from(("put", "insert", "cut", "copy")))


def edited(seed: bytes, changes: "Sequence[tuple[float, int, bytes, str]]") -> bytes:
    """Return a seed after some edits, each at a fraction of its length."""
    data = seed
    for place, length, piece, kind in changes:
        at = int(place * len(data))
        match kind:
            case "put":
                data = data[:at] + piece + data[at + len(piece) :]
            case "insert":
                data = data[:at] + piece + data[at:]
            case "cut":
                data = data[:at] + data[at + length :]
            case _:
                data = data[:at] + data[at : at + length] * 3 + data[at + length :]
    return data


def near(seeds: Sequence[bytes]) -> "st.SearchStrategy[bytes]":
    """Bytes near the seeds, and now and then any bytes."""
    return st.one_of(
        st.builds(edited, st.sampled_from(seeds), st.lists(edits, min_size=1, max_size=6)),
        st.binary(max_size=200),
    )

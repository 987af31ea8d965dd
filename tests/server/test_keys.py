"""Key sets of token issuers: which keys are taken, and that changes are followed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from vcci_engine.errors import Unavailable
from vcci_server.keys import FETCH_AGAIN_S, UNREADABLE, KeySet, read_keys
from vcci_server.tasks import running

from tests.server.key_sets import IssuerKey, key_set
from tests.waiting import until

OLD, NEW = IssuerKey("EdDSA", "old"), IssuerKey("EdDSA", "new", 1)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_key_of_each_algorithm_is_taken(algorithm: str) -> None:
    entry = IssuerKey(algorithm, "k").public()
    assert read_keys(key_set(entry))["k"].algorithm_name == algorithm
    del entry["alg"], entry["use"]
    assert read_keys(key_set(entry))["k"].algorithm_name == algorithm


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA", "kid": "k", "alg": "HS256"},
        IssuerKey("ES384", "k").public(),
        IssuerKey("RS256 short", "k").public(),
        OLD.public(use="enc"),
        OLD.public(key_ops=["encrypt"]),
        OLD.public(crv="Ed448"),
        OLD.public(kid=None),
        OLD.public(kid=7),
        {"kty": "EC"},
    ],
    ids=[
        "symmetric",
        "ES384",
        "short",
        "for encryption",
        "not to verify",
        "curve",
        "id of nothing",
        "id of a number",
        "incomplete",
    ],
)
def test_other_keys_are_left_out(entry: dict[str, object]) -> None:
    assert set(read_keys(key_set(entry, OLD.public()))) == {"old"}
    with pytest.raises(ValueError, match="no key for"):
        read_keys(key_set(entry))


def test_a_key_without_an_id_counts_when_it_is_the_only_one() -> None:
    nameless = {name: value for name, value in NEW.public().items() if name != "kid"}
    assert set(read_keys(key_set(nameless))) == {""}
    assert set(read_keys(key_set(nameless, OLD.public()))) == {"old"}


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": [7]}', b"\xff", b"[" * 100_000])
def test_what_is_no_key_set_is_told(data: bytes) -> None:
    with pytest.raises(UNREADABLE):
        read_keys(data)


async def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(OLD.public()))
    keys, changes = KeySet(str(file)), []
    keys.on_change = lambda: changes.append("changed")
    assert await keys.find("old")
    assert await keys.find("new") is None
    file.write_bytes(key_set(NEW.public(), OLD.public(x=NEW.public()["x"])))
    assert await keys.find("new")
    assert await keys.find("old")
    file.write_bytes(b"not a key set")
    assert await keys.find("other") is None
    assert await keys.find("new")
    assert len(changes) == 2


async def test_a_key_that_was_taken_away_is_not_taken_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vcci_server.keys.LOOK_EVERY_S", 0.01)
    file = tmp_path / "keys.json"
    file.write_bytes(key_set(OLD.public()))
    keys = KeySet(str(file))
    async with running(keys.follow()):
        assert await keys.find("old")
        file.write_bytes(key_set(NEW.public()))
        await until(lambda: _lacks(keys, "old"))


async def _lacks(keys: KeySet, key_id: str) -> bool:
    return await keys.find(key_id) is None


async def test_without_any_key_nobody_is_told_that_the_token_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as raised:
        await KeySet(str(tmp_path / "none.json")).find("old")
    assert raised.value.reason == "KEYS_UNAVAILABLE"


class Site:
    """What a web server tells, and how often it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.told = key_set(OLD.public())
        self.moved_to = ""
        self.asked = 0


@contextmanager
def site() -> Iterator[Site]:
    tells = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tells.asked += 1
            self.send_response(302 if tells.moved_to else 200)
            self.send_header("Location", tells.moved_to)
            self.end_headers()
            self.wfile.write(tells.told)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        tells.url = f"http://127.0.0.1:{server.server_port}/keys"
        yield tells
        server.shutdown()
        thread.join()


@pytest.fixture
def told() -> Iterator[Site]:
    with site() as told:
        yield told


class Clock:
    now = 0.0


def _clock(clock: Clock) -> Callable[[], float]:
    return lambda: clock.now


async def test_a_url_is_fetched_again_for_a_new_key_but_not_for_every_token(told: Site) -> None:
    clock = Clock()
    keys = KeySet(told.url, clock=_clock(clock))
    assert await keys.find("old")
    told.told = key_set(NEW.public())
    for number in range(5):
        assert await keys.find(f"made up {number}") is None
    assert told.asked == 1
    clock.now += FETCH_AGAIN_S
    assert await keys.find("new")
    assert await keys.find("old") is None
    assert told.asked == 2


async def test_a_url_that_fails_leaves_the_keys_as_they_are(told: Site) -> None:
    clock = Clock()
    keys = KeySet(told.url, clock=_clock(clock))
    assert await keys.find("old")
    told.told = b"maintenance"
    clock.now += FETCH_AGAIN_S
    assert await keys.find("new") is None
    assert await keys.find("old")


async def test_a_redirect_is_not_followed(told: Site) -> None:
    with site() as other:
        told.moved_to = other.url
        with pytest.raises(Unavailable):
            await KeySet(told.url).find("old")
        assert other.asked == 0

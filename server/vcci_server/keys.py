"""The public keys of a token issuer: a JSON Web Key Set, from a file or a URL, followed as it changes.

A file is read again when it has changed. A URL is fetched again every few minutes, and when a token names a key that
is not known, at most every few seconds, whatever the tokens say.
"""

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jwt import PyJWK
from jwt.exceptions import PyJWTError
from vcci_engine.errors import Unavailable

from vcci_server.changing import LOOK_EVERY_S, ChangingFiles

ALGORITHMS = ("EdDSA", "ES256", "RS256")  # no symmetric one: a public key is no secret
FETCH_EVERY_S = 300.0
FETCH_AGAIN_S = 10.0  # for a key that is not known, at the soonest
FETCH_WITHIN_S = 10.0
MOST_BYTES = 1 << 20

# What a key set that is not one, or a server that is none, can end in.
UNREADABLE = (OSError, HTTPException, ValueError, TypeError, LookupError, AttributeError, RecursionError)

logger = logging.getLogger(__name__)

Keys = Mapping[str, PyJWK]  # by key id; the only one that has none under ""


class KeySet:
    """The keys that `source`, a path or a URL, has now."""

    def __init__(self, source: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._url = is_url(source)
        self._clock = clock
        self._data = b""
        self._keys: Keys = {}
        self._tried_at = float("-inf")
        self._file = ChangingFiles(source)
        self._reading = asyncio.Lock()
        self.on_change: Callable[[], None] = lambda: None  # after keys went or came

    async def find(self, key_id: str) -> PyJWK | None:
        """Return the key of this id, after looking for it anew where it is not known; None when there is none.

        Raises Unavailable while no keys could be had at all.
        """
        if key_id not in self._keys:
            await self._refresh(FETCH_AGAIN_S)
        if not self._keys:
            raise Unavailable("The keys of the token issuer cannot be had: try again", reason="KEYS_UNAVAILABLE")
        return self._keys.get(key_id)

    async def follow(self) -> None:
        """Go on looking for changes."""
        while True:
            await self._refresh(FETCH_EVERY_S)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _refresh(self, least_age_s: float) -> None:
        async with self._reading:  # those who wait find it done
            if not self._is_due(least_age_s):
                return
            self._tried_at = self._clock()
            try:
                self._take(await asyncio.to_thread(_fetch if self._url else _read, self._source))
            except UNREADABLE as error:
                logger.warning("the keys of the token issuer cannot be read; the last ones stay: %s", error)

    def _is_due(self, least_age_s: float) -> bool:
        if self._url:
            return self._clock() - self._tried_at >= least_age_s
        return self._file.have_changed()

    def _take(self, data: bytes) -> None:
        if data == self._data:
            return
        keys = read_keys(data)
        self._data, self._keys = data, keys
        logger.info("the token issuer has the keys %s", sorted(keys))
        self.on_change()


def is_url(source: str) -> bool:
    """Tell whether keys are fetched rather than read."""
    return "://" in source


def may_be_fetched(url: str) -> bool:
    """Tell whether nobody on the way can change what is fetched: TLS, or this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost"))


def read_keys(data: bytes) -> Keys:
    """Return the usable signature keys of a JSON Web Key Set; raise one of UNREADABLE when there are none."""
    listed = json.loads(data)["keys"]
    keys: dict[str, PyJWK] = {}
    for entry in listed:
        if (key := _key(entry)) is not None:
            keys[entry.get("kid", "")] = key
    if not keys:
        raise ValueError(f"no key for {', '.join(ALGORITHMS)} in the key set")
    if "" in keys and len(keys) > 1:
        del keys[""]  # no token could say that it means this one
    return keys


def _key(entry: Mapping[str, Any]) -> PyJWK | None:
    if not isinstance(entry.get("kid", ""), str):
        return None
    if entry.get("use", "sig") != "sig" or "verify" not in entry.get("key_ops", ["verify"]):
        return None
    try:
        key = PyJWK.from_dict(dict(entry))
    except (PyJWTError, ValueError, TypeError):  # of a kind that we do not take: the set may have others
        return None
    too_short = key.algorithm_name == "RS256" and key.key.key_size < 2_048
    return key if key.algorithm_name in ALGORITHMS and not too_short else None


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The keys come from where the operator said."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _fetch(url: str) -> bytes:
    with _OPENER.open(url, timeout=FETCH_WITHIN_S) as response:
        data: bytes = response.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"{url} has more than {MOST_BYTES} bytes")
    return data

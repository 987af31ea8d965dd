"""The server's end of a Ray driver: many calls at once over one socket."""

import asyncio
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import TypeVar, cast

from vcci_cluster import wire
from vcci_cluster.errors import RayLost
from vcci_cluster.ray_process import RayProcess
from vcci_cluster.work import RayOptions, Work

R = TypeVar("R")
Outcome = tuple[bool, object]  # succeeded; the result, or the error to raise
SHARED_VALUES = 16


class RayLink:
    """Calls to one driver process. When it dies, `lost` is set and every call raises RayLost.

    Pickling and sending happen on one thread, reading and unpickling on another, never on the event loop.
    """

    def __init__(self, process: RayProcess) -> None:
        self.lost = asyncio.Event()
        self.cpus = process.cpus
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._calls: dict[int, asyncio.Future[Outcome]] = {}
        self._ids = count()
        self._shared = SharedValues(process)
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="ray-send")
        self._reader = threading.Thread(target=self._read, name="ray-read", daemon=True)
        self._reader.start()

    @classmethod
    async def open(cls, address: str, token: str | None, options: RayOptions) -> "RayLink":
        """Start a driver and wait until a Ray worker answers; raise RayUnavailable."""
        process = await asyncio.to_thread(RayProcess, address, token, options)
        try:
            await asyncio.to_thread(process.connect, options.start_timeout_s)
        except BaseException:
            await asyncio.to_thread(process.stop, politely=False)
            raise
        return cls(process)

    async def call(self, work: Work[R], resource: str | None) -> R:
        """Run a work on Ray; return its result, raise its error, or raise RayLost."""
        if self.lost.is_set():
            raise RayLost(self.last_words())
        call, outcome = next(self._ids), self._loop.create_future()
        self._calls[call] = outcome
        try:
            await self._loop.run_in_executor(self._sender, self._send, call, work, resource)
            succeeded, value = await outcome
        except OSError as error:
            raise RayLost(str(error)) from error
        except asyncio.CancelledError:
            self._sender.submit(self._send_cancel, call)
            raise
        finally:
            del self._calls[call]
        if succeeded:
            return cast(R, value)
        raise cast(Exception, value)

    def last_words(self) -> str:
        """Return what the driver said last."""
        return self._process.last_words()

    async def close(self) -> None:
        """End the driver and, if it started one, the local Ray."""
        await asyncio.to_thread(self._close, politely=not self.lost.is_set())

    def _close(self, *, politely: bool) -> None:
        self._process.hang_up()
        self._sender.shutdown()
        self._reader.join()
        self._process.stop(politely=politely)

    def _send(self, call: int, work: Work[R], resource: str | None) -> None:
        payload = wire.pack((work.function, work.args))
        keys = tuple(self._shared.key(value) for value in work.shared)
        wire.send(self._process.socket, wire.Run(call, keys, resource), payload)
        self._shared.trim()

    def _send_cancel(self, call: int) -> None:
        with suppress(OSError):
            wire.send(self._process.socket, wire.Cancel(call))

    def _read(self) -> None:
        with suppress(RuntimeError):  # the event loop closed without us
            while frame := wire.receive(self._process.socket):
                match frame:
                    case wire.Done(call), payload:
                        self._loop.call_soon_threadsafe(self._settle, call, _outcome(payload))
                    case wire.Lost(call, reason), _:
                        self._loop.call_soon_threadsafe(self._settle, call, (False, RayLost(reason)))
            self._loop.call_soon_threadsafe(self._end)

    def _settle(self, call: int, outcome: Outcome) -> None:
        future = self._calls.get(call)
        if future and not future.done():
            future.set_result(outcome)

    def _end(self) -> None:
        self.lost.set()
        for call in self._calls:
            self._settle(call, (False, RayLost(self.last_words())))


class SharedValues:
    """Values that the driver keeps in the object store, by identity: the ones used last."""

    def __init__(self, process: RayProcess) -> None:
        self._process = process
        self._kept: OrderedDict[int, tuple[int, object]] = OrderedDict()  # by id: key, and value, to own the id
        self._keys = count()

    def key(self, value: object) -> int:
        """Return the key of a value, after sending it if it is new."""
        if id(value) not in self._kept:
            key = next(self._keys)
            wire.send(self._process.socket, wire.Share(key), wire.pack(value))
            self._kept[id(value)] = key, value
        self._kept.move_to_end(id(value))
        return self._kept[id(value)][0]

    def trim(self) -> None:
        """Forget the values unused for longest; call it after the call that needs the latest ones was sent."""
        while len(self._kept) > SHARED_VALUES:
            _, (key, _) = self._kept.popitem(last=False)
            wire.send(self._process.socket, wire.Unshare(key))


def _outcome(payload: wire.Buffers) -> Outcome:
    try:
        return cast(Outcome, wire.unpack(payload))
    except Exception as error:  # an error class whose pickle does not load: this process will raise the original
        return False, RayLost(f"the answer cannot be unpickled: {error}")

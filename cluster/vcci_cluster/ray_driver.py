"""The Ray driver, a process of its own, and the function that Ray's workers run. The one file that imports ray.

Ray ends its driver's process when the head stays away, blocks those who submit meanwhile, and replaces signal handlers
and excepthook (docs/decisions/0003). So the driver is a child of the server: it relays payloads that it never
unpickles, and when it dies the server computes on.
"""

import os
import pickle
import queue
import shutil
import socket
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any

import ray
from ray.exceptions import RayError

from vcci_cluster import wire

CHECK_EVERY_S = 1.0
CHECKS_UNTIL_LOST = 3
SHARED_VALUES_PER_WORKER = 16


def run(shared: Sequence[Any], payload: wire.Buffers) -> list[pickle.PickleBuffer]:
    """Run a work in a worker process; return the payload of (succeeded, result or error)."""
    function, args = wire.unpack(payload)  # a worker of another release may fail here: that is Ray's loss, not an error
    try:
        return _buffers((True, function(*map(_shared_value, shared), *args)))
    except Exception as error:
        error.add_note(f"In a Ray worker:\n{traceback.format_exc()}")
        return _buffers((False, error))


@lru_cache(SHARED_VALUES_PER_WORKER)
def _shared_value(reference: Any) -> object:
    return wire.unpack(ray.get(reference))


def _buffers(value: object) -> list[pickle.PickleBuffer]:
    return [pickle.PickleBuffer(part) for part in wire.pack(value)]


class Driver:
    """Relays frames from the server to Ray's tasks and back, until the server closes the socket."""

    def __init__(self, server: socket.socket, task: Any, kill_after_s: float) -> None:
        self._server = server
        self._task = task
        self._kill_after_s = kill_after_s
        self._shared: dict[int, Any] = {}
        self._running: dict[int, Any] = {}
        self._answers: queue.SimpleQueue[tuple[wire.Message, wire.Buffers]] = queue.SimpleQueue()
        threading.Thread(target=self._send_answers, daemon=True).start()

    def serve(self) -> None:
        """Do what the frames ask for; return when the server has gone."""
        while frame := wire.receive(self._server):
            match frame:
                case wire.Share(key), payload:
                    with suppress(RayError):  # the calls that need it are told
                        self._shared[key] = ray.put([pickle.PickleBuffer(part) for part in payload])
                case wire.Unshare(key), _:
                    self._shared.pop(key, None)
                case wire.Run() as call, payload:
                    self._start(call, payload)
                case wire.Cancel(call), _:
                    self._cancel(call)

    def answer(self, message: wire.Message, payload: wire.Buffers = ()) -> None:
        """Send a frame to the server, from any thread."""
        self._answers.put((message, payload))

    def _start(self, call: wire.Run, payload: wire.Buffers) -> None:
        resources = {call.resource: 1} if call.resource else None
        try:
            shared = [self._shared[key] for key in call.shared]
            arguments = [pickle.PickleBuffer(part) for part in payload]
            reference = self._task.options(resources=resources).remote(shared, arguments)
        except (KeyError, RayError) as error:
            self.answer(wire.Lost(call.call, repr(error)))
            return
        self._running[call.call] = reference
        reference.future().add_done_callback(partial(self._finish, call.call))

    def _finish(self, call: int, outcome: Future[wire.Buffers]) -> None:
        self._running.pop(call, None)
        if error := outcome.exception():
            self.answer(wire.Lost(call, f"{type(error).__name__}: {error}"))
        else:
            self.answer(wire.Done(call), outcome.result())

    def _cancel(self, call: int) -> None:
        if call not in self._running:
            return
        _cancel(self._running, call, force=False)
        killer = threading.Timer(self._kill_after_s, _cancel, (self._running, call), {"force": True})
        killer.daemon = True
        killer.start()

    def _send_answers(self) -> None:
        while True:
            wire.send(self._server, *self._answers.get())


def _cancel(running: dict[int, Any], call: int, *, force: bool) -> None:
    if reference := running.get(call):
        with suppress(RayError):
            ray.cancel(reference, force=force)


def _watch(addresses: Sequence[tuple[str, int]]) -> None:
    """End this process when the node's raylet or the head has been deaf for some seconds: tasks would wait for ever."""
    misses = 0
    while misses < CHECKS_UNTIL_LOST:
        time.sleep(CHECK_EVERY_S)
        misses = 0 if all(map(_listens, addresses)) else misses + 1
    print("Ray's head or this node's raylet does not answer any more", file=sys.stderr, flush=True)
    os._exit(1)


def _listens(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=CHECK_EVERY_S):
            return True
    except OSError:
        return False


def _connect(start: wire.Start) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if start.address != "local":
        if start.address != "auto" and not _listens(_endpoint(start.address)):  # Ray would try for a minute
            raise ConnectionError("nothing listens there")
        ray.init(start.address, **quiet)
        return
    ray.init(
        "local",
        num_cpus=start.cpus,
        object_store_memory=start.object_store_bytes,
        include_dashboard=False,
        _temp_dir=f"{start.folder}/ray",  # Ray opens this one to all users, but not its parent
        _system_config={"prestart_worker_first_driver": False, "enable_metrics_collection": False},
        **quiet,
    )


def _addresses() -> list[tuple[str, int]]:
    """Return where this node's raylet and the head listen."""
    context = ray.get_runtime_context()
    node = next(node for node in ray.nodes() if node["NodeID"] == context.get_node_id())  # type: ignore[no-untyped-call]
    return [(node["NodeManagerAddress"], node["NodeManagerPort"]), _endpoint(context.gcs_address)]


def _endpoint(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        raise ValueError("expected local, auto or host:port")
    return host.strip("[]"), int(port)


def _open(start: wire.Start) -> Any:
    """Join or start Ray and return the task, proven to run on a worker."""
    _connect(start)
    # The server repeats lost calls itself: it counts them, and knows when to give up.
    task: Any = ray.remote(max_retries=0, max_calls=start.max_calls)(run)
    ray.get(task.options(num_cpus=0).remote([], _buffers((abs, (1,)))))
    return task


def main() -> None:
    """Serve the socket whose descriptor is the last argument."""
    server = socket.socket(fileno=int(sys.argv[-1]))
    start, _ = wire.receive(server) or sys.exit(1)
    assert isinstance(start, wire.Start)
    try:
        task = _open(start)
    except Exception as error:
        wire.send(server, wire.Refused(_last_lines(error)))
        return
    threading.Thread(target=_watch, args=(_addresses(),), daemon=True).start()
    driver = Driver(server, task, start.kill_after_s)
    cpus = ray.cluster_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
    driver.answer(wire.Ready(int(cpus)))
    driver.serve()
    ray.shutdown(wait_for_processes=True)
    shutil.rmtree(start.folder, ignore_errors=True)


def _last_lines(error: BaseException) -> str:
    """Return the message of an error and the last line of its cause's, which quotes a traceback."""
    cause = str(error.__cause__).rstrip().rpartition("\n")[-1] if error.__cause__ else ""
    return f"{error}: {cause}" if cause else str(error)

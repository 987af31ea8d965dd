"""Carries operations on, in the process that leads: each is done from its beginning, and what it comes to is stored.

Tasks only read, so that one that is lost with its process is begun anew by the next leader.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

from google.protobuf.any_pb2 import Any
from vcci.v1 import operation_pb2
from vcci_cluster import TimeLimitExceeded
from vcci_engine.errors import Overloaded, Unavailable, VcciError

from vcci_server.operation_tasks import Tasks
from vcci_server.status import details_of
from vcci_server.storage import operations
from vcci_server.storage.audit import Actor, set_actor
from vcci_server.storage.operations import OperationRecord
from vcci_server.storage.pool import Pool, bind_tenant
from vcci_server.tasks import running

POLL_S = 0.5  # how often the leader looks for operations, and notes how far they are
MOST_AT_ONCE = 2  # each holds a connection to the database
ACTION = "OperationService.StartOperation"  # what events of reports that it makes have
TIME_LIMIT_S = 900.0  # from when it began first, whatever processes did it

logger = logging.getLogger(__name__)


class OperationWork:
    """The operations of all tenants."""

    def __init__(self, pool: Pool, tasks: Tasks, *, time_limit_s: float = TIME_LIMIT_S) -> None:
        self._pool = pool
        self._tasks = tasks
        self._time_limit_s = time_limit_s

    async def run(self) -> NoReturn:
        """Carry on whatever operation goes on, until cancelled."""
        going: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                try:
                    await self._look(going)
                except Unavailable as error:
                    logger.warning("operations wait: %s", error.__cause__ or error)
                except Exception:
                    logger.exception("operations could not be begun; it is tried again")
                await asyncio.sleep(POLL_S)
        finally:
            for task in going.values():
                task.cancel()
            await asyncio.gather(*going.values(), return_exceptions=True)

    async def _look(self, going: dict[int, asyncio.Task[None]]) -> None:
        """Begin what is new, and end what was cancelled or deleted."""
        for operation_id in [operation_id for operation_id, task in going.items() if task.done()]:
            del going[operation_id]
        to_do = {found.operation_id: found for found in await operations.to_do(self._pool, MOST_AT_ONCE, list(going))}
        for operation_id, task in going.items():
            if operation_id not in to_do:
                task.cancel()
        for operation_id, found in to_do.items():
            if operation_id not in going:
                going[operation_id] = asyncio.create_task(self._carry_on(found))

    async def _carry_on(self, operation: OperationRecord) -> None:
        """Bring an operation to its end, or leave it for another attempt when what it needs does not answer."""
        bind_tenant(operation.tenant_id)
        set_actor(partial(Actor, subject=operation.subject, request_id=operation.request_id, action=ACTION))
        try:
            await self._do(operation)
        except (Unavailable, Overloaded) as error:
            logger.warning("operations/%d waits: %s", operation.operation_id, error)
        except VcciError as error:
            await self._fail(operation, error)
        except Exception:
            logger.exception("operations/%d failed", operation.operation_id)
            await self._fail(operation, VcciError())

    async def _do(self, operation: OperationRecord) -> None:
        left_s = self._time_limit_s - await operations.begin(self._pool, operation)
        task = operation_pb2.OperationTask.FromString(operation.task)
        progress = _Progress()
        limit = asyncio.timeout(max(left_s, 0.0))
        try:
            async with limit, running(self._note(operation, progress)):
                result = await self._tasks.do(operation.tenant_id, task, progress.tell)
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimeLimitExceeded(f"the operation took longer than {self._time_limit_s:g} s") from None
        packed = Any()
        packed.Pack(result)
        done = max(progress.done, progress.total)
        await operations.note_progress(self._pool, operation, progress.step, done, progress.total)
        await operations.end(self._pool, operation, "succeeded", response=packed.SerializeToString())

    async def _fail(self, operation: OperationRecord, error: VcciError) -> None:
        await operations.end(self._pool, operation, "failed", error=details_of(error))

    async def _note(self, operation: OperationRecord, progress: "_Progress") -> NoReturn:
        """Store how far an operation is, now and then."""
        told = _Progress()
        while True:
            await asyncio.sleep(POLL_S)
            if progress != told:
                told = replace(progress)
                await operations.note_progress(self._pool, operation, told.step, told.done, told.total)


@dataclass(slots=True)
class _Progress:
    """How far an operation is."""

    step: str = ""
    done: int = 0
    total: int = 0

    def tell(self, step: str, done: int, total: int = 0) -> None:
        self.step, self.done, self.total = step, done, total

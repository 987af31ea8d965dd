"""Memory for batches, given first come, first served."""

import asyncio
from collections import deque


class Room:
    """So many bytes, 0 for any number; for one event loop. What is larger than all of it is let in alone."""

    def __init__(self, size: int) -> None:
        self.taken = 0
        self._size = size
        self._queue: deque[tuple[asyncio.Future[None], int]] = deque()

    def resize(self, size: int) -> None:
        """Have another size from now on."""
        self._size = size
        self._grant()

    async def take(self, size: int) -> None:
        """Wait until there is room for so many bytes; give it back after."""
        if not self._queue and self._fits(size):
            self.taken += size
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append((turn, size))
        try:
            await turn
        except asyncio.CancelledError:
            self._give_up(turn, size)
            raise

    def give_back(self, size: int) -> None:
        """Free what was taken."""
        self.taken -= size
        self._grant()

    def _fits(self, size: int) -> bool:
        return not self._size or self.taken + size <= self._size or not self.taken

    def _grant(self) -> None:
        while self._queue and self._fits(self._queue[0][1]):
            turn, size = self._queue.popleft()
            if not turn.done():
                self.taken += size
                turn.set_result(None)

    def _give_up(self, turn: asyncio.Future[None], size: int) -> None:
        if turn.cancelled():
            self._queue = deque(waiting for waiting in self._queue if waiting[0] is not turn)
            self._grant()
        else:  # granted in the moment of the cancellation
            self.give_back(size)

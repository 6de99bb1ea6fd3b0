"""Background work with an owner."""

__all__ = ["Crew"]

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Self


class Crew:
    """Owns background tasks for as long as its `async with` block lasts.

    A member that fails ends the block with an ExceptionGroup: better than a gateway that silently
    lost its invalidation loop. Leaving the block cancels those that still run, and awaits them.
    """

    def __init__(self) -> None:
        """An empty crew."""
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Open the block."""
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel what runs, await it, raise what failed."""
        for task in self._tasks:
            task.cancel()
        if isinstance(error, asyncio.CancelledError):
            # Ours to tell from the group's own: it cancels the block when a member has failed.
            await self._group.__aexit__(kind, error, trace)
        else:
            # What failed in the block goes on as it is, not as a group.
            await self._group.__aexit__(None, None, None)

    def start(self, name: str, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Start `work` under `name`; it is cancelled when the block ends."""
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

"""A relay between the gateway and one of its stores, that a test makes slow, silent or cut.

It runs on a thread and a loop of its own, so that a test that blocks does not hold it up.
"""

__all__ = ["Relay"]

import asyncio
import threading
from pathlib import Path
from typing import Self

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.002
_PIECE_BYTES = 65536


class Relay:
    """Listens on a port of 127.0.0.1 (`port`) and passes on both ways; use as a context manager.

    Whatever is changed holds from the next piece of data on, also on open connections.
    """

    def __init__(self, target: int | Path) -> None:
        """`target` is a port of 127.0.0.1, or a unix socket."""
        self._target = target
        # Seconds that each piece waits, each way.
        self.delay_seconds = 0.0
        # Nothing passes: connections stand, and are silent.
        self.is_silent = False
        # New connections are closed at once, as by a server that is not there.
        self.is_refusing = False
        # Answers that contain this wait until it is None again; how many do, and did.
        self.holds: bytes | None = None
        self.held = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(_PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_PATIENCE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE_SECONDS)
        self._loop.close()

    def cut(self) -> None:
        """Reset every connection that is open now, and refuse others until `mend`."""
        self.is_refusing = True

        def reset() -> None:
            for writer in self._writers:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(reset)

    def mend(self) -> None:
        """All is well again."""
        self.is_refusing = self.is_silent = False

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        # A connection may just have been accepted, and its task be about to begin.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(others, timeout=_LOOK_SECONDS)
        await asyncio.sleep(_LOOK_SECONDS)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            writer.transport.abort()
            return
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # Also of one that was cancelled before it began.
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours = {writer}
        try:
            answers, back = await self._connect()
            ours.add(back)
            self._writers |= ours
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, back, is_answer=False))
                group.create_task(self._pass_on(answers, writer, is_answer=True))
        except* OSError:
            pass  # one side is gone, and with it this connection
        finally:
            self._writers -= ours
            for each in ours:
                each.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        while data := await reader.read(_PIECE_BYTES):
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)
            if is_answer and self.holds is not None and self.holds in data:
                self.held += 1
                while self.holds is not None:  # noqa: ASYNC110 -- set by another thread
                    await asyncio.sleep(_LOOK_SECONDS)
            while self.is_silent:  # noqa: ASYNC110 -- set by another thread
                await asyncio.sleep(_LOOK_SECONDS)
            writer.write(data)
            await writer.drain()
        raise ConnectionError

"""One connection that carries everybody's commands, answered in the order they were sent.

A command's cost is what the gateway pays per request in exact mode, so the way is short: redis-py
makes the connection (URL, TLS, credentials, sentinel) and reads the replies, hiredis packs the
words, and commands of many requests share one socket without waiting for each other. Because
replies are matched by order and nothing else, a caller that goes away leaves its place in the
queue: its reply is read and dropped, never handed to the next one (CVE-2023-28858).
"""

__all__ = ["DEADLINE", "Lane", "LaneClosed", "Word"]

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

# A loop that was blocked finds the timer and the reply due at once. The reply is read first when
# the verdict waits a moment longer.
_GRACE_SECONDS: Final = 0.002

DEADLINE: Final = "deadline"

# One word of a command, as hiredis packs it.
Word = str | int | float | bytes | memoryview


class LaneClosed(Exception):
    """The command's answer will not come; `kind` names the fault. The command may have been done."""

    def __init__(self, kind: str) -> None:
        """`kind` is `deadline` or an exception's type; it holds no data."""
        super().__init__(kind)
        self.kind = kind


class Lane:
    """Commands over one open connection; once something goes wrong it is over, and another is opened."""

    def __init__(
        self,
        connection: AbstractConnection,
        *,
        deadline_seconds: float,
        on_close: Callable[[str], None],
    ) -> None:
        """`connection` is connected, has no time-outs of its own, and is used by nobody else.

        `on_close` is called once, with the kind of fault, before those who wait are told.
        """
        self._connection = connection
        self._deadline = deadline_seconds
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._outbox: list[bytes] = []
        self._watch: asyncio.TimerHandle | None = None
        self._scope: asyncio.Timeout | None = None
        self._closed_by: str | None = None

    async def ask(self, words: Sequence[Word]) -> Any:  # noqa: ANN401 -- whatever Redis answers
        """Send a command and wait for its reply, at most the deadline.

        Raises LaneClosed, and redis.exceptions.ResponseError when the server says no.
        """
        if self._closed_by is not None:
            raise LaneClosed(self._closed_by)
        # The stub knows tuples of one word only.
        command: bytes = hiredis.pack_command(tuple(words))  # type: ignore[arg-type]
        answer: asyncio.Future[Any] = self._loop.create_future()
        due = self._loop.time() + self._deadline
        self._waiting.append((due, answer))
        if self._watch is None:
            self._watch = self._loop.call_at(due, self._look_for_overdue)
        # Queue and outbox are filled together: the order of the wire is the order of the queue.
        self._outbox.append(command)
        try:
            if len(self._outbox) == 1:
                await self._send_with_others()
        except BaseException:
            answer.cancel()
            raise
        return await answer

    async def hold(self) -> None:
        """Hand out replies until the connection is lost; the owner of the lane awaits this."""
        try:
            async with asyncio.timeout(None) as self._scope:
                await self._hand_out()
        except (RedisError, OSError) as exc:
            self._scope = None
            self.close(type(exc).__name__)
        finally:
            self._scope = None
            self.close("closed")
            await self._connection.disconnect(nowait=True)

    def close(self, kind: str) -> None:
        """Fail everything that waits; `kind` says why."""
        if self._closed_by is not None:
            return
        self._closed_by = kind
        self._on_close(kind)
        if self._watch is not None:
            self._watch.cancel()
        for _, answer in self._waiting:
            if not answer.done():
                answer.set_exception(LaneClosed(kind))
        self._waiting.clear()
        if self._scope is not None:
            self._scope.reschedule(self._loop.time())

    async def _send_with_others(self) -> None:
        """Send what has gathered when all who are ready now have asked: one system call for many."""
        try:
            await asyncio.sleep(0)
        finally:
            outbox, self._outbox = self._outbox, []
            # Asked to send on a closed connection, redis-py would open another, behind our back.
            if self._closed_by is None:
                await self._send(outbox)

    async def _send(self, commands: list[bytes]) -> None:
        try:
            await self._connection.send_packed_command(commands, check_health=False)
        except (RedisError, OSError) as exc:
            self.close(type(exc).__name__)
        except BaseException:
            # Half a command may be on the wire, and redis-py has closed the connection.
            self.close("cancelled")
            raise

    async def _hand_out(self) -> None:
        while True:
            reply: Any
            try:
                reply = await self._connection.read_response()
            except ResponseError as exc:
                reply = exc
            if not self._waiting:  # a reply nobody asked for: the order cannot be trusted
                return
            _, answer = self._waiting.popleft()
            if answer.done():  # its caller has gone
                continue
            if isinstance(reply, ResponseError):
                answer.set_exception(reply)
            else:
                answer.set_result(reply)

    def _look_for_overdue(self, suspect: asyncio.Future[Any] | None = None) -> None:
        self._watch = None
        if not self._waiting:
            return
        due, answer = self._waiting[0]
        if answer is suspect:
            self.close(DEADLINE)
        elif due <= self._loop.time():
            self._watch = self._loop.call_later(_GRACE_SECONDS, self._look_for_overdue, answer)
        else:
            self._watch = self._loop.call_at(due, self._look_for_overdue)

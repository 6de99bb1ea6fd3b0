"""One connection that carries everybody's commands, answered in the order they were sent.

A command's cost is what the gateway pays per request in exact mode, so the way is short: redis-py
makes the connection (URL, TLS, credentials, sentinel) and reads the replies, hiredis packs the
words, and commands of many requests share one socket without waiting for each other. Because
replies are matched by order and nothing else, a caller that goes away leaves its place in the
queue: its reply is read and dropped, never handed to the next one (CVE-2023-28858).

Who cannot afford a coroutine for each command posts one, and is told its reply as it is read.
"""

__all__ = ["DEADLINE", "Command", "Lane", "LaneClosed", "Word"]

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Protocol

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from gateway.tasks import Crew

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


class Command(Protocol):
    """Something to send, and whoever waits for the reply. Both are called by the lane, once, and raise nothing."""

    def words(self) -> Sequence[Word]:
        """The command, at the moment of sending."""
        ...

    def answered(self, reply: Any) -> None:  # noqa: ANN401 -- whatever Redis answers
        """Redis's reply, a ResponseError when it says no, or LaneClosed. May follow without `words`."""
        ...


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
        self._outbox: list[Command] = []
        self._has_post = asyncio.Event()
        self._waiting: deque[tuple[float, Command]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._scope: asyncio.Timeout | None = None
        self._closed_by: str | None = None

    def post(self, command: Command) -> None:
        """Send a command when all who are ready now have posted theirs: one system call for many.

        Commands are sent in the order in which they were posted. From the sending on, the reply has
        the deadline's time. Raises LaneClosed.
        """
        if self._closed_by is not None:
            raise LaneClosed(self._closed_by)
        self._outbox.append(command)
        self._has_post.set()

    async def ask(self, words: Sequence[Word]) -> Any:  # noqa: ANN401 -- whatever Redis answers
        """Send a command and wait for its reply, at most the deadline.

        Raises LaneClosed, and redis.exceptions.ResponseError when the server says no.
        """
        answer: asyncio.Future[Any] = self._loop.create_future()
        self.post(_Question(words, answer))
        return await answer

    async def hold(self) -> None:
        """Send what is posted and hand out replies until the connection is lost; the lane's owner awaits this."""
        try:
            async with asyncio.timeout(None) as self._scope, Crew() as crew:
                _ = crew.start("redis-send", self._send())
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
        left = [command for _, command in self._waiting] + self._outbox
        self._waiting.clear()
        self._outbox.clear()
        if self._scope is not None:
            self._scope.reschedule(self._loop.time())
        for command in left:
            command.answered(LaneClosed(kind))

    async def _send(self) -> None:
        while self._closed_by is None:
            await self._has_post.wait()
            self._has_post.clear()
            packed = self._pack()
            # Asked to send on a closed connection, redis-py would open another, behind our back.
            if self._closed_by is None:
                try:
                    await self._connection.send_packed_command(packed, check_health=False)
                except (RedisError, OSError) as exc:
                    self.close(type(exc).__name__)

    def _pack(self) -> list[bytes]:
        outbox, self._outbox = self._outbox, []
        due = self._loop.time() + self._deadline
        if self._watch is None:
            self._watch = self._loop.call_at(due, self._look_for_overdue)
        packed: list[bytes] = []
        for command in outbox:
            # The stub knows tuples of one word only.
            packed.append(hiredis.pack_command(tuple(command.words())))  # type: ignore[arg-type]
            # Both together: the order of the wire is the order of the queue.
            self._waiting.append((due, command))
        return packed

    async def _hand_out(self) -> None:
        while True:
            reply: Any
            try:
                reply = await self._connection.read_response()
            except ResponseError as exc:
                reply = exc
            if not self._waiting:  # a reply nobody asked for: the order cannot be trusted
                return
            _, command = self._waiting.popleft()
            command.answered(reply)

    def _look_for_overdue(self, suspect: Command | None = None) -> None:
        self._watch = None
        if not self._waiting:
            return
        due, command = self._waiting[0]
        if command is suspect:
            self.close(DEADLINE)
        elif due <= self._loop.time():
            self._watch = self._loop.call_later(_GRACE_SECONDS, self._look_for_overdue, command)
        else:
            self._watch = self._loop.call_at(due, self._look_for_overdue)


class _Question(NamedTuple):
    """A command with a caller who awaits the reply, and may be gone by then."""

    command: Sequence[Word]
    answer: asyncio.Future[Any]

    def words(self) -> Sequence[Word]:
        return self.command

    def answered(self, reply: Any) -> None:  # noqa: ANN401 -- whatever Redis answers
        if self.answer.done():
            return
        if isinstance(reply, ResponseError | LaneClosed):
            self.answer.set_exception(reply)
        else:
            self.answer.set_result(reply)

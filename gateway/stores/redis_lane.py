"""One connection that carries everybody's commands, answered in the order they were sent.

A command's cost is what the gateway pays per request in exact mode, so the way is short: redis-py
makes the connection (URL, TLS, credentials, sentinel), hiredis packs the words and reads the
replies, and commands of many requests share one socket without waiting for each other. Because
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
from redis.exceptions import NoScriptError, ResponseError

# A loop that was blocked finds the timer and the reply due at once. The reply is read first when
# the verdict waits a moment longer.
_GRACE_SECONDS: Final = 0.002

DEADLINE: Final = "deadline"
_LOST: Final = "ConnectionError"
_UNASKED: Final = "unasked reply"
_NOTHING_YET: Final = object()

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


class Lane(asyncio.Protocol):
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
        self._waiting: deque[tuple[float, Command]] = deque()
        self._watch: asyncio.TimerHandle | None = None
        self._closed_by: str | None = None
        self._is_over = asyncio.Event()
        self._replies = hiredis.Reader(replyError=_refusal, notEnoughData=_NOTHING_YET)
        # redis-py wakes a task for what the socket has, and has a coroutine for each reply; that
        # costs more than the reply does. It offers no other way to what it has connected.
        writer: Any = connection._writer
        self._transport: asyncio.Transport = writer.transport
        self._transport.set_protocol(self)

    def post(self, command: Command) -> None:
        """Send a command when all who are ready now have posted theirs: one system call for many.

        Commands are sent in the order in which they were posted. From the sending on, the reply has
        the deadline's time. Raises LaneClosed.
        """
        if self._closed_by is not None:
            raise LaneClosed(self._closed_by)
        self._outbox.append(command)
        if len(self._outbox) == 1:
            self._loop.call_soon(self._send)

    async def ask(self, words: Sequence[Word]) -> Any:  # noqa: ANN401 -- whatever Redis answers
        """Send a command and wait for its reply, at most the deadline.

        Raises LaneClosed, and redis.exceptions.ResponseError when the server says no.
        """
        answer: asyncio.Future[Any] = self._loop.create_future()
        self.post(_Question(words, answer))
        return await answer

    async def hold(self) -> None:
        """Wait until the connection is lost or closed; the owner of the lane awaits this."""
        try:
            if self._transport.is_closing():
                self.close(_LOST)
            await self._is_over.wait()
        finally:
            self.close("closed")
            await self._connection.disconnect(nowait=True)

    def close(self, kind: str) -> None:
        """Fail everything that waits; `kind` says why."""
        if self._closed_by is not None:
            return
        self._closed_by = kind
        self._is_over.set()
        # What is not sent yet never is: its caller is told now.
        self._transport.abort()
        if self._watch is not None:
            self._watch.cancel()
        left = [command for _, command in self._waiting] + self._outbox
        self._waiting.clear()
        self._outbox.clear()
        self._on_close(kind)
        for command in left:
            command.answered(LaneClosed(kind))

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport says that nothing more can be sent or read."""
        self.close(_LOST if exc is None else type(exc).__name__)

    def data_received(self, data: bytes) -> None:
        """Hand out the replies that are whole."""
        self._replies.feed(data)
        try:
            while (reply := self._replies.gets()) is not _NOTHING_YET:
                if not self._waiting:  # nobody asked for it: the order cannot be trusted
                    self.close(_UNASKED)
                    return
                _, command = self._waiting.popleft()
                command.answered(reply)
        except hiredis.ProtocolError:
            self.close("ProtocolError")

    def _send(self) -> None:
        outbox, self._outbox = self._outbox, []
        if not outbox:  # closed meanwhile
            return
        due = self._loop.time() + self._deadline
        if self._watch is None:
            self._watch = self._loop.call_at(due, self._look_for_overdue)
        packed: list[bytes] = []
        for command in outbox:
            # The stub knows tuples of one word only.
            packed.append(hiredis.pack_command(tuple(command.words())))  # type: ignore[arg-type]
            # Both together: the order of the wire is the order of the queue.
            self._waiting.append((due, command))
        self._transport.write(packed[0] if len(packed) == 1 else b"".join(packed))

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


def _refusal(text: str) -> ResponseError:
    return NoScriptError(text) if text.startswith("NOSCRIPT ") else ResponseError(text)


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

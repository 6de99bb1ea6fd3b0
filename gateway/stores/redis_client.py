"""The way to Redis or Valkey: connecting, deadlines, and knowing when it is away (design §9).

Every command has one deadline. While Redis is away a command fails at once instead of waiting for
that deadline: only a probe in the background waits. A server that answers but takes no writes (out
of memory, a replica, writes paused) is still good for reads.

What is asked of Redis lives in other modules; nothing here knows what a key means.
"""

__all__ = ["PREFIX", "RedisStore", "Run", "Script", "Word"]

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, RedisError, ResponseError

from gateway.core.errors import StoreError, StoreName
from gateway.stores.redis_lane import DEADLINE, Lane, LaneClosed, Word
from gateway.stores.redis_url import Link, Way, way_to
from gateway.tasks import Crew

PREFIX: Final = "keywright:"

_RETRY_SECONDS: Final = 0.25
_CONNECT_SECONDS: Final = 1.0
_PROBE_KEY: Final = PREFIX + "probe"
# Faults of one command or one key; they say nothing about the server.
_OWN_FAULTS: Final = frozenset({"WRONGTYPE", "ERR", "NoScriptError"})


class Script:
    """A Lua script, run by its digest and sent whole when the server has forgotten it."""

    def __init__(self, text: str) -> None:
        """Only keeps the text."""
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    @classmethod
    def beside(cls, module_file: str, name: str) -> Self:
        """The script `name` from the folder of a module."""
        return cls((Path(module_file).parent / name).read_text(encoding="utf-8"))


class Run(Protocol):
    """One run of a script, whose words are asked for when they are sent. Its methods raise nothing."""

    def words(self) -> tuple[Sequence[Word], Sequence[Word]]:
        """Keys and arguments. Called once, or never."""
        ...

    def answered(self, reply: Any) -> None:  # noqa: ANN401 -- whatever the script returns
        """What the script returned."""
        ...

    def failed(self, error: StoreError) -> None:
        """It will not be answered; if the words were asked for, it may have been done."""
        ...


class RedisStore:
    """Redis with a deadline; use as `async with RedisStore.open(url) as store`.

    Entering does not need a server: without one the store is degraded from its first command on,
    and heals by itself. `on_health("redis", is_healthy)` is called at each change.
    """

    def __init__(
        self,
        way: Way,
        *,
        deadline_seconds: float,
        on_health: Callable[[StoreName, bool], None] | None,
    ) -> None:
        """See `open`."""
        self._way = way
        self._deadline = deadline_seconds
        self._on_health = on_health
        self._crew = Crew()
        self._lane: Link | None = None
        self._attempted = asyncio.Event()
        # While clear, a connection is expected any moment and worth a wait; set, `_lane` tells all.
        self._settled = asyncio.Event()
        self._fault = DEADLINE
        self._takes_writes = True
        self._unwell = asyncio.Event()
        self._is_healthy = True

    @classmethod
    def open(
        cls,
        url: str,
        *,
        deadline_seconds: float = 0.05,
        on_health: Callable[[StoreName, bool], None] | None = None,
    ) -> Self:
        """A store that is not connected yet. Raises Misuse when `url` cannot be read."""
        return cls(way_to(url), deadline_seconds=deadline_seconds, on_health=on_health)

    async def __aenter__(self) -> Self:
        """Begin to connect."""
        await self._crew.__aenter__()
        _ = self._crew.start("redis-lane", self._keep_lane())
        _ = self._crew.start("redis-probe", self._probe_when_unwell())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection; what still waits fails."""
        # Without the error: what failed inside the block goes on as it is, not as a group.
        await self._crew.__aexit__(None, None, None)
        # Nobody connects any more: there is nothing to wait for.
        self._settled.set()

    @property
    def is_healthy(self) -> bool:
        """Whether Redis, as far as is known, answers and takes writes."""
        return self._is_healthy

    async def check(self) -> None:
        """Wait until Redis is reached, at most a second. Raises StoreError that names the kind of fault."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._attempted.wait()
        if self._lane is None:
            raise StoreError("redis", "connect", self._fault)

    async def read(self, operation: str, *words: Word) -> Any:  # noqa: ANN401 -- whatever it answers
        """A command that changes nothing. Raises StoreError; `operation` is for its text."""
        try:
            return await self._ask(operation, words)
        except ResponseError as exc:
            raise StoreError("redis", operation, _kind(exc)) from exc

    async def write(self, operation: str, *words: Word) -> Any:  # noqa: ANN401 -- whatever it answers
        """A command that changes something. Raises StoreError, after which it may have been done."""
        if not self._takes_writes:
            raise StoreError("redis", operation, "takes no writes")
        try:
            return await self._ask(operation, words)
        except (ResponseError, StoreError) as exc:
            raise self.write_fault(operation, exc) from exc

    async def run(
        self, operation: str, script: Script, keys: Sequence[Word], args: Sequence[Word]
    ) -> Any:  # noqa: ANN401 -- whatever it returns
        """Run a script that writes. Raises StoreError, after which it may have been done."""
        try:
            return await self.write(operation, "EVALSHA", script.sha, len(keys), *keys, *args)
        except StoreError as exc:
            if not isinstance(exc.__cause__, NoScriptError):
                raise
        return await self.write(operation, "EVAL", script.text, len(keys), *keys, *args)

    def run_soon(self, operation: str, script: Script, run: Run) -> None:
        """As `run`, without a coroutine for each: `run` is told the end, at once if there is no way.

        Runs reach Redis in the order in which they were asked for.
        """
        lane = self._lane
        if not self._takes_writes:
            run.failed(StoreError("redis", operation, "takes no writes"))
        elif isinstance(lane, Lane):
            lane.post(_Errand(self, lane, operation, script, run))
        elif lane is None and self._settled.is_set():
            run.failed(StoreError("redis", operation, "away"))
        else:
            task = self._crew.start("redis-run", self._run_to_end(operation, script, run))

            def tell_if_cancelled(task: asyncio.Task[None]) -> None:
                if task.cancelled():  # perhaps before its first step
                    run.failed(StoreError("redis", operation, "closed"))

            task.add_done_callback(tell_if_cancelled)

    async def _run_to_end(self, operation: str, script: Script, run: Run) -> None:
        try:
            reply = await self.run(operation, script, *run.words())
        except StoreError as exc:
            run.failed(exc)
        else:
            run.answered(reply)

    def write_fault(
        self, operation: str, exc: ResponseError | LaneClosed | StoreError
    ) -> StoreError:
        """What to tell of a write that went wrong; whether more of them are tried follows from it."""
        if isinstance(exc, ResponseError):
            kind = _kind(exc)
            is_unwilling = kind not in _OWN_FAULTS
        else:
            kind = exc.kind if isinstance(exc, LaneClosed) else exc.cause
            is_unwilling = kind == DEADLINE
        if is_unwilling:
            self._refuse_writes()
        return StoreError("redis", operation, kind)

    @contextlib.asynccontextmanager
    async def connection(self, operation: str, key: Word) -> AsyncIterator[AbstractConnection]:
        """A connection of its own to where `key` is, for commands that block.

        Raises StoreError, also for a fault of Redis inside the block.
        """
        with _as_store_error(operation):
            async with asyncio.timeout(_CONNECT_SECONDS):
                connection = await self._way.connection(key)
            try:
                yield connection
            finally:
                await connection.disconnect(nowait=True)

    async def _ask(self, operation: str, words: tuple[Word, ...]) -> Any:  # noqa: ANN401
        """Raises StoreError, and ResponseError when the server says no."""
        lane = self._lane
        if lane is None:
            lane = await self._wait_for_lane(operation)
        try:
            return await lane.ask(words)
        except LaneClosed as exc:
            raise StoreError("redis", operation, exc.kind) from exc

    async def _wait_for_lane(self, operation: str) -> Link:
        if not self._settled.is_set():
            try:
                async with asyncio.timeout(self._deadline):
                    await self._settled.wait()
            except TimeoutError:
                self._settled.set()
                self._judge()
        if self._lane is None:
            raise StoreError("redis", operation, "away")
        return self._lane

    async def _keep_lane(self) -> None:
        """Keep a connection open, and read its replies."""
        while True:
            try:
                lane = self._lane = await self._connect()
            except StoreError as exc:
                self._fault = exc.cause
                self._settle()
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._settle()
                await lane.hold()

    async def _connect(self) -> Link:
        with _as_store_error("connect"):
            async with asyncio.timeout(_CONNECT_SECONDS):
                return await self._way.link(self._deadline, self._lose_lane)

    def _lose_lane(self, kind: str) -> None:
        self._lane = None
        # A server that hung is not expected back at once; after a cut a new connection is.
        if kind == DEADLINE:
            self._settle()
        else:
            self._settled.clear()

    def _settle(self) -> None:
        self._attempted.set()
        self._settled.set()
        self._judge()

    def _refuse_writes(self) -> None:
        self._takes_writes = False
        self._judge()

    def _judge(self) -> None:
        """Tell at each change whether all is well."""
        if not self._takes_writes:
            self._unwell.set()
        is_healthy = self._lane is not None and self._takes_writes
        if is_healthy != self._is_healthy:
            self._is_healthy = is_healthy
            if self._on_health is not None:
                self._on_health("redis", is_healthy)

    async def _probe_when_unwell(self) -> None:
        """After a refused or overdue write, try one in the background until it is taken."""
        while True:
            await self._unwell.wait()
            try:
                # Not on the lane: a probe that is overdue would fail the reads on it.
                async with (
                    self.connection("probe", _PROBE_KEY) as connection,
                    asyncio.timeout(self._deadline),
                ):
                    await connection.send_command("SET", _PROBE_KEY, "1", "PX", 1000)
                    await connection.read_response()
            except StoreError:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._unwell.clear()
                self._takes_writes = True
                # The probe may have found another server than the lane is connected to: after a
                # failover the old one goes on as a replica.
                if self._lane is not None:
                    self._lane.close("replaced")


class _Errand:
    """A run on its way over a lane; implements `redis_lane.Command`."""

    __slots__ = ("_head", "_lane", "_operation", "_run", "_script", "_store", "_words")

    def __init__(
        self, store: RedisStore, lane: Lane, operation: str, script: Script, run: Run
    ) -> None:
        self._store = store
        self._lane = lane
        self._operation = operation
        self._script = script
        self._run = run
        self._head = ("EVALSHA", script.sha)
        self._words: tuple[Sequence[Word], Sequence[Word]] | None = None

    def words(self) -> tuple[Word, ...]:
        if self._words is None:
            self._words = self._run.words()
        keys, args = self._words
        return (*self._head, len(keys), *keys, *args)

    def answered(self, reply: Any) -> None:  # noqa: ANN401 -- whatever Redis answers
        if isinstance(reply, NoScriptError):
            self._head = ("EVAL", self._script.text)
            self._lane.post(self)
        elif isinstance(reply, ResponseError | LaneClosed):
            self._run.failed(self._store.write_fault(self._operation, reply))
        else:
            self._run.answered(reply)


@contextlib.contextmanager
def _as_store_error(operation: str) -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as exc:
        # redis-py wraps some of its own faults once more, a wrong password for one.
        fault = exc.__cause__ if isinstance(exc.__cause__, RedisError) else exc
        raise StoreError("redis", operation, type(fault).__name__) from exc


def _kind(error: ResponseError) -> str:
    """The kind of a refusal, without any of its text: that may quote what was sent."""
    if type(error) is not ResponseError:
        return type(error).__name__
    code = str(error).partition(" ")[0]
    return code if code.isalpha() and code.isupper() else "ERR"

"""The change feed: a Redis Stream that a worker reads on, also after it was cut off (design §3).

The last entry heard is the worker's place. As long as that entry stands in the stream, what follows
it is all that is new; once it does not, something may have been missed, and everything is forgotten.
"""

__all__ = ["RedisFeed", "acknowledgements", "entry_words"]

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.asyncio.connection import AbstractConnection

from gateway.core.changes import Change
from gateway.core.errors import StoreError
from gateway.ports import Clock
from gateway.stores.redis_client import PREFIX, RedisStore, Script, Word

_STREAM: Final = PREFIX + "changes"
_ENTRIES_MAX: Final = 10_000
_LOOK_MAX: Final = 200
_SCRIPT: Final = Script.beside(__file__, "feed.lua")
# Short, because the end of each wait proves that nothing was missed.
_WAIT_MS: Final = 500
_ANSWER_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.25
# Longer than anyone waits for an acknowledgement.
_ACK_MS: Final = 10_000

FORGET_ALL: Final = Change(version=0)


def entry_words(change: Change) -> tuple[Word, ...]:
    """The command that puts `change` on the feed; it answers with the entry's id."""
    fields = ("v", change.version, "k", change.key_id or "", "a", change.account_id or "")
    return ("XADD", _STREAM, "MAXLEN", "~", _ENTRIES_MAX, "*", *fields)


def acknowledgements(entry_id: bytes) -> bytes:
    """The list in which workers leave their names once they enforce the change of this entry."""
    # Tagged with the stream's name: in a cluster they stand on its node, where the feed listens.
    return f"{PREFIX}ack:{{{_STREAM}}}:".encode() + entry_id


class RedisFeed:
    """Implements the ChangeFeed port; `run` does the work."""

    def __init__(
        self,
        store: RedisStore,
        clock: Clock,
        worker: str,
        *,
        on_enforced: Callable[[float], None] | None = None,
    ) -> None:
        """`worker` is the name this one acknowledges with.

        `on_enforced` hears, for each change, the seconds from its announcement until it was enforced here.
        """
        self._on_enforced = on_enforced
        self._store = store
        self._clock = clock
        self._worker = worker
        self._forget: list[Callable[[Change], None]] = []
        self._heard_at = -math.inf
        # Set once this worker hears every change from here on.
        self.joined = asyncio.Event()
        self._place = b""

    def on_change(self, forget: Callable[[Change], None]) -> None:
        """Call `forget` for each change, before it is acknowledged.

        `Change(version=0)` without ids means that anything may have changed: it comes at the start,
        and whenever something may have been missed. Look-ups that are on their way count as old then.
        """
        self._forget.append(forget)

    @property
    def heard_at(self) -> float:
        """Monotonic time at which this worker was last known to have heard everything; before any, -inf."""
        return self._heard_at

    async def run(self) -> None:
        """Listen, and listen again whenever Redis was away; for a Crew."""
        while True:
            try:
                async with self._store.connection("feed", _STREAM) as connection:
                    await self._listen(connection)
            except StoreError:
                await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self, connection: AbstractConnection) -> None:
        while True:
            await self._look(connection)
            # Only a wake-up: what is new is read by the script, together with the check of the place.
            await _ask(
                connection, "XREAD", "COUNT", 1, "BLOCK", _WAIT_MS, "STREAMS", _STREAM, self._place
            )

    async def _look(self, connection: AbstractConnection) -> None:
        asked_at = self._clock.monotonic()
        is_lost, entries, now_ms = await _ask(
            connection, "EVAL", _SCRIPT.text, 1, _STREAM, self._place, _LOOK_MAX
        )
        if is_lost:
            self._tell(FORGET_ALL)
            self._place = entries[0][0]
            # Who announced one of these just now is waiting; it is enforced like everything else.
            fresh = [entry for entry, _ in entries if _age_ms(entry, now_ms) < _ACK_MS]
        else:
            fresh = [entry for entry, _ in entries]
            for entry, fields in entries:
                self._tell(_change(fields))
                if self._on_enforced is not None:
                    self._on_enforced(max(0.0, _age_ms(entry, now_ms) / 1000))
            self._place = fresh[-1] if fresh else self._place
        self._heard_at = asked_at
        self.joined.set()
        for entry in fresh:
            await _ask(connection, "RPUSH", acknowledgements(entry), self._worker)
            await _ask(connection, "PEXPIRE", acknowledgements(entry), _ACK_MS)

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            for forget in self._forget:
                forget(change)


async def _ask(connection: AbstractConnection, *words: Word) -> Any:  # noqa: ANN401
    async with asyncio.timeout(_WAIT_MS / 1000 + _ANSWER_SECONDS):
        await connection.send_command(*words)
        return await connection.read_response()


def _age_ms(entry_id: bytes, now_ms: int) -> int:
    return now_ms - int(entry_id.partition(b"-")[0])


def _change(fields: Sequence[bytes]) -> Change | None:
    """What an entry says; None for one that only marks a place. What cannot be read may be anything."""
    said = dict(zip(fields[::2], fields[1::2], strict=True))
    if b"anchor" in said:
        return None
    try:
        key_id, account_id = said[b"k"].decode(), said[b"a"].decode()
        return Change(int(said[b"v"]), key_id or None, account_id or None)
    except (KeyError, ValueError):
        return FORGET_ALL

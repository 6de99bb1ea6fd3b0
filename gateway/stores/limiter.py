"""Exact token buckets in Redis: one script decides for all workers, on Redis's clock (design §5).

One run of the script decides many requests on the same buckets, in their order and at one instant:
what each of them would have got from a run of its own at that instant. Who gathers them, and what is
answered in an outage, is in `guarded`, which is what admission gets.
"""

__all__ = ["Batch", "RedisLimiter", "Takes"]

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from gateway.core.errors import StoreError
from gateway.core.limits import Bucket, BucketLevel, Grant, spend
from gateway.stores.redis_client import PREFIX, RedisStore, Script, Word

_BUCKETS: Final = PREFIX + "bucket:"
_SCRIPT: Final = Script.beside(__file__, "bucket.lua")


class Takes(NamedTuple):
    """What one run of the script is asked. `known` and `debts` run beside the buckets, and may be empty.

    Each of `costs` is one request's, in tokens. `debts` are tokens that were let through without
    asking, spent first whatever the answers. `known` is what this worker last saw, for buckets that
    Redis has lost.
    """

    costs: Sequence[int]
    known: Sequence[BucketLevel | None] = ()
    debts: Sequence[int] = ()


class Batch(Protocol):
    """Requests that draw on the same buckets, and are asked about together."""

    @property
    def buckets(self) -> Sequence[Bucket]:
        """At least one."""
        ...

    def depart(self) -> Takes:
        """Asked once, at the last moment: who comes later goes with the next batch."""
        ...

    def answered(self, left: tuple[BucketLevel, ...], grants: Sequence[Grant]) -> None:
        """What is left in the buckets, and one grant for each cost."""
        ...

    def failed(self) -> None:
        """There will be no answer. If it had departed, the tokens may be taken."""
        ...


class RedisLimiter:
    """Takes from buckets that the whole cluster shares; every batch is one round trip."""

    def __init__(self, store: RedisStore) -> None:
        """`store` is open."""
        self._store = store

    def ask(self, batch: Batch) -> None:
        """Send a batch on its way; it is told how it ended, at once if there is no way.

        Batches reach Redis in the order in which they were asked.
        """
        self._store.run_soon("take", _SCRIPT, _Run(batch))


class _Run:
    """A batch in the words of the script; implements `redis_client.Run`."""

    __slots__ = ("_batch", "_costs")

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._costs: Sequence[int] = ()

    def words(self) -> tuple[list[str], list[Word]]:
        buckets = self._batch.buckets
        costs, known, debts = self._batch.depart()
        self._costs = costs
        words: list[Word] = []
        for index, (_, limit) in enumerate(buckets):
            # More than twice the quota changes nothing, and stays small enough for Lua's numbers.
            debt = min(debts[index], 2 * limit.quota) if debts else 0
            seen = known[index] if known else None
            words += (limit.quota, limit.window_seconds, debt, *(seen or ("", "")))
        words += costs
        return [_BUCKETS + bucket.name for bucket in buckets], words

    def answered(self, reply: Any) -> None:  # noqa: ANN401 -- whatever Redis answers
        limits = [bucket.limit for bucket in self._batch.buckets]
        grants: list[Grant] = []
        try:
            now_us, *pairs = reply
            left = tuple(map(BucketLevel, pairs[::2], pairs[1::2]))
            for cost in self._costs:
                left, grant = spend(left, limits, cost, now_us)
                grants.append(grant)
        except (TypeError, ValueError):  # not what the script answers
            self._batch.failed()
        else:
            self._batch.answered(left, grants)

    def failed(self, error: StoreError) -> None:
        self._batch.failed()

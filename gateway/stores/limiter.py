"""Exact token buckets in Redis: one script decides for all workers, on Redis's clock (design §5).

One run of the script decides many requests on the same buckets, in their order and at one instant:
what each of them would have got from a run of its own at that instant. Who gathers them, and what is
answered in an outage, is in `guarded`, which is what admission gets.
"""

__all__ = ["Batch", "RedisLimiter", "Takes"]

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

from gateway.core.errors import StoreError
from gateway.core.leases import LOAN_US, Ask
from gateway.core.limits import MICRO, Bucket, BucketLevel, Grant, spend
from gateway.stores.redis_client import PREFIX, RedisStore, Script, Word

_BUCKETS: Final = PREFIX + "bucket:"
_SCRIPT: Final = Script.beside(__file__, "bucket.lua")


class Takes(NamedTuple):
    """What one run of the script is asked. `known`, `debts` and `asks` run beside the buckets, and may be empty.

    Each of `costs` is one request's, in tokens. `debts` are tokens that were let through without
    asking, spent first whatever the answers. `known` is what this worker last saw, for buckets that
    Redis has lost. `asks` are what this worker says of its leases.
    """

    costs: Sequence[int]
    known: Sequence[BucketLevel | None] = ()
    debts: Sequence[int] = ()
    asks: Sequence[Ask | None] = ()


class Batch(Protocol):
    """Requests that draw on the same buckets, and are asked about together."""

    @property
    def buckets(self) -> Sequence[Bucket]:
        """At least one."""
        ...

    def depart(self) -> Takes:
        """Asked once, at the last moment: who comes later goes with the next batch."""
        ...

    def answered(
        self, left: tuple[BucketLevel, ...], grants: Sequence[Grant], lent: Sequence[int]
    ) -> None:
        """What is left in the buckets, one grant for each cost, and what was lent of each bucket."""
        ...

    def failed(self) -> None:
        """There will be no answer. If it had departed, the tokens may be taken."""
        ...


class RedisLimiter:
    """Takes from buckets that the whole cluster shares; every batch is one round trip."""

    def __init__(self, store: RedisStore, worker: str = "exact") -> None:
        """`store` is open; loans are made out to `worker`, a name without spaces that no other has."""
        self._store = store
        self._worker = worker

    def ask(self, batch: Batch) -> None:
        """Send a batch on its way; it is told how it ended, at once if there is no way.

        Batches reach Redis in the order in which they were asked.
        """
        self._store.run_soon("take", _SCRIPT, _Run(batch, self._worker))


_NOTHING: Final = ("", "")
_SILENT: Final = ("", 0, 0)


def _less(level: BucketLevel, lent: int) -> BucketLevel:
    return BucketLevel(level.microtokens - lent * MICRO, level.at_microseconds)


class _Run:
    """A batch in the words of the script; implements `redis_client.Run`."""

    __slots__ = ("_batch", "_costs", "_worker")

    def __init__(self, batch: Batch, worker: str) -> None:
        self._batch = batch
        self._worker = worker
        self._costs: Sequence[int] = ()

    def words(self) -> tuple[list[str], list[Word]]:
        buckets = self._batch.buckets
        costs, known, debts, asks = self._batch.depart()
        self._costs = costs
        words: list[Word] = [self._worker, LOAN_US]
        for index, (_, limit) in enumerate(buckets):
            # More than twice the quota changes nothing, and stays small enough for Lua's numbers.
            debt = min(debts[index], 2 * limit.quota) if debts else 0
            seen = known[index] if known else None
            ask = asks[index] if asks else None
            words += (limit.quota, limit.window_seconds, debt, *(seen or _NOTHING))
            words += ask or _SILENT
        words += costs
        return [_BUCKETS + bucket.name for bucket in buckets], words

    def answered(self, reply: Any) -> None:  # noqa: ANN401 -- whatever Redis answers
        limits = [bucket.limit for bucket in self._batch.buckets]
        grants: list[Grant] = []
        try:
            now_us, *triples = reply
            left = tuple(map(BucketLevel, triples[::3], triples[1::3]))
            lent = triples[2::3]
            for cost in self._costs:
                left, grant = spend(left, limits, cost, now_us)
                grants.append(grant)
            if any(lent):
                left = tuple(map(_less, left, lent))
        except (TypeError, ValueError):  # not what the script answers
            self._batch.failed()
        else:
            self._batch.answered(left, grants, lent)

    def failed(self, error: StoreError) -> None:
        self._batch.failed()

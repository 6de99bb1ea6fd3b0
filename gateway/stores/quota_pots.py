"""What Redis has of quotas: one pot for each account and month, on Redis's clock (design §5)."""

__all__ = ["Aside", "Lost", "OtherMonth", "QuotaPots", "Where", "pot_key"]

from typing import Any, Final, NamedTuple

from gateway.core.errors import StoreError
from gateway.core.quota import SILENT_US, Ask, Extra, Heard, Month
from gateway.stores.redis_client import PREFIX, RedisStore, Script, Word

_SCRIPT: Final = Script.beside(__file__, "quota.lua")
_UNLIMITED: Final = -1
_NOTHING: Final = ("", 0, 0, 0, 0, 0, 0)
_OTHER_MONTH: Final = 0
_ANSWER_LENGTH: Final = 10


class OtherMonth(NamedTuple):
    """By Redis's clock it is not the month that was asked about."""

    now_us: int


class Lost(NamedTuple):
    """Redis has no such pot: it was never made, or Redis was emptied."""

    now_us: int


class Aside(NamedTuple):
    """What was set aside in SQL just now: `part`, which makes the sum `total`; `bytes` and `extra` as SQL has them.

    Who may make a pot anew has read `total` from where it is kept for good (`is_whole`).
    """

    total: int
    part: int
    bytes: int
    extra: Extra
    is_whole: bool = False


def pot_key(account_id: str, month: str) -> str:
    """Where the pot stands; the braces keep an account's keys on one node of a cluster."""
    return f"{PREFIX}quota:{{{account_id}}}:{month}"


class Where(NamedTuple):
    """A pot, and how many requests the account's plan allows in the month."""

    account_id: str
    month: Month
    limit: int | None


class QuotaPots:
    """The pots, as one worker uses them."""

    def __init__(self, store: RedisStore, worker: str) -> None:
        """`worker` is a name without spaces that no other has."""
        self._store = store
        self._worker = worker

    async def ask(
        self, pot: Where, asked: Ask, *, aside: Aside | None = None, is_beyond: bool = False
    ) -> Heard | OtherMonth | Lost:
        """Tell and be lent. Raises StoreError; what was told may have been heard then, and may be told again.

        But for `aside`, which is told once at most.
        """
        account_id, month, limit = pot
        told = asked.told
        name = f"{self._worker}.{asked.life}"
        words: list[Word] = [month.start_us, month.end_us, name, SILENT_US]
        words += [told.serial, told.spent, told.held, told.direct, told.under_way, told.bytes]
        words += [int(asked.is_fresh), int(asked.is_leaving), asked.need, asked.ahead]
        words += [_UNLIMITED if limit is None else limit, int(is_beyond)]
        if aside is None:
            words += _NOTHING
        else:
            words += [aside.total, aside.part, int(aside.is_whole), aside.bytes, *aside.extra]
        reply = await self._store.run("quota", _SCRIPT, (pot_key(account_id, month.name),), words)
        return _read(reply)


def _read(reply: Any) -> Heard | OtherMonth | Lost:  # noqa: ANN401 -- whatever Redis answers
    if not isinstance(reply, list) or not all(isinstance(number, int) for number in reply):
        raise StoreError("redis", "quota", "unexpected reply")
    if len(reply) == _ANSWER_LENGTH:
        _, now_us, taken, set_aside, size, lent, requests, extra_bytes, until, silent = reply
        return Heard(
            now_us,
            taken,
            set_aside,
            size,
            lent,
            Extra(requests, extra_bytes, until),
            is_someone_silent=bool(silent),
        )
    kind, now_us = reply
    return OtherMonth(now_us) if kind == _OTHER_MONTH else Lost(now_us)

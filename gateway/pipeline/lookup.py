"""The cold way to a key: L2, then SQL and argon2, each level filling the one above (design §3)."""

__all__ = ["Lookup", "Sought"]

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar

from gateway.core.credential import Credential, Peppers, same_digest
from gateway.core.errors import Overloaded, StoreError, StoreName
from gateway.core.keys import Key, KeyDigest
from gateway.core.refusal import Refusal
from gateway.pipeline.health import SqlHealth
from gateway.pipeline.known import KnownKeys
from gateway.pipeline.terms import KnownKey, Terms
from gateway.pipeline.verifier import Verifier
from gateway.ports import CachedKey, Clock, KeyCache, KeyReader, StoredKey

_T = TypeVar("_T")

# SQL is read again when a change is heard meanwhile; a key that changes this often in the
# time of a few look-ups is refused for a second rather than read for ever.
_READS_MAX = 4


class Sought(NamedTuple):
    """What is to be looked up: the digest under the current pepper, and what it was made of."""

    digest: KeyDigest
    credential: Credential
    secret_id: str


class _Moment(NamedTuple):
    """When a read began: on our clock, and in the order of changes heard."""

    ticket: int
    monotonic: float


class _Found(NamedTuple):
    """A key, under which ticket it was read, and whether L2 is to be told."""

    known: KnownKey
    ticket: int
    needs_fill: bool


class _Flight(enum.Enum):
    """How a look-up ended that has nothing to say to those who waited for it."""

    ABANDONED = enum.auto()


_ABANDONED: Final = _Flight.ABANDONED
_Landing: TypeAlias = _Found | Refusal | Literal[_Flight.ABANDONED]


@dataclass(slots=True, kw_only=True)
class Lookup:
    """Finds keys that are not in memory. One look-up per digest is under way at a time; others wait for it.

    Of those that need SQL only `searches_max` go on at once and the rest queue: more would finish no
    sooner, and every turn of the event loop would be as much longer for known keys.
    The caches' and SQL's own drivers have deadlines; those here are for a driver that breaks its word.
    """

    known: KnownKeys
    terms: Terms
    reader: KeyReader
    cache: KeyCache
    verifier: Verifier
    peppers: Peppers
    clock: Clock
    sql_health: SqlHealth
    flights_max: int = 1_000
    searches_max: int = 4
    turn_deadline_seconds: float = 5.0
    cache_deadline_seconds: float = 0.25
    sql_deadline_seconds: float = 5.0
    _flights: dict[KeyDigest, asyncio.Future[_Landing]] = field(default_factory=dict, init=False)
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        """All turns are free."""
        self._turns = asyncio.Semaphore(self.searches_max)

    async def find(self, sought: Sought) -> KnownKey | Refusal:
        """The key, in whatever state it is, or why there is none: UNKNOWN_KEY, STORE_UNAVAILABLE, OVERLOADED.

        When this returns a key, no change of it has been heard since it was read.
        """
        while True:
            flight = self._flights.get(sought.digest)
            if flight is not None:
                # Shielded: who stops waiting must not take the look-up from the others.
                landing = await asyncio.shield(flight)
            elif len(self._flights) >= self.flights_max:
                return Refusal.OVERLOADED
            else:
                landing = await self._fly(sought)
            if isinstance(landing, Refusal):
                return landing
            # Between the landing and here others have run, and a change may have been heard.
            if isinstance(landing, _Found) and self.known.accepts(
                landing.known.key, landing.ticket
            ):
                return landing.known

    async def _fly(self, sought: Sought) -> _Landing:
        """Look up for everyone who asks meanwhile; they are answered before L2 is filled."""
        flight = asyncio.get_running_loop().create_future()
        self._flights[sought.digest] = flight
        landing: _Landing = _ABANDONED
        try:
            landing = await self._search(sought)
        except StoreError:
            landing = Refusal.STORE_UNAVAILABLE
        except Overloaded:
            landing = Refusal.OVERLOADED
        finally:
            # Also when this caller was cancelled: one of the others then begins again.
            del self._flights[sought.digest]
            flight.set_result(landing)
        if isinstance(landing, _Found) and landing.needs_fill:
            await self._fill(landing.known.key, sought.digest)
        return landing

    async def _search(self, sought: Sought) -> _Found | Refusal:
        moment = self._moment()
        cached = await self._ask_cache(sought.secret_id)
        if cached is not None:
            answer = self._judge_cached(sought, cached, moment)
            if answer is not None:
                return answer
        async with self._turn():
            return await self._search_sql(sought)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the few searches at a time. Raises Overloaded when none becomes free."""
        try:
            async with asyncio.timeout(self.turn_deadline_seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded("too many keys to look up") from None
        try:
            yield
        finally:
            self._turns.release()

    def _judge_cached(
        self, sought: Sought, cached: CachedKey, moment: _Moment
    ) -> _Found | Refusal | None:
        """What L2's copy says; None if SQL has to be asked."""
        pepper = self.peppers.find(cached.digest.pepper_id)
        if pepper is None:
            return None
        # A secret id has one token only, so a digest of another one settles the matter, at the
        # price of no argon2 for a flood that guesses at a known id.
        if not same_digest(cached.digest, sought.credential.digest(pepper)):
            return self._unknown(sought)
        if self.known.is_outdated(cached.key):
            return None
        found = self._keep(sought, cached.key, moment, is_confirmed=False)
        return found and found._replace(needs_fill=pepper is not self.peppers.current)

    async def _search_sql(self, sought: Sought) -> _Found | Refusal:
        for _ in range(_READS_MAX):
            moment = self._moment()
            stored = await self._ask_sql(sought.secret_id)
            if stored is None or not await self.verifier.verify(
                stored.token_hash, sought.credential.token_bytes()
            ):
                return self._unknown(sought)
            found = self._keep(sought, stored.key, moment, is_confirmed=True)
            if found is not None:
                return found
        raise StoreError("sql", "find", "the key kept changing")

    def _keep(
        self, sought: Sought, key: Key, moment: _Moment, *, is_confirmed: bool
    ) -> _Found | None:
        """Fill L1; None if the copy was overtaken by a change."""
        known = self.terms.known(key, moment.monotonic)
        if self.known.put(sought.digest, known, moment.ticket, is_confirmed=is_confirmed):
            return _Found(known, moment.ticket, needs_fill=is_confirmed)
        return None

    def _unknown(self, sought: Sought) -> Refusal:
        # A missing id answers sooner than a wrong secret. That tells nothing: ids are public, and
        # too long to be guessed at; a decoy hash would only make floods dearer for us.
        self.known.put_unknown(sought.digest)
        return Refusal.UNKNOWN_KEY

    async def _ask_cache(self, secret_id: str) -> CachedKey | None:
        """L2's copy. That Redis is away is no reason to refuse: SQL knows more than Redis ever does."""
        try:
            return await _within(self.cache_deadline_seconds, "redis", self.cache.find(secret_id))
        except StoreError:
            return None

    async def _ask_sql(self, secret_id: str) -> StoredKey | None:
        try:
            stored = await _within(self.sql_deadline_seconds, "sql", self.reader.find(secret_id))
        except StoreError as error:
            self.sql_health.failed(error)
            raise
        self.sql_health.answered()
        return stored

    async def _fill(self, key: Key, digest: KeyDigest) -> None:
        with contextlib.suppress(StoreError):
            await _within(
                self.cache_deadline_seconds, "redis", self.cache.fill(CachedKey(key, digest))
            )

    def _moment(self) -> _Moment:
        return _Moment(self.known.ticket(), self.clock.monotonic())


async def _within(seconds: float, store: StoreName, answer: Awaitable[_T]) -> _T:
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise StoreError(store, "look-up", f"no answer within {seconds} s") from None

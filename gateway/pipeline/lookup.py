"""The cold way to a key: L2, then SQL and argon2, each level filling the one above (design §3)."""

__all__ = ["Lookup"]

import asyncio
import contextlib
import enum
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar

from gateway.core.credential import Credential, Peppers, same_digest
from gateway.core.errors import Overloaded, StoreError, StoreName
from gateway.core.keys import Key, KeyDigest
from gateway.core.refusal import Refusal
from gateway.pipeline.health import SqlHealth
from gateway.pipeline.known import KnownKeys
from gateway.pipeline.sought import Sought, SoughtImported
from gateway.pipeline.terms import KnownKey, Terms
from gateway.pipeline.verifier import Verifier
from gateway.ports import CachedKey, Clock, KeyCache, KeyReader, StoredKey

_T = TypeVar("_T")

# SQL is read again when a change is heard meanwhile; a key that changes this often in the
# time of a few look-ups is refused for a second rather than read for ever.
_READS_MAX = 4


class _Moment(NamedTuple):
    """When a read began: on our clock, and in the order of changes heard."""

    ticket: int
    monotonic: float


class _Found(NamedTuple):
    """A key, by what memory knows it, under which ticket it was read, and whether L2 is to be told."""

    known: KnownKey
    digest: KeyDigest
    ticket: int
    needs_fill: bool
    is_imported: bool = False


class _Claim(NamedTuple):
    """A secret, and what has to be its text; `pepper_id` says how an imported one was found."""

    stored: StoredKey
    proof: Credential
    pepper_id: str | None = None


class _Flight(enum.Enum):
    """How a look-up ended that has nothing to say to those who waited for it."""

    ABANDONED = enum.auto()


_ABANDONED: Final = _Flight.ABANDONED
_Landing: TypeAlias = _Found | Refusal | Literal[_Flight.ABANDONED]


def _leave(_digest: KeyDigest, _secret_id: str) -> None:
    """Where there are no imported keys, no digest is ever to be renewed."""


@dataclass(slots=True, kw_only=True)
class Lookup:
    """Finds keys that are not in memory. One look-up per digest is under way at a time; others wait for it.

    Of those that need SQL only `searches_max` go on at once and the rest queue: more would finish no
    sooner, and every turn of the event loop would be as much longer for known keys.
    `renew(digest, secret_id)` hears of imported keys that were found by a digest under an older pepper.
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
    renew: Callable[[KeyDigest, str], None] = _leave
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

    async def find(self, sought: Sought | SoughtImported) -> KnownKey | Refusal:
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

    async def _fly(self, sought: Sought | SoughtImported) -> _Landing:
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
            await self._fill(landing)
        return landing

    async def _search(self, sought: Sought | SoughtImported) -> _Found | Refusal:
        answer = await self._search_cache(sought)
        if answer is not None:
            return answer
        async with self._turn():
            return await self._search_sql(sought)

    async def _search_cache(self, sought: Sought | SoughtImported) -> _Found | Refusal | None:
        """What L2 says; None if SQL has to be asked."""
        moment = self._moment()
        if isinstance(sought, SoughtImported):
            return await self._search_pointed(sought.sent, moment)
        cached = await self._ask_cache(self.cache.find(sought.secret_id))
        if cached is None:
            return None
        proof = sought.proof_of(cached.key, self.terms.vendor)
        answer = self._judge_cached(cached, proof, moment)
        # A secret id has one token only, so a digest of another one settles the matter, at the price
        # of no argon2 for a flood that guesses at a known id.
        return self._unknown(sought) if isinstance(answer, Refusal) else answer

    async def _search_pointed(self, proof: Credential, moment: _Moment) -> _Found | None:
        """The imported key that a pointer leads to; None if SQL has to be asked."""
        secret_id = await self._pointed(proof)
        cached = None if secret_id is None else await self._ask_cache(self.cache.find(secret_id))
        found = None if cached is None else self._judge_cached(cached, proof, moment)
        # That it leads to another key says nothing: who can write to Redis can have put it there.
        if secret_id is None or not isinstance(found, _Found):
            return None
        if found.needs_fill:
            self.renew(found.digest, secret_id)
        return found._replace(is_imported=True)

    async def _pointed(self, proof: Credential) -> str | None:
        for pepper in (self.peppers.current, *self.peppers.older):
            secret_id = await self._ask_cache(self.cache.pointed(proof.digest(pepper)))
            if secret_id is not None:
                return secret_id
        return None

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
        self, cached: CachedKey, proof: Credential | None, moment: _Moment
    ) -> _Found | Refusal | None:
        """What L2's copy says of `proof`; None if that cannot be told, or the copy is too old."""
        pepper = self.peppers.find(cached.digest.pepper_id)
        if pepper is None:
            return None
        if proof is None or not same_digest(cached.digest, proof.digest(pepper)):
            return Refusal.UNKNOWN_KEY
        if self.known.is_outdated(cached.key):
            return None
        found = self._keep(proof, cached.key, moment, is_confirmed=False)
        return found and found._replace(needs_fill=pepper is not self.peppers.current)

    async def _search_sql(self, sought: Sought | SoughtImported) -> _Found | Refusal:
        for _ in range(_READS_MAX):
            moment = self._moment()
            claim = await self._read_claim(sought)
            if claim is None or not await self.verifier.verify(
                claim.stored.token_hash, claim.proof.token_bytes()
            ):
                return self._unknown(sought)
            found = self._keep(claim.proof, claim.stored.key, moment, is_confirmed=True)
            if found is None:
                continue
            if claim.pepper_id not in {None, self.peppers.current.id}:
                self.renew(found.digest, claim.stored.key.secret_id)
            return found._replace(is_imported=claim.pepper_id is not None)
        raise StoreError("sql", "find", "the key kept changing")

    async def _read_claim(self, sought: Sought | SoughtImported) -> _Claim | None:
        """The one secret that this can be, before argon2 is spent on it."""
        if isinstance(sought, SoughtImported):
            peppers = (self.peppers.current, *self.peppers.older)
            digests = [sought.sent.digest(pepper) for pepper in peppers]
            found = await self._ask_sql(self.reader.find_imported(digests))
            return None if found is None else _Claim(found.stored, sought.sent, found.pepper_id)
        stored = await self._ask_sql(self.reader.find(sought.secret_id))
        # The hash of an imported secret is the dear kind, and no token is its text.
        if stored is None or stored.is_imported:
            return None
        proof = sought.proof_of(stored.key, self.terms.vendor)
        return None if proof is None else _Claim(stored, proof)

    def _keep(
        self, proof: Credential, key: Key, moment: _Moment, *, is_confirmed: bool
    ) -> _Found | None:
        """Fill L1; None if the copy was overtaken by a change."""
        known = self.terms.known(key, moment.monotonic)
        digest = proof.digest(self.peppers.current)
        if self.known.put(digest, known, moment.ticket, is_confirmed=is_confirmed):
            return _Found(known, digest, moment.ticket, needs_fill=is_confirmed)
        return None

    def _unknown(self, sought: Sought | SoughtImported) -> Refusal:
        # A missing id answers sooner than a wrong secret. That tells nothing: ids are public, and
        # too long to be guessed at; a decoy hash would only make floods dearer for us.
        self.known.put_unknown(sought.digest)
        return Refusal.UNKNOWN_KEY

    async def _ask_cache(self, answer: Awaitable[_T | None]) -> _T | None:
        """L2's answer. That Redis is away is no reason to refuse: SQL knows more than Redis ever does."""
        try:
            return await _within(self.cache_deadline_seconds, "redis", answer)
        except StoreError:
            return None

    async def _ask_sql(self, answer: Awaitable[_T | None]) -> _T | None:
        try:
            found = await _within(self.sql_deadline_seconds, "sql", answer)
        except StoreError as error:
            self.sql_health.failed(error)
            raise
        self.sql_health.answered()
        return found

    async def _fill(self, found: _Found) -> None:
        key, digest = found.known.key, found.digest
        with contextlib.suppress(StoreError):
            await _within(
                self.cache_deadline_seconds, "redis", self.cache.fill(CachedKey(key, digest))
            )
            if found.is_imported:
                await _within(
                    self.cache_deadline_seconds, "redis", self.cache.point(digest, key.secret_id)
                )

    def _moment(self) -> _Moment:
        return _Moment(self.known.ticket(), self.clock.monotonic())


async def _within(seconds: float, store: StoreName, answer: Awaitable[_T]) -> _T:
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise StoreError(store, "look-up", f"no answer within {seconds} s") from None

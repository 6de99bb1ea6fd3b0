"""A whole admission on in-memory ports, with the few acts that the tests here are told in."""

__all__ = [
    "ACCOUNT",
    "PEPPER",
    "Answer",
    "KeyFields",
    "RequestFields",
    "World",
    "hash_of",
    "plain_key",
    "reason_of",
    "token_for",
    "unknown_token",
]

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, TypedDict, Unpack

from gateway.core.changes import Change
from gateway.core.credential import Credential, Pepper, Peppers, Presented
from gateway.core.errors import StoreError
from gateway.core.keys import (
    Account,
    ApiAccess,
    Environment,
    Key,
    KeyDigest,
    KeyStatus,
    KeyType,
    Owner,
)
from gateway.core.limits import Limit
from gateway.core.quota import Quota
from gateway.core.refusal import Refusal, Refused
from gateway.core.routes import Route, RouteTable, parse_pattern
from gateway.core.scopes import ScopeRule, ScopeTable
from gateway.core.token import SECRET_ID_LENGTH, SECRET_LENGTH, compose
from gateway.pipeline.admission import Admission
from gateway.pipeline.freshness import Freshness
from gateway.pipeline.health import SqlHealth
from gateway.pipeline.inquiry import Admitted, Decision, Inquiry, Waits
from gateway.pipeline.known import KnownKeys, UnknownDigests
from gateway.pipeline.lookup import Lookup
from gateway.pipeline.renewal import DigestRenewal
from gateway.pipeline.terms import Terms
from gateway.pipeline.throttle import FailureThrottle
from gateway.pipeline.verifier import Verifier
from gateway.ports import CachedKey, StoredKey
from tests.doubles import (
    ManualClock,
    MemoryFeed,
    MemoryKeyCache,
    MemoryKeyReader,
    MemoryLimiter,
    MemoryQuotas,
)

Answer: TypeAlias = Admitted | Refused

PEPPER = Pepper("new", b"n" * 32)
ACCOUNT = Account("acc_1", "Ada", "starter", ApiAccess.APPROVED)

_READS = frozenset({"GET", "HEAD"})
_SCOPES = ScopeTable(
    {
        "read-only": [ScopeRule(methods=_READS)],
        "read-write": [ScopeRule()],
        "dns-only": [ScopeRule(routes=frozenset({"dns"}))],
    }
)
_ROUTES = (
    Route("dns", (parse_pattern("/v1/dns/**"),), "origin"),
    Route(
        "servers", (parse_pattern("/v1/servers/**"),), "origin", plans=frozenset({"vps"}), cost=5
    ),
    Route("login", (parse_pattern("/v1/login"),), "origin", is_critical=True),
    Route("sandbox", (parse_pattern("/v1/sandbox/**"),), "origin", environment=Environment.TEST),
)


def hash_of(token_bytes: bytes) -> str:
    """Stands for argon2, which has its own tests."""
    return hashlib.sha256(token_bytes).hexdigest()


def _verify(token_hash: str, token_bytes: bytes) -> bool:
    return hmac.compare_digest(token_hash, hash_of(token_bytes))


class KeyFields(TypedDict, total=False):
    """What a test may want otherwise in a key."""

    account: Account
    type: KeyType
    environment: Environment
    status: KeyStatus
    scopes: tuple[str, ...]
    not_before: float
    expires_at: float
    secret_expires_at: float
    addresses: tuple[str, ...]
    origins: tuple[str, ...]
    limits: tuple[Limit, ...]
    owner: Owner


class RequestFields(TypedDict, total=False):
    """What a test may want otherwise in a request."""

    method: str
    target: str
    host: str | None
    authorization: tuple[str, ...]
    origin: str | None
    address: str
    api_keys: tuple[str, ...]
    api_secrets: tuple[str, ...]


def plain_key(number: int = 1, **fields: Unpack[KeyFields]) -> Key:
    """`key_<number>`, which may do everything, but for `fields`."""
    key = Key(
        id=f"key_{number}",
        name=f"key {number}",
        account=ACCOUNT,
        type=KeyType.SECRET,
        environment=Environment.LIVE,
        status=KeyStatus.ACTIVE,
        scopes=("read-write",),
        secret_id=str(number).zfill(SECRET_ID_LENGTH),
        version=1,
    )
    return replace(key, **fields)


def token_for(key: Key, *, letter: str = "s") -> str:
    """A well-formed token with this key's id; only that with the usual secret is right."""
    return compose(key.type, key.environment, key.secret_id, letter.ljust(SECRET_LENGTH, "x"))


def unknown_token(number: int = 0) -> str:
    """A well-formed token of no key."""
    secret_id = f"zz{number}".ljust(SECRET_ID_LENGTH, "z")
    return compose(KeyType.SECRET, Environment.LIVE, secret_id, "u" * SECRET_LENGTH)


def reason_of(answer: Answer) -> Refusal | None:
    """Why not; None if admitted."""
    return answer.reason if isinstance(answer, Refused) else None


class World:
    """One worker with its stores. `peppers`, `verify` and sizes can be other than usual.

    `quota` is that of the plan that keys are on.
    """

    def __init__(
        self,
        *,
        peppers: Peppers | None = None,
        verify: Callable[[str, bytes], bool] = _verify,
        environment: Environment | None = None,
        known_max: int = 100,
        unknown_max: int = 100,
        flights_max: int = 100,
        waiting_max: int = 256,
        failures_per_minute: int = 300,
        deadline_seconds: float = 5.0,
        accepts_imported: bool = False,
        query_parameters: tuple[str, ...] = (),
        quota: Quota | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.reader = MemoryKeyReader()
        self.cache = MemoryKeyCache()
        self.feed = MemoryFeed(self.clock)
        self.limiter = MemoryLimiter(self.clock)
        self.quotas = MemoryQuotas(self.clock)
        self.sql_news: list[StoreError | None] = []
        health = SqlHealth(self.sql_news.append)
        self.terms = Terms(
            routes=RouteTable(_ROUTES),
            scopes=_SCOPES,
            plans={"starter": (Limit("default", 1000, 60),), "vps": (), "free": ()},
            default_plan="starter",
            publishable_scopes=("read-only",),
            environment=environment,
            accepts_imported=accepts_imported,
            query_parameters=frozenset(query_parameters),
            quotas={} if quota is None else {"starter": quota},
            member_scopes={"starter": ("read-only", "dns-only"), "free": ()},
        )
        unknown = UnknownDigests(self.clock, size_max=unknown_max)
        self.known = KnownKeys(self.terms.known, unknown, size_max=known_max)
        self.feed.on_change(self.known.forget)
        self.verifier = Verifier(verify, threads=1, waiting_max=waiting_max)
        self.peppers = peppers or Peppers(PEPPER)
        self.renewal = DigestRenewal(self.reader, retry_seconds=0.0)
        self.lookup = Lookup(
            known=self.known,
            terms=self.terms,
            reader=self.reader,
            cache=self.cache,
            verifier=self.verifier,
            peppers=self.peppers,
            clock=self.clock,
            sql_health=health,
            renew=self.renewal.offer,
            flights_max=flights_max,
            cache_deadline_seconds=deadline_seconds,
            sql_deadline_seconds=deadline_seconds,
        )
        self.freshness = Freshness(
            known=self.known,
            feed=self.feed,
            reader=self.reader,
            clock=self.clock,
            sql_health=health,
            deadline_seconds=deadline_seconds,
        )
        self.throttle = FailureThrottle(self.clock, failures_per_minute=failures_per_minute)
        self.admission = Admission(
            terms=self.terms,
            known=self.known,
            lookup=self.lookup,
            freshness=self.freshness,
            throttle=self.throttle,
            limiter=self.limiter,
            peppers=self.peppers,
            clock=self.clock,
            quotas=self.quotas,
        )

    def issue(self, number: int = 1, **fields: Unpack[KeyFields]) -> str:
        """Create key `key_<number>` in SQL and give its token."""
        key = plain_key(number, **fields)
        text = token_for(key)
        self.reader.rows[key.secret_id] = StoredKey(key, hash_of(text.encode()))
        return text

    def bring(
        self, text: str, number: int = 1, pepper: Pepper | None = None, **fields: Unpack[KeyFields]
    ) -> Key:
        """Import `text` as the secret of key `key_<number>`, found by its digest under `pepper`."""
        key = plain_key(number, **fields)
        self.reader.rows[key.secret_id] = StoredKey(key, hash_of(text.encode()), is_imported=True)
        digest = Credential(text).digest(pepper or self.peppers.current)
        self.reader.imported[digest] = key.secret_id
        return key

    @staticmethod
    def inquire(token: str, **fields: Unpack[RequestFields]) -> Inquiry:
        """What a request with this token asks; without `fields`, one that any good key may make."""
        return Inquiry(
            method=fields.get("method", "GET"),
            target=fields.get("target", "/v1/dns/zones"),
            host=fields.get("host", "api.example"),
            presented=Presented(
                fields.get("authorization", (f"Bearer {token}",)),
                fields.get("api_keys", ()),
                fields.get("api_secrets", ()),
            ),
            origin=fields.get("origin"),
            address=fields.get("address", "192.0.2.1"),
        )

    def decide(self, token: str, **fields: Unpack[RequestFields]) -> Decision:
        """The synchronous answer."""
        return self.admission.decide(self.inquire(token, **fields))

    async def ask(self, token: str, **fields: Unpack[RequestFields]) -> Answer:
        """Decide, waiting if need be."""
        decision = self.decide(token, **fields)
        return await decision.resolve() if isinstance(decision, Waits) else decision

    def digest(self, token: str, pepper: Pepper = PEPPER) -> KeyDigest:
        """As L1 and L2 know the token."""
        return Credential(token).digest(pepper)

    def change(
        self, number: int = 1, *, is_announced: bool = True, **fields: Unpack[KeyFields]
    ) -> Key:
        """Commit a change of the key to SQL; then tell Redis and the feed, as the admin plane does."""
        row = next(row for row in self.reader.rows.values() if row.key.id == f"key_{number}")
        key = replace(row.key, version=row.key.version + 1, **fields)
        self.reader.rows[key.secret_id] = replace(row, key=key)
        if is_announced:
            self.cache.leave_tombstone(key.secret_id, key.version)
            self.feed.announce(Change(key.version, key_id=key.id))
        return key

    def revoke(self, number: int = 1, *, is_announced: bool = True) -> Key:
        """Revoke the key, for good."""
        return self.change(number, is_announced=is_announced, status=KeyStatus.REVOKED)

    def cached(self, token: str, key: Key, pepper: Pepper = PEPPER) -> None:
        """Put a copy into L2."""
        self.cache.entries[key.secret_id] = (
            key.version,
            CachedKey(key, self.digest(token, pepper)),
        )

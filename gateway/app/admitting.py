"""Everything that may answer "may this request pass?": both stores, admission, and what runs beside them.

The worker stands behind its proxy listener with this, and the control plane behind its endpoints that ask
(verify, forward-auth, explain). So nothing here knows of HTTP or of upstreams.
"""

__all__ = ["Door", "admitting", "lone_admission"]

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.app.condition import Condition
from gateway.app.policy import policy_terms
from gateway.app.recording import Recording, settled_ledger, watch_of
from gateway.clock import SystemClock
from gateway.core.credential import Peppers
from gateway.core.errors import Misuse, StoreError
from gateway.core.meters import Meters
from gateway.metrics import Metrics
from gateway.pipeline.admission import Admission
from gateway.pipeline.counting import CountingLimiter, Lately, NotingLimiter
from gateway.pipeline.freshness import Freshness
from gateway.pipeline.health import SqlHealth
from gateway.pipeline.known import KnownKeys, UnknownDigests
from gateway.pipeline.lookup import Lookup
from gateway.pipeline.renewal import DigestRenewal
from gateway.pipeline.terms import Terms
from gateway.pipeline.throttle import FailureThrottle
from gateway.pipeline.verifier import Verifier
from gateway.ports import Clock, Limiter
from gateway.settings import Settings, revealed
from gateway.stores import peppers, secret_hash
from gateway.stores.feed import RedisFeed
from gateway.stores.guarded import GuardedLimiter
from gateway.stores.key_cache import RedisKeyCache
from gateway.stores.limiter import RedisLimiter
from gateway.stores.places import database_url, redis_url
from gateway.stores.quota_desk import QuotaDesk
from gateway.stores.quota_pots import QuotaPots
from gateway.stores.quota_settling import QuotaSettler
from gateway.stores.redis_client import RedisStore
from gateway.stores.schema import check_schema
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_imported import SqlImportedDigests
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.sql_quotas import SqlQuotas
from gateway.stores.sql_usage_totals import SqlUsageTotals
from gateway.stores.workers import WorkerRegistry
from gateway.tasks import Crew
from gateway.usage.journal import Journal

# Redis answered a moment ago; if it has gone since, the process serves without it.
_JOIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Door:
    """A process that admits: its one admission, what it reports to, and the open stores that it stands on."""

    name: str
    clock: Clock
    metrics: Metrics
    condition: Condition
    terms: Terms
    admission: Admission
    usage: Journal
    peppers: Peppers
    engine: AsyncEngine
    redis: RedisStore
    _feed: RedisFeed
    _registry: WorkerRegistry

    async def joined(self) -> None:
        """Return once this process hears of changes and is waited for, or when Redis has gone meanwhile.

        To be awaited before anyone is served: a receipt must not leave out one that already answers.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_JOIN_SECONDS):
                _ = await self._feed.joined.wait()
                _ = await self._registry.joined.wait()


@dataclass(frozen=True, slots=True)
class _Basis:
    """What every part is built on."""

    settings: Settings
    name: str
    is_worker: bool
    clock: Clock
    metrics: Metrics
    condition: Condition
    peppers: Peppers
    terms: Terms


@dataclass(frozen=True, slots=True)
class _Stores:
    """Both stores, open, and what runs on them."""

    engine: AsyncEngine
    redis: RedisStore
    reader: SqlKeyReader
    registry: WorkerRegistry
    feed: RedisFeed
    limiter: GuardedLimiter
    taken_from: Limiter
    renewal: DigestRenewal
    quotas: QuotaDesk
    settler: QuotaSettler


@contextlib.asynccontextmanager
async def admitting(settings: Settings, *, is_worker: bool, ships: bool) -> AsyncIterator[Door]:
    """A door that is open for as long as the block lasts; a Redis or Valkey must already run.

    Each records usage in its journal; one of those that share a data folder `ships` all journals to SQL.

    Who is no worker (the control plane) remembers keys like one, so revocations wait for it, too; but it
    has a share of the rate in an outage only if it has lately taken tokens (docs/how-it-is-built.md).
    Raises Misuse and StoreError with words for the operator when something it needs is not there.
    """
    basis = _basis(settings, is_worker)
    async with contextlib.AsyncExitStack() as stack:
        stores = await _open_stores(stack, basis)
        watch = watch_of(basis.metrics, basis.condition)
        settler = stores.settler
        if basis.terms.quotas:
            await settler.join()
        ledger = None
        if ships:
            ledger = settled_ledger(settings, stores.engine, settler, basis.clock, watch)
        recording = Recording(settings, basis.name, basis.metrics, ledger)
        # Closed last but for the stores: whatever was recorded until then is still shipped.
        stack.push_async_callback(recording.close)
        stack.push_async_callback(stores.limiter.leave)
        stack.push_async_callback(stores.quotas.leave)
        crew = await stack.enter_async_context(Crew())
        admission, freshness = _admission(stack, basis, stores, recording.is_closed)
        recording.start(crew)
        if ships and basis.terms.quotas:
            _ = crew.start("settling", settler.run())
        for part, work in (
            ("feed", stores.feed.run()),
            ("registry", stores.registry.run()),
            ("limiter", stores.limiter.run()),
            ("quotas", stores.quotas.run()),
            ("freshness", freshness.run()),
            ("renewal", stores.renewal.run()),
            ("metrics", basis.metrics.run()),
        ):
            _ = crew.start(part, work)
        yield Door(
            name=basis.name,
            clock=basis.clock,
            metrics=basis.metrics,
            condition=basis.condition,
            terms=basis.terms,
            admission=admission,
            usage=recording.journal,
            peppers=basis.peppers,
            engine=stores.engine,
            redis=stores.redis,
            _feed=stores.feed,
            _registry=stores.registry,
        )


@contextlib.contextmanager
def lone_admission(
    settings: Settings, engine: AsyncEngine, redis: RedisStore
) -> Iterator[Admission]:
    """An admission on open stores, for one command: as long as the block lasts.

    Nothing runs beside it: it hears of no change, no revocation waits for it, and it borrows no tokens.
    """
    basis = _basis(settings, is_worker=False)
    with contextlib.ExitStack() as stack:
        stores = _stores_on(basis, engine, redis, lends=False)
        admission, _ = _admission(stack, basis, stores, lambda: False)
        yield admission


def _basis(settings: Settings, is_worker: bool) -> _Basis:  # noqa: FBT001 -- of two kinds of process
    clock = SystemClock()
    metrics = Metrics(clock, busiest_keys=settings.metrics.busiest_keys)
    return _Basis(
        settings=settings,
        name=f"{'w' if is_worker else 'c'}_{secrets.token_hex(6)}",
        is_worker=is_worker,
        clock=clock,
        metrics=metrics,
        condition=Condition(metrics.degraded),
        peppers=peppers.load(settings.data_dir, revealed(settings.keys.pepper)),
        terms=replace(policy_terms(settings), meters=Meters(metrics.quotas)),
    )


async def _open_stores(stack: contextlib.AsyncExitStack, basis: _Basis) -> _Stores:
    settings = basis.settings
    engine = open_engine(database_url(revealed(settings.store.url), settings.data_dir))
    stack.push_async_callback(engine.dispose)
    try:
        await check_schema(engine)
    except StoreError as error:
        raise Misuse(
            f"The database cannot be reached ({error.cause}). Start it, or correct store.url."
        ) from error
    redis = await stack.enter_async_context(
        RedisStore.open(
            redis_url(revealed(settings.redis.url), settings.data_dir),
            deadline_seconds=settings.redis.deadline_seconds,
            on_health=basis.condition.redis_is_healthy,
        )
    )
    try:
        await redis.check()
    except StoreError as error:
        raise Misuse(
            f"Redis cannot be reached ({error.cause}). Start it, or correct redis.url; "
            "without redis.url a private Valkey is used."
        ) from error
    return _stores_on(basis, engine, redis, lends=settings.limits.mode == "leased")


def _stores_on(basis: _Basis, engine: AsyncEngine, redis: RedisStore, *, lends: bool) -> _Stores:
    lately = Lately(basis.clock)
    totals = SqlUsageTotals(engine, basis.settings.store.deadline_seconds)
    registry = WorkerRegistry(
        redis, basis.clock, basis.name, takes=None if basis.is_worker else lately.is_so
    )
    limiter = GuardedLimiter(
        RedisLimiter(redis, basis.name),
        basis.clock,
        registry.count,
        leases=basis.metrics.leases if lends else None,
    )
    return _Stores(
        engine=engine,
        redis=redis,
        reader=SqlKeyReader(engine, basis.settings.store.deadline_seconds),
        registry=registry,
        renewal=DigestRenewal(SqlImportedDigests(engine)),
        limiter=limiter,
        quotas=QuotaDesk(
            basis.terms.meters,
            QuotaPots(redis, basis.name),
            SqlQuotas(engine, totals, basis.settings.store.deadline_seconds),
            basis.clock,
            registry.count,
        ),
        settler=QuotaSettler(
            engine, redis, basis.clock, basis.settings.data_dir, basis.metrics.quotas
        ),
        taken_from=limiter if basis.is_worker else NotingLimiter(limiter, lately),
        feed=RedisFeed(
            redis, basis.clock, basis.name, on_enforced=basis.metrics.revocation_seconds
        ),
    )


def _admission(
    stack: contextlib.AsyncExitStack | contextlib.ExitStack,
    basis: _Basis,
    stores: _Stores,
    is_closed: Callable[[], bool],
) -> tuple[Admission, Freshness]:
    clock, keys = basis.clock, basis.settings.keys
    sql_health = SqlHealth(basis.condition.keys_in_sql)
    unknown = UnknownDigests(
        clock, size_max=keys.unknown_cache_size, seconds=keys.unknown_cache_lifetime_seconds
    )
    known = KnownKeys(basis.terms.known, unknown, size_max=keys.cache_size)
    stores.feed.on_change(known.forget)
    stores.feed.on_change(
        lambda change: basis.terms.meters.recall(change.account_id, change.key_id)
    )
    verifier = Verifier(
        secret_hash.verify, threads=keys.verify_threads, waiting_max=keys.verify_queue_max
    )
    stack.callback(verifier.close)
    freshness = Freshness(
        known=known,
        feed=stores.feed,
        reader=stores.reader,
        clock=clock,
        sql_health=sql_health,
        staleness_budget_seconds=keys.staleness_budget_seconds,
    )
    admission = Admission(
        terms=basis.terms,
        known=known,
        lookup=Lookup(
            known=known,
            terms=basis.terms,
            reader=stores.reader,
            cache=RedisKeyCache(stores.redis, basis.peppers),
            verifier=verifier,
            peppers=basis.peppers,
            clock=clock,
            sql_health=sql_health,
            renew=stores.renewal.offer,
            flights_max=keys.verify_queue_max,
            # While the threads verify, as many keys again can be read.
            searches_max=2 * keys.verify_threads,
        ),
        freshness=freshness,
        throttle=FailureThrottle(clock, failures_per_minute=keys.failed_per_minute),
        limiter=CountingLimiter(stores.taken_from, basis.metrics.limits_decided),
        peppers=basis.peppers,
        clock=clock,
        quotas=stores.quotas,
        is_encoded_slash_allowed=basis.settings.listen.allow_encoded_slash,
        is_closed=is_closed if basis.settings.usage.when_full == "refuse" else None,
    )
    return admission, freshness

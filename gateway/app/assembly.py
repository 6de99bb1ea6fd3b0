"""One worker, put together: stores, admission, the proxy listener, the operator's endpoints."""

__all__ = ["Worker", "assembled"]

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import structlog

from gateway.app.condition import Condition
from gateway.app.plain import (
    batch_pace,
    lane_terms,
    policy_terms,
    upstreams,
)
from gateway.clock import SystemClock
from gateway.core.credential import Peppers
from gateway.core.errors import Misuse, StoreError
from gateway.http.lane import Lane, Reports
from gateway.http.listener import ProxyListener
from gateway.http.operations import Readiness, operations_app
from gateway.http.operations_listener import OperationsListener
from gateway.metrics import Metrics
from gateway.pipeline.admission import Admission
from gateway.pipeline.counting import CountingLimiter
from gateway.pipeline.freshness import Freshness
from gateway.pipeline.health import SqlHealth
from gateway.pipeline.known import KnownKeys
from gateway.pipeline.lookup import Lookup
from gateway.pipeline.throttle import FailureThrottle
from gateway.pipeline.verifier import Verifier
from gateway.ports import Clock
from gateway.settings import Settings, revealed
from gateway.stores import peppers, secret_hash
from gateway.stores.feed import RedisFeed
from gateway.stores.guarded import GuardedLimiter
from gateway.stores.key_cache import RedisKeyCache
from gateway.stores.limiter import RedisLimiter
from gateway.stores.places import database_url
from gateway.stores.redis_client import RedisStore
from gateway.stores.schema import check_schema
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.valkey import PrivateValkey
from gateway.stores.workers import WorkerRegistry
from gateway.tasks import Crew
from gateway.usage.batch import BatchWriter

log = structlog.get_logger(__name__)

# Redis answered a moment ago; if it has gone since, the worker serves without it.
_JOIN_SECONDS = 2.0


class Worker:
    """What runs. `stop` ends it in order: no new work, and what is under way finishes."""

    def __init__(
        self,
        settings: Settings,
        proxy: ProxyListener,
        condition: Condition,
        render_metrics: Callable[[], bytes],
        joined: Callable[[], Awaitable[None]],
    ) -> None:
        """Nothing listens yet. `joined` returns once the worker hears of changes and is waited for."""
        self._joined = joined
        app = operations_app(render_metrics=render_metrics, readiness=self.readiness)
        self.proxy = proxy
        self.operations = OperationsListener(app, settings.admin.host, settings.admin.port)
        self._settings = settings
        self._condition = condition
        self._is_draining = False

    async def start(self) -> None:
        """Listen. Raises Misuse when an address cannot be had.

        Not before others know of this worker: a receipt must not leave out one that already serves.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_JOIN_SECONDS):
                await self._joined()
        await self.operations.start()
        await self.proxy.start()
        log.info(
            "listening",
            proxy=f"{self._settings.listen.host}:{self.proxy.port}",
            admin=f"{self._settings.admin.host}:{self.operations.port}",
        )

    async def stop(self) -> None:
        """Drain within the configured time."""
        self._is_draining = True
        seconds = self._settings.listen.drain_deadline_seconds
        log.info("draining", connections=self.proxy.connection_count, deadline_seconds=seconds)
        is_clean = await self.proxy.drain(seconds)
        log.info("drained", cut_connections=not is_clean)

    def readiness(self) -> tuple[Readiness, dict[str, str]]:
        """Whether to be given traffic, and how each store is."""
        stores = {
            store: "away" if store in self._condition.away else "ok" for store in ("redis", "sql")
        }
        if self._is_draining:
            return Readiness.NOT_READY, {"reason": "draining", **stores}
        return (Readiness.DEGRADED if self._condition.away else Readiness.READY), stores


@dataclass(frozen=True, slots=True)
class _Basis:
    """What every part of the worker is built on."""

    settings: Settings
    clock: Clock
    metrics: Metrics
    condition: Condition
    worker_name: str


@dataclass(frozen=True, slots=True)
class _Stores:
    """Both stores, open, and what runs on them."""

    redis: RedisStore
    reader: SqlKeyReader
    usage: SqlUsageStore
    registry: WorkerRegistry
    feed: RedisFeed
    limiter: GuardedLimiter
    valkey: PrivateValkey | None

    async def joined(self) -> None:
        """Return once this worker hears of changes, and others wait for it."""
        _ = await self.feed.joined.wait()
        _ = await self.registry.joined.wait()


@contextlib.asynccontextmanager
async def assembled(settings: Settings) -> AsyncIterator[Worker]:
    """A worker that is ready to start; leaving the block closes everything it opened.

    Raises Misuse and StoreError with words for the operator when something it needs is not there.
    """
    clock = SystemClock()
    metrics = Metrics(clock, busiest_keys=settings.metrics.busiest_keys)
    condition = Condition(metrics.degraded)
    basis = _Basis(settings, clock, metrics, condition, f"w_{secrets.token_hex(6)}")
    key_peppers = peppers.load(settings.data_dir, revealed(settings.keys.pepper))
    async with contextlib.AsyncExitStack() as stack:
        stores = await _open_stores(stack, basis)
        usage = BatchWriter(
            stores.usage,
            basis.worker_name,
            on_lost=metrics.usage_lost,
            on_health=condition.usage_in_sql,
            pace=batch_pace(settings),
        )
        # Closed last but for the stores: whatever was recorded until then is still written.
        stack.push_async_callback(usage.drain)
        crew = await stack.enter_async_context(Crew())
        admission, freshness = _admission(stack, basis, stores, key_peppers)
        proxy = await _proxy(stack, basis, admission, usage)
        worker = Worker(settings, proxy, condition, metrics.render, stores.joined)
        stack.push_async_callback(worker.operations.close)
        for part, work in (
            ("feed", stores.feed.run()),
            ("registry", stores.registry.run()),
            ("limiter", stores.limiter.run()),
            ("freshness", freshness.run()),
            ("usage", usage.run()),
            ("metrics", metrics.run()),
        ):
            _ = crew.start(part, work)
        if stores.valkey is not None:
            _ = crew.start("valkey", stores.valkey.run())
        yield worker


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
    url = revealed(settings.redis.url)
    valkey = None
    if url is None:
        valkey = await stack.enter_async_context(PrivateValkey(settings.data_dir))
        url = valkey.url
    redis = await stack.enter_async_context(
        RedisStore.open(
            url,
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
    registry = WorkerRegistry(redis, basis.clock, basis.worker_name)
    return _Stores(
        valkey=valkey,
        redis=redis,
        reader=SqlKeyReader(engine, settings.store.deadline_seconds),
        usage=SqlUsageStore(engine),
        registry=registry,
        limiter=GuardedLimiter(RedisLimiter(redis), basis.clock, registry.count),
        feed=RedisFeed(
            redis, basis.clock, basis.worker_name, on_enforced=basis.metrics.revocation_seconds
        ),
    )


def _admission(
    stack: contextlib.AsyncExitStack, basis: _Basis, stores: _Stores, key_peppers: Peppers
) -> tuple[Admission, Freshness]:
    clock, settings = basis.clock, basis.settings
    keys = settings.keys
    terms = policy_terms(settings)
    sql_health = SqlHealth(basis.condition.keys_in_sql)
    known = KnownKeys(
        clock,
        size_max=keys.cache_size,
        unknown_max=keys.unknown_cache_size,
        unknown_seconds=keys.unknown_cache_lifetime_seconds,
    )
    stores.feed.on_change(known.forget)
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
        terms=terms,
        known=known,
        lookup=Lookup(
            known=known,
            terms=terms,
            reader=stores.reader,
            cache=RedisKeyCache(stores.redis, key_peppers),
            verifier=verifier,
            peppers=key_peppers,
            clock=clock,
            sql_health=sql_health,
            flights_max=keys.verify_queue_max,
            # While the threads verify, as many keys again can be read.
            searches_max=2 * keys.verify_threads,
        ),
        freshness=freshness,
        throttle=FailureThrottle(clock, failures_per_minute=keys.failed_per_minute),
        limiter=CountingLimiter(stores.limiter, basis.metrics.limit_decided),
        peppers=key_peppers,
        clock=clock,
        is_encoded_slash_allowed=settings.listen.allow_encoded_slash,
    )
    return admission, freshness


async def _proxy(
    stack: contextlib.AsyncExitStack, basis: _Basis, admission: Admission, usage: BatchWriter
) -> ProxyListener:
    behind = upstreams(basis.settings)
    for upstream in behind.values():
        await upstream.open()
        stack.push_async_callback(upstream.close)
    lane = Lane(
        admission,
        behind,
        terms=lane_terms(basis.settings),
        clock=basis.clock,
        reports=Reports(usage, basis.metrics.request_finished),
    )
    listen = basis.settings.listen
    proxy = ProxyListener(lane, host=listen.host, port=listen.port)
    stack.push_async_callback(proxy.close)
    return proxy

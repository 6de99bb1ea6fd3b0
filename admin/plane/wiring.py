"""From the settings to the services, on the stores that the settings name."""

__all__ = ["data_url", "opened", "set_up_link"]

import contextlib
import functools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.plane.alerts import alert_defaults, alerting
from admin.plane.checking import check_service, lone_check_service
from admin.plane.console_wiring import (
    Proving,
    console_services,
    password_verifier,
    set_up_url,
)
from admin.plane.notifying import channel_service, delivery_service
from admin.plane.quotas import quota_service
from admin.plane.rules import account_rules, kept_sums, key_rules, offered, transfer_rules
from admin.services.accounts import AccountService
from admin.services.alerts import AlertService
from admin.services.catalogue import Services
from admin.services.enforcing import Enforcement
from admin.services.hashing import SlowHashes
from admin.services.housekeeping import Housekeeping
from admin.services.inbox import InboxService
from admin.services.keys import KeyService
from admin.services.network_keeping import NetworkKeeping
from admin.services.plans import PlanService
from admin.services.records import RecordService
from admin.services.repeats import Repeats
from admin.services.sealing import Sealer
from admin.services.shown_once import ShownOnce
from admin.services.tokens import TokenService
from admin.services.transfer import TransferService
from admin.services.usage import UsageService
from admin.services.users import UserService
from admin.stores.accounts import AccountStore
from admin.stores.alert_choices import AlertChoices
from admin.stores.alert_marks import AlertMarks
from admin.stores.alert_networks import AlertNetworks
from admin.stores.alert_states import AlertStates
from admin.stores.concerned import ConcernedSecrets
from admin.stores.idempotency import IdempotencyStore
from admin.stores.inbox import InboxStore
from admin.stores.keys import KeyStore
from admin.stores.records import RecordStore
from admin.stores.tokens import TokenStore
from admin.stores.transfer import TransferStore
from admin.stores.usage_requests import RequestStore
from admin.stores.usage_rollups import RollupStore
from admin.stores.users import UserStore
from gateway.app.admitting import Door
from gateway.clock import SystemClock
from gateway.core.credential import Peppers
from gateway.pipeline.verifier import Verifier
from gateway.ports import Clock
from gateway.settings import Settings, revealed
from gateway.stores.announcer import RedisAnnouncer
from gateway.stores.peppers import load as load_peppers
from gateway.stores.places import database_url, redis_url
from gateway.stores.redis_client import RedisStore
from gateway.stores.schema import check_schema
from gateway.stores.secret_hash import verify
from gateway.stores.sql_engine import open_engine

# A person waits longer for an answer than a request may.
_REDIS_SECONDS = 1.0
_TOKENS_WAITING_MAX = 256


def data_url(settings: Settings) -> str:
    """The database: the configured one, else the SQLite file in the data folder."""
    return database_url(revealed(settings.store.url), settings.data_dir)


async def set_up_link(settings: Settings) -> str | None:
    """A link by which the console gets its first admin, for an hour; None once one can sign in. Raises StoreError."""
    async with opened(settings) as services:
        token = await services.console.entry_links.to_set_up()
    return None if token is None else set_up_url(settings, token)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the services share. `peppers` are read when something is sealed or a token is checked, and not before."""

    settings: Settings
    engine: AsyncEngine
    redis: RedisStore
    clock: Clock
    peppers: Callable[[], Peppers]
    verifier: Verifier
    hashes: SlowHashes
    passwords: Verifier


@contextlib.asynccontextmanager
async def opened(
    settings: Settings,
    door: Door | None = None,
    clock: Clock | None = None,
    hashes: SlowHashes | None = None,
) -> AsyncIterator[Services]:
    """The services, on open stores. Raises Misuse for a database that has another schema, or none.

    Checks ask the admission of `door`; a command has none, and gets one for the occasion. `hashes`, which are
    closed in the end, are for passwords and for what is imported; without them they cost what they must.
    """
    shared = redis_url(revealed(settings.redis.url), settings.data_dir)
    async with contextlib.AsyncExitStack() as stack:
        engine = open_engine(data_url(settings))
        stack.push_async_callback(engine.dispose)
        await check_schema(engine)
        redis = await stack.enter_async_context(
            RedisStore.open(shared, deadline_seconds=_REDIS_SECONDS)
        )
        # One thread: a token is hashed at its first use in this process, and not again.
        verifier = Verifier(verify, threads=1, waiting_max=_TOKENS_WAITING_MAX)
        stack.callback(verifier.close)
        hashes = hashes or SlowHashes()
        stack.callback(hashes.close)
        peppers = functools.cache(
            lambda: load_peppers(settings.data_dir, revealed(settings.keys.pepper))
        )
        passwords = password_verifier()
        stack.callback(passwords.close)
        parts = _Parts(
            settings, engine, redis, clock or SystemClock(), peppers, verifier, hashes, passwords
        )
        yield _services(parts, door)


def _services(parts: _Parts, door: Door | None) -> Services:
    settings, engine, clock = parts.settings, parts.engine, parts.clock
    announcer = RedisAnnouncer(parts.redis, clock)
    claims, key_store = IdempotencyStore(engine), KeyStore(engine)
    repeats = Repeats(claims, Sealer(parts.peppers))
    enforcement = Enforcement(announcer, ConcernedSecrets(engine))
    keys = KeyService(key_store, announcer, repeats, clock, key_rules(settings))
    channels = channel_service(settings, engine, repeats, parts.peppers, clock)
    console = console_services(
        settings,
        engine,
        clock,
        Proving(parts.hashes.of, parts.passwords.verify, Sealer(parts.peppers)),
    )
    housekeeping = Housekeeping(keys, key_store, claims, clock)
    housekeeping.also(console.forget)
    housekeeping.also(NetworkKeeping(AlertNetworks(engine), AlertMarks(engine)).once)
    return Services(
        accounts=AccountService(
            AccountStore(engine), enforcement, repeats, clock, account_rules(settings)
        ),
        users=UserService(UserStore(engine), enforcement, repeats, clock, settings.scopes),
        tokens=TokenService(
            TokenStore(engine), repeats, clock, parts.peppers, parts.verifier.verify
        ),
        keys=keys,
        housekeeping=housekeeping,
        transfer=TransferService(
            store=TransferStore(engine),
            accounts=AccountStore(engine),
            hashes=parts.hashes,
            peppers=parts.peppers,
            clock=clock,
            rules=transfer_rules(settings),
        ),
        usage=UsageService(RequestStore(engine), RollupStore(engine), clock, kept_sums(settings)),
        quotas=quota_service(settings, engine, parts.redis, enforcement, repeats, clock),
        records=RecordService(RecordStore(engine)),
        channels=channels,
        deliveries=delivery_service(settings, engine, channels, repeats, clock),
        inbox=InboxService(InboxStore(engine)),
        plans=PlanService(offered(settings)),
        checks=(
            lone_check_service(settings, engine, parts.redis, clock)
            if door is None
            else check_service(settings, door)
        ),
        alerts=AlertService(
            AlertChoices(engine), AlertStates(engine), clock, alert_defaults(settings)
        ),
        alerting=alerting(
            settings, engine, clock, None if door is None else door.metrics.notifications.alerts
        ),
        shown_once=ShownOnce(repeats, clock),
        console=console,
    )

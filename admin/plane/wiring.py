"""From the settings to the services, on the stores that the settings name."""

__all__ = ["data_url", "opened"]

import contextlib
import functools
from collections.abc import AsyncIterator

from admin.plane.checking import check_service, lone_check_service
from admin.services.accounts import AccountRules, AccountService
from admin.services.catalogue import Services
from admin.services.enforcing import Enforcement
from admin.services.hashing import SlowHashes
from admin.services.keys import KeyRules, KeyService
from admin.services.plans import Plan, Plans, PlanService, Scope, ScopeRule
from admin.services.records import RecordService
from admin.services.repeats import Repeats
from admin.services.sealing import Sealer
from admin.services.tokens import TokenService
from admin.services.transfer import TransferRules, TransferService
from admin.services.usage import UsageService
from admin.services.users import UserService
from admin.stores.accounts import AccountStore
from admin.stores.concerned import ConcernedSecrets
from admin.stores.idempotency import IdempotencyStore
from admin.stores.keys import KeyStore
from admin.stores.records import RecordStore
from admin.stores.tokens import TokenStore
from admin.stores.transfer import TransferStore
from admin.stores.users import UserStore
from gateway.app.admitting import Door
from gateway.clock import SystemClock
from gateway.core.limits import Limit
from gateway.pipeline.verifier import Verifier
from gateway.settings import Settings, revealed
from gateway.stores.announcer import RedisAnnouncer
from gateway.stores.peppers import load as load_peppers
from gateway.stores.places import database_url, redis_url
from gateway.stores.redis_client import RedisStore
from gateway.stores.schema import check_schema
from gateway.stores.secret_hash import verify
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_usage import SqlKeyUsage

# A person waits longer for an answer than a request may.
_REDIS_SECONDS = 1.0
_TOKENS_WAITING_MAX = 256


def data_url(settings: Settings) -> str:
    """The database: the configured one, else the SQLite file in the data folder."""
    return database_url(revealed(settings.store.url), settings.data_dir)


@contextlib.asynccontextmanager
async def opened(settings: Settings, door: Door | None = None) -> AsyncIterator[Services]:
    """The services, on open stores. Raises Misuse for a database that has another schema, or none.

    Checks ask the admission of `door`; a command has none, and gets one for the occasion.
    """
    clock = SystemClock()
    # Read when something is sealed or a token is checked: no command needs them otherwise.
    peppers = functools.cache(
        lambda: load_peppers(settings.data_dir, revealed(settings.keys.pepper))
    )
    shared = redis_url(revealed(settings.redis.url), settings.data_dir)
    async with contextlib.AsyncExitStack() as stack:
        engine = open_engine(data_url(settings))
        stack.push_async_callback(engine.dispose)
        await check_schema(engine)
        redis = await stack.enter_async_context(
            RedisStore.open(shared, deadline_seconds=_REDIS_SECONDS)
        )
        announcer = RedisAnnouncer(redis, clock)
        repeats = Repeats(IdempotencyStore(engine), Sealer(peppers))
        enforcement = Enforcement(announcer, ConcernedSecrets(engine))
        # One thread: a token is hashed at its first use in this process, and not again.
        verifier = Verifier(verify, threads=1, waiting_max=_TOKENS_WAITING_MAX)
        stack.callback(verifier.close)
        keys = KeyService(
            KeyStore(engine),
            announcer,
            repeats,
            clock,
            _key_rules(settings),
        )
        account_rules = _account_rules(settings)
        hashes = SlowHashes()
        stack.callback(hashes.close)
        transfer = TransferService(
            store=TransferStore(engine),
            accounts=AccountStore(engine),
            hashes=hashes,
            peppers=peppers,
            clock=clock,
            rules=_transfer_rules(settings),
        )
        checks = (
            lone_check_service(settings, engine, redis, clock)
            if door is None
            else check_service(settings, door)
        )
        yield Services(
            accounts=AccountService(
                AccountStore(engine), enforcement, repeats, clock, account_rules
            ),
            users=UserService(UserStore(engine), enforcement, repeats, clock, settings.scopes),
            tokens=TokenService(TokenStore(engine), repeats, clock, peppers, verifier.verify),
            keys=keys,
            transfer=transfer,
            usage=UsageService(keys, SqlKeyUsage(engine)),
            records=RecordService(RecordStore(engine)),
            plans=PlanService(_offered(settings)),
            checks=checks,
        )


def _offered(settings: Settings) -> Plans:
    plans = tuple(
        Plan(
            name=name,
            limits=tuple(
                Limit(limit.name, limit.quota, limit.window_seconds, limit.per)
                for limit in plan.limits
            ),
            member_scopes=plan.member_scopes,
            monthly_quota=plan.monthly_quota,
            alerts=plan.alerts,
        )
        for name, plan in settings.plans.items()
    )
    scopes = tuple(
        Scope(name, tuple(ScopeRule(rule.methods, rule.routes) for rule in rules))
        for name, rules in settings.scopes.items()
    )
    return Plans(plans, scopes, settings.accounts.default_plan)


def _key_rules(settings: Settings) -> KeyRules:
    return KeyRules(
        settings.scopes,
        settings.keys.vendor_prefix,
        {name: plan.member_scopes for name, plan in settings.plans.items()},
        settings.accounts.default_plan,
        secret_keys_by_members=settings.keys.secret_keys_by == "members",
        rotation_due_after_seconds=settings.keys.rotation_due_after_seconds,
        retire_unused_after_seconds=settings.keys.retire_unused_after_seconds,
    )


def _account_rules(settings: Settings) -> AccountRules:
    return AccountRules(
        settings.plans, settings.accounts.default_plan, settings.accounts.default_api_access
    )


def _transfer_rules(settings: Settings) -> TransferRules:
    return TransferRules(
        settings.scopes,
        _account_rules(settings),
        settings.keys.vendor_prefix,
        settings.keys.accept_imported,
    )

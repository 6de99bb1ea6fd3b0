"""From a configuration file to the services that the commands call."""

__all__ = [
    "Services",
    "call",
    "data_url",
    "environment",
    "opened",
    "settings_file",
    "settings_of",
]

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from admin.services.accounts import AccountService
from admin.services.keys import KeyRules, KeyService
from admin.services.schema import ensure_schema
from admin.services.usage import UsageService
from admin.stores.accounts import AccountStore
from admin.stores.keys import KeyStore
from gateway.clock import SystemClock
from gateway.core.errors import Misuse
from gateway.settings import Settings, load, revealed
from gateway.stores.announcer import RedisAnnouncer
from gateway.stores.places import database_url, redis_url
from gateway.stores.redis_client import RedisStore
from gateway.stores.schema import check_schema
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_usage import SqlKeyUsage

DEFAULT_FILE = Path("config/keywright.yaml")

# A person waits longer for an answer than a request may.
_REDIS_SECONDS = 1.0


Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Services:
    """What an operator can do, on the stores that the settings name."""

    accounts: AccountService
    keys: KeyService
    usage: UsageService


def settings_file(given: Path | None) -> Path | None:
    """The file to read: the one given, else the usual one if it exists. Raises Misuse for a missing one."""
    if given is None:
        return DEFAULT_FILE if DEFAULT_FILE.exists() else None
    if not given.is_file():
        raise Misuse(f"there is no file {given}; name an existing one with -c FILE")
    return given


def environment() -> Mapping[str, str]:
    """The variables, for the settings, which alone interpret them."""
    return dict(os.environ)  # noqa: TID251 -- handed to the settings


def settings_of(given: Path | None) -> Settings:
    """The settings that a command works with. Raises SettingsError with all mistakes in them."""
    return load(settings_file(given), environment())


def data_url(settings: Settings) -> str:
    """The database: the configured one, else the SQLite file in the data folder."""
    return database_url(revealed(settings.store.url), settings.data_dir)


def call(
    given: Path | None, act: Callable[[Services], Awaitable[Result]], *, sets_up: bool = False
) -> Result:
    """What `act` returns, done on the services of the given configuration file.

    With `sets_up`, an empty database is set up first, so that the first account needs no ceremony.
    Raises Misuse for a database with another schema, and whatever `act` raises.
    """
    settings = settings_of(given)

    async def run() -> Result:
        if sets_up and (made := await ensure_schema(data_url(settings))) is not None:
            sys.stderr.write(f"{made.sentence}\n")
        async with opened(settings) as services:
            return await act(services)

    return asyncio.run(run())


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Services]:
    """The services, on open stores. Raises Misuse for a database that has another schema, or none."""
    clock = SystemClock()
    shared = redis_url(revealed(settings.redis.url), settings.data_dir)
    async with contextlib.AsyncExitStack() as stack:
        engine = open_engine(data_url(settings))
        stack.push_async_callback(engine.dispose)
        await check_schema(engine)
        redis = await stack.enter_async_context(
            RedisStore.open(shared, deadline_seconds=_REDIS_SECONDS)
        )
        keys = KeyService(
            KeyStore(engine),
            RedisAnnouncer(redis, clock),
            clock,
            KeyRules(settings.scopes, settings.keys.vendor_prefix),
        )
        accounts = AccountService(
            AccountStore(engine),
            clock,
            plans=settings.plans,
            default_plan=settings.accounts.default_plan,
            default_api_access=settings.accounts.default_api_access,
        )
        yield Services(accounts, keys, UsageService(keys, SqlKeyUsage(engine)))

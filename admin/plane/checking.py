"""Asking about keys: on the control plane's own admission, or for one command on one that is made for it."""

__all__ = ["check_service", "forward_auth", "lone_check_service"]

import contextlib
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.services.checks import CheckService
from admin.services.forward_auth import ForwardAuth, ForwardTerms
from gateway.app.admitting import Door, lone_admission
from gateway.app.policy import key_places, served_methods
from gateway.core.addresses import Networks
from gateway.pipeline.admission import Admission
from gateway.pipeline.exchange import Reports
from gateway.ports import Clock
from gateway.settings import Settings
from gateway.stores.redis_client import RedisStore
from gateway.stores.sql_keys import SqlKeyReader


def forward_auth(settings: Settings, door: Door) -> ForwardAuth:
    """What answers proxies in front; it refuses in the words of the proxy listener."""
    listen = settings.listen
    terms = ForwardTerms(
        realm=listen.realm,
        docs_url=settings.docs_url,
        has_legacy_headers=settings.headers.legacy,
        trusted=Networks(listen.trusted_proxies),
        methods=served_methods(settings),
        places=key_places(settings),
    )
    return ForwardAuth(door.admission, terms, _reports(door), door.clock)


def check_service(settings: Settings, door: Door) -> CheckService:
    """For the control plane: it hears of changes, and what it verifies counts as used."""

    def lent() -> contextlib.nullcontext[Admission]:
        return contextlib.nullcontext(door.admission)

    return CheckService(
        lent,
        SqlKeyReader(door.engine, settings.store.deadline_seconds),
        door.clock,
        methods=served_methods(settings),
        reports=_reports(door),
    )


def lone_check_service(
    settings: Settings, engine: AsyncEngine, redis: RedisStore, clock: Clock
) -> CheckService:
    """For commands: each check gets an admission of its own, so that nothing is remembered from one to the next."""
    return CheckService(
        partial(lone_admission, settings, engine, redis),
        SqlKeyReader(engine, settings.store.deadline_seconds),
        clock,
        methods=served_methods(settings),
    )


def _reports(door: Door) -> Reports:
    return Reports(door.usage, door.metrics.request_finished)

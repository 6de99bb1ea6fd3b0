"""Keys and their services on a real database, for tests of their life."""

__all__ = ["DAY_SECONDS", "RULES", "KeyStand", "secret_ids"]

import dataclasses
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller, Role
from admin.core.page import PAGE_MAX, PageRequest
from admin.services.accounts import AccountView
from admin.services.housekeeping import Housekeeping
from admin.services.keys import (
    CreatedKey,
    KeyFilter,
    KeyRules,
    KeyService,
    KeyView,
    NewKey,
    RotatedKey,
)
from admin.services.users import NewUser, UserView
from admin.stores.idempotency import IdempotencyStore
from admin.stores.keys import KeyStore
from gateway.core.keys import Key
from gateway.core.record import UsageRecord
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.tables import audit_entries, events
from tests.admin.world import OPERATOR, PLANS, SCOPES, World, caller_of, repeats_of
from tests.contracts.test_usage_store import RECORD

DAY_SECONDS = 86_400.0
RULES = KeyRules(
    SCOPES,
    member_scopes={PLANS[0]: None, PLANS[1]: ("read-only", "dns-only")},
    default_plan=PLANS[0],
)


class KeyStand(World):
    """The world, and what is done with keys in it; each key is made in one account unless said otherwise."""

    def __init__(self, engine: AsyncEngine, **rules: Any) -> None:  # noqa: ANN401
        """`rules` replace those of the configuration."""
        super().__init__(engine)
        self.store = KeyStore(engine)
        self.keys = self.service(**rules)
        self.housekeeping = Housekeeping(
            self.keys, self.store, IdempotencyStore(engine), self.clock, interval_seconds=0.01
        )
        self._sequence = 0

    def service(self, **rules: Any) -> KeyService:  # noqa: ANN401
        """The service under other rules, on the same database."""
        changed = dataclasses.replace(RULES, **rules)
        repeats = repeats_of(self.engine)
        return KeyService(self.store, self.listeners, repeats, self.clock, changed)

    async def account(self, plan: str = PLANS[0]) -> AccountView:
        """A new account."""
        return await self.accounts.create(OPERATOR, "Ada", plan)

    async def user(
        self,
        account_id: str | None,
        role: Role = Role.MEMBER,
        scopes: Sequence[str] | None = None,
    ) -> UserView:
        """A new user."""
        email = f"{role}{self._next()}@example.com"
        return await self.users.create(OPERATOR, NewUser(email, "Ada", role, account_id, scopes))

    def caller(self, user: UserView, key: str | None = None) -> Caller:
        """That user, with an Idempotency-Key perhaps."""
        return caller_of(Role(user.role), user.account_id, key, id=user.id, user_id=user.id)

    async def made(self, account_id: str | None = None, **more: Any) -> CreatedKey:  # noqa: ANN401
        """A new key that an operator has made."""
        account_id = account_id or (await self.account()).id
        order = {"account_id": account_id, "name": "live-dns-sync", **more}
        return await self.keys.create(OPERATOR, NewKey(**order))

    async def rotated(self, key_id: str, overlap_seconds: float | None) -> RotatedKey:
        """The key a second later, with another secret."""
        self.clock.advance(1)
        return await self.keys.rotate(OPERATOR, key_id, overlap_seconds)

    async def listed(self, caller: Caller = OPERATOR, **wanted: Any) -> list[str]:  # noqa: ANN401
        """The ids that a list holds, all of its pages."""
        return [key.id for key in await self.pages(caller, PAGE_MAX, **wanted)]

    async def pages(self, caller: Caller, size: int, **wanted: Any) -> list[KeyView]:  # noqa: ANN401
        """A whole list, read in pages of this size."""
        found: list[KeyView] = []
        cursor = None
        while True:
            request = PageRequest(size, cursor)
            page = await self.keys.list(caller, KeyFilter(**wanted), request)
            assert len(page.items) <= size
            found += page.items
            if (cursor := page.next_cursor) is None:
                return found

    async def used(self, key: KeyView, secret_id: str, **more: Any) -> UsageRecord:  # noqa: ANN401
        """A request with this secret just now, as the gateway records it."""
        fields = {"key_id": key.id, "secret_id": secret_id, "at": self.clock.now(), **more}
        record = dataclasses.replace(RECORD, **fields)
        await SqlUsageStore(self.engine).write("w", self._next(), [record])
        return record

    async def audited(self) -> list[str]:
        """The actions upon keys, oldest first; the chain holds."""
        assert (await self.records.verify_audit(OPERATOR)).ok
        rows = await self.rows(audit_entries)
        return [row.action for row in rows if row.target_kind == "key"]

    async def told(self) -> list[str]:
        """The kinds of the events of keys, oldest first."""
        return [row.kind for row in await self.rows(events) if row.key_id is not None]

    async def gateways(self, key: KeyView) -> dict[str, Key]:
        """The key as gateways find it, by each of its secrets."""
        return {secret.id: await self.found(secret.id) for secret in key.secrets}

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


def secret_ids(key: KeyView) -> tuple[str, ...]:
    """Oldest first."""
    return tuple(secret.id for secret in key.secrets)

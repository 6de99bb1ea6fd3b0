"""What accounts want to be told, in SQL."""

__all__ = ["AccountAlerts", "AlertChoices"]

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.alerts.kinds import AlertKind
from admin.core.alerts.wishes import Choice
from admin.core.caller import Caller
from admin.stores.transaction import Transaction, transaction
from gateway.stores.alert_tables import alert_choices
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import accounts, to_us

# Of an account that has never chosen.
_FIRST_VERSION = 1

_CHOICES: Select[Any] = select(
    accounts.c.id,
    accounts.c.name,
    accounts.c.plan,
    alert_choices.c.thresholds,
    alert_choices.c.switches,
    alert_choices.c.version,
).outerjoin(alert_choices, alert_choices.c.account_id == accounts.c.id)


@dataclass(frozen=True, slots=True)
class AccountAlerts:
    """An account and what it chose; `version` grows with every choice."""

    account_id: str
    name: str
    plan: str
    choice: Choice
    version: int = _FIRST_VERSION


class AlertChoices:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    def transaction(
        self, operation: str, caller: Caller, now: float
    ) -> AbstractAsyncContextManager[Transaction]:
        """One change with its audit entries and events: all or nothing."""
        return transaction(self._engine, operation, caller, now)

    async def of(self, account_ids: Collection[str]) -> Mapping[str, AccountAlerts]:
        """Those of the accounts that exist, by their ids."""
        if not account_ids:
            return {}
        chosen = _CHOICES.where(accounts.c.id.in_(sorted(account_ids)))
        rows = await read_rows(self._engine, "read choices of alerts", chosen)
        return {row.id: _view(row) for row in rows}

    async def lock(self, tx: Transaction, account_id: str) -> AccountAlerts | None:
        """The account's choice, which nobody else can change before the transaction ends; None without account."""
        # The account's row, because there may be none of its choice.
        its_id = select(accounts.c.id).where(accounts.c.id == account_id)
        await tx.connection.execute(its_id.with_for_update())
        row = (await tx.connection.execute(_CHOICES.where(accounts.c.id == account_id))).first()
        return None if row is None else _view(row)

    async def save(self, tx: Transaction, before: AccountAlerts, after: AccountAlerts) -> None:
        """Write a locked choice."""
        thresholds = after.choice.thresholds
        values = {
            "thresholds": None if thresholds is None else list(thresholds),
            "switches": {kind.value: is_on for kind, is_on in after.choice.switches.items()},
            "version": after.version,
            "updated_us": to_us(tx.now),
        }
        if before.version == _FIRST_VERSION:
            adding = insert(alert_choices).values(account_id=after.account_id, **values)
            await tx.connection.execute(adding)
            return
        changing = update(alert_choices).where(alert_choices.c.account_id == after.account_id)
        await tx.connection.execute(changing.values(**values))


def _view(row: Row[Any]) -> AccountAlerts:
    if row.version is None:
        return AccountAlerts(row.id, row.name, row.plan, Choice())
    # A kind that a later release knew is of no use to this one.
    known = {kind.value for kind in AlertKind}
    switches = {AlertKind(word): on for word, on in row.switches.items() if word in known}
    thresholds = None if row.thresholds is None else tuple(row.thresholds)
    return AccountAlerts(row.id, row.name, row.plan, Choice(thresholds, switches), row.version)

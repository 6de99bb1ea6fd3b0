"""Keys to be looked at, found through the indexes that there are: at most so many at a time."""

__all__ = ["BEGIN", "AlertKeys", "Place"]

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.alerts.key_life import WatchedKey
from gateway.core.keys import KeyStatus
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import keys, secrets


class Place(NamedTuple):
    """How far a walk has come: a number, and an id among those with the same."""

    at: int
    id: str


BEGIN: Final = Place(-(2**62), "")


class AlertKeys:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def expiring(self, after: Place, until_us: int, count: int) -> Sequence[Place]:
        """Active keys in the order in which they expire, up to `until_us`, as places of a walk."""
        return await self._walk(
            select(keys.c.expires_us, keys.c.id)
            .where(
                tuple_(keys.c.expires_us, keys.c.id) > tuple_(*after),
                keys.c.expires_us.between(after.at, until_us),
                keys.c.deleted_us.is_(None),
                keys.c.status == KeyStatus.ACTIVE.value,
            )
            .order_by(keys.c.expires_us, keys.c.id)
            .limit(count)
        )

    async def last_used(self, after: Place, until_day: int, count: int) -> Sequence[Place]:
        """Keys in the order of the day of their last use, up to `until_day`; `after` has a day of 1 or later."""
        return await self._walk(
            select(keys.c.used_day, keys.c.id)
            .where(
                tuple_(keys.c.used_day, keys.c.id) > tuple_(*after),
                keys.c.used_day.between(max(after.at, 1), until_day),
                keys.c.deleted_us.is_(None),
            )
            .order_by(keys.c.used_day, keys.c.id)
            .limit(count)
        )

    async def made(self, after: Place, until_us: int, count: int) -> Sequence[Place]:
        """Keys, used or not, in the order in which they were made, up to `until_us`."""
        return await self._walk(
            select(keys.c.created_us, keys.c.id)
            .where(
                tuple_(keys.c.created_us, keys.c.id) > tuple_(*after),
                keys.c.created_us.between(after.at, until_us),
                keys.c.deleted_us.is_(None),
            )
            .order_by(keys.c.created_us, keys.c.id)
            .limit(count)
        )

    async def secrets_made(
        self, after: Place, until_us: int, count: int
    ) -> tuple[Sequence[Place], Sequence[str]]:
        """Secrets in the order in which they were made, up to `until_us`, and the keys that they are of."""
        rows = await read_rows(
            self._engine,
            "walk secrets",
            select(secrets.c.created_us, secrets.c.id, secrets.c.key_id)
            .where(
                tuple_(secrets.c.created_us, secrets.c.id) > tuple_(*after),
                secrets.c.created_us.between(after.at, until_us),
            )
            .order_by(secrets.c.created_us, secrets.c.id)
            .limit(count),
        )
        places = [Place(row.created_us, row.id) for row in rows]
        return places, list(dict.fromkeys(row.key_id for row in rows))

    async def find(self, key_ids: Collection[str], now_us: int) -> Sequence[WatchedKey]:
        """Those of the keys that exist and are not deleted."""
        if not key_ids:
            return ()
        ids = sorted(key_ids)
        rows = await read_rows(
            self._engine,
            "look at keys",
            select(
                keys.c.id,
                keys.c.account_id,
                keys.c.name,
                keys.c.status,
                keys.c.created_us,
                keys.c.expires_us,
                keys.c.used_day,
            ).where(keys.c.id.in_(ids), keys.c.deleted_us.is_(None)),
        )
        newest = await self._newest_secrets(ids, now_us)
        return [
            WatchedKey(
                id=row.id,
                account_id=row.account_id,
                name=row.name,
                is_active=row.status == KeyStatus.ACTIVE.value,
                created_us=row.created_us,
                expires_us=row.expires_us,
                used_day=row.used_day,
                secret_id=newest[row.id].id if row.id in newest else None,
                secret_us=newest[row.id].at if row.id in newest else 0,
            )
            for row in rows
        ]

    async def _newest_secrets(self, key_ids: Collection[str], now_us: int) -> dict[str, Place]:
        """The newest living secret of each key."""
        rows = await read_rows(
            self._engine,
            "look at secrets",
            select(secrets.c.key_id, secrets.c.created_us, secrets.c.id)
            .where(
                secrets.c.key_id.in_(key_ids),
                secrets.c.revoked_us.is_(None),
                secrets.c.expires_us.is_(None) | (secrets.c.expires_us > now_us),
            )
            .order_by(secrets.c.created_us, secrets.c.id),
        )
        return {row.key_id: Place(row.created_us, row.id) for row in rows}

    async def _walk(self, chosen: Select[Any]) -> Sequence[Place]:
        rows = await read_rows(self._engine, "walk keys", chosen)
        return [Place._make(row) for row in rows]

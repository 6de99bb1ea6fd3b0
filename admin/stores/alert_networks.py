"""Where keys were used from, in SQL: so many networks of each, and no more."""

__all__ = ["AlertNetworks", "KeyNote"]

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import case, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.alerts.addresses import Met, Networks
from gateway.stores.alert_tables import key_networks
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import keys

_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class KeyNote:
    """A key, and the networks that are known of it."""

    id: str
    account_id: str
    name: str
    is_publishable: bool
    networks: Mapping[str, Met]


class AlertNetworks:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine) -> None:
        """`engine` is open, on a database of the present schema."""
        self._engine = engine

    async def of(self, key_ids: Collection[str]) -> Sequence[KeyNote]:
        """Those of the keys that exist, and are not deleted."""
        if not key_ids:
            return ()
        ids = sorted(key_ids)
        rows = await read_rows(
            self._engine,
            "look at keys",
            select(keys.c.id, keys.c.account_id, keys.c.name, keys.c.type).where(
                keys.c.id.in_(ids), keys.c.deleted_us.is_(None)
            ),
        )
        of_key: dict[str, dict[str, Met]] = {row.id: {} for row in rows}
        known = select(key_networks).where(key_networks.c.key_id.in_(ids))
        for row in await read_rows(self._engine, "read networks", known):
            if row.key_id in of_key:
                of_key[row.key_id][row.network] = Met(row.first_us, row.last_us, row.is_learned)
        return [
            KeyNote(row.id, row.account_id, row.name, row.type == "pk", of_key[row.id])
            for row in rows
        ]

    async def write(self, changes: Mapping[str, Networks]) -> None:
        """Remember what was met, by the keys' ids. What another node has met first, stays as that has it."""
        rows = [
            {
                "key_id": key_id,
                "network": network,
                "first_us": met.first_us,
                "last_us": met.last_us,
                "is_learned": met.is_learned,
            }
            for key_id, change in sorted(changes.items())
            for network, met in sorted(change.written.items())
        ]
        gone = [
            (key_id, network)
            for key_id, change in sorted(changes.items())
            for network in sorted(change.dropped)
        ]
        if not rows and not gone:
            return
        is_postgresql = self._engine.dialect.name == "postgresql"
        adding = (postgresql if is_postgresql else sqlite).insert(key_networks)
        last_us, its = key_networks.c.last_us, adding.excluded.last_us
        statement = adding.on_conflict_do_update(
            index_elements=[key_networks.c.key_id, key_networks.c.network],
            set_={"last_us": case((its > last_us, its), else_=last_us)},
        )
        place = tuple_(key_networks.c.key_id, key_networks.c.network)
        async with write_transaction(self._engine, "write networks") as connection:
            if rows:
                await connection.execute(statement, rows)
            for start in range(0, len(gone), _AT_ONCE):
                part = gone[start : start + _AT_ONCE]
                await connection.execute(delete(key_networks).where(place.in_(part)))

    async def forget_deleted(self, after: str, count: int) -> str:
        """Of `count` keys behind the id `after`, forget those that are deleted; where to go on, "" at the end."""
        whose = key_networks.c.key_id
        rows = await read_rows(
            self._engine,
            "walk networks",
            select(whose).where(whose > after).distinct().order_by(whose).limit(count),
        )
        ids = [row.key_id for row in rows]
        for start in range(0, len(ids), _AT_ONCE):
            part = ids[start : start + _AT_ONCE]
            there = select(keys.c.id).where(keys.c.id.in_(part), keys.c.deleted_us.is_(None))
            kept = {row.id for row in await read_rows(self._engine, "look at keys", there)}
            gone = [key_id for key_id in part if key_id not in kept]
            if gone:
                async with write_transaction(self._engine, "forget networks") as connection:
                    await connection.execute(delete(key_networks).where(whose.in_(gone)))
        return ids[-1] if len(ids) == count else ""

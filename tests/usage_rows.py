"""Usage records as the database has them."""

__all__ = ["stored_records"]

import dataclasses
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import from_us, usage_records


async def stored_records(engine: AsyncEngine, key_id: str) -> Sequence[UsageRecord]:
    """All of a key, newest first."""
    rows = await read_rows(
        engine,
        "read usage",
        select(usage_records)
        .where(usage_records.c.key_id == key_id)
        .order_by(usage_records.c.at_us.desc(), usage_records.c.id.desc()),
    )
    return tuple(
        UsageRecord(
            at=from_us(row.at_us),
            duration_seconds=from_us(row.duration_us),
            **{
                field.name: getattr(row, field.name)
                for field in dataclasses.fields(UsageRecord)
                if field.name not in {"at", "duration_seconds"}
            },
        )
        for row in rows
    )

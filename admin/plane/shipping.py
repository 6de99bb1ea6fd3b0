"""Usage that a gateway left in its journal, shipped by a command."""

__all__ = ["Shipped", "ship_usage"]

from collections.abc import Callable
from typing import NamedTuple

from admin.plane.wiring import data_url
from gateway.app.recording import journal_folder, ledger_of
from gateway.clock import SystemClock
from gateway.core.errors import Misuse
from gateway.settings import Settings
from gateway.stores.schema import check_schema
from gateway.stores.sql_engine import open_engine
from gateway.usage.ledger import Watch
from gateway.usage.segments import waiting_bytes


class Shipped(NamedTuple):
    """How many records got into SQL, and how many entries could not be read."""

    records: int
    damaged: int


async def ship_usage(settings: Settings, reached: Callable[[int, int, int], None]) -> Shipped:
    """Ship all that lies in the journal. `reached` hears how many bytes of how many are done, and how many records.

    Raises Misuse while a gateway is running on it, and StoreError when SQL is away.
    """
    root = journal_folder(settings)
    whole = waiting_bytes(root)
    engine = open_engine(data_url(settings))
    damaged: list[int] = []
    try:
        await check_schema(engine)
        watch = Watch(lambda _: None, damaged.append, lambda *_: None)
        ledger = ledger_of(settings, engine, SystemClock(), watch)
        if root.exists() and not ledger.begin():
            raise Misuse("A gateway is running on this data folder, and ships its journal itself.")
        records = await ledger.ship(
            lambda records: reached(whole - waiting_bytes(root), whole, records)
        )
    finally:
        await engine.dispose()
    return Shipped(records, sum(damaged))

"""How a process records usage: in a journal of its own; one process of a gateway has the ledger that ships them all."""

__all__ = ["Recording", "journal_folder", "ledger_of", "settled_ledger", "watch_of"]

from dataclasses import replace
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.app.condition import Condition
from gateway.metrics import Metrics
from gateway.ports import Clock
from gateway.settings import Settings
from gateway.stores.quota_settling import QuotaSettler
from gateway.stores.sql_usage import SqlUsageStore
from gateway.tasks import Crew
from gateway.usage.journal import Journal, Room
from gateway.usage.ledger import Ledger, Pace, Watch

# What cannot be shipped in this time stays in the journal.
_DRAIN_SECONDS = 5.0


class Recording:
    """The journal that requests end in, and what runs beside them for it."""

    def __init__(
        self, settings: Settings, name: str, metrics: Metrics, ledger: Ledger | None
    ) -> None:
        """`name` is this process's, new at each start; `ledger` is None when another process has it.

        Raises Misuse when the journal's folder cannot be had.
        """
        self._name = name
        self._ledger = ledger
        self.journal = Journal(
            journal_folder(settings), name, on_lost=metrics.usage_lost, room=_room(settings)
        )

    def is_closed(self) -> bool:
        """Whether what comes in now could not be recorded."""
        return self.journal.is_full

    def start(self, crew: Crew) -> None:
        """Let run what runs beside requests."""
        _ = crew.start("journal", self.journal.run())
        if self._ledger is not None:
            _ = crew.start("ledger", self._ledger.run())

    async def close(self) -> None:
        """What was recorded is shipped, if that is this process's to do and SQL is there; else it stays."""
        self.journal.close()
        if self._ledger is not None:
            _ = await self._ledger.drain(_DRAIN_SECONDS, self._name)


def journal_folder(settings: Settings) -> Path:
    """Where the journals of all processes lie."""
    return settings.data_dir / "journal"


def settled_ledger(
    settings: Settings, engine: AsyncEngine, settler: QuotaSettler, clock: Clock, watch: Watch
) -> Ledger:
    """The ledger, of which `settler` hears how far it has come."""
    ledger: Ledger

    def is_at_work() -> bool:
        return ledger.is_at_work

    heard = replace(watch, lag=settler.hears(watch.lag, is_at_work))
    ledger = ledger_of(settings, engine, clock, heard)
    return ledger


def ledger_of(settings: Settings, engine: AsyncEngine, clock: Clock, watch: Watch) -> Ledger:
    """The ledger that ships what lies there."""
    return Ledger(
        journal_folder(settings),
        SqlUsageStore(engine),
        clock,
        watch,
        Pace(settings.usage.flush_size, settings.usage.flush_interval_seconds),
    )


def watch_of(metrics: Metrics, condition: Condition) -> Watch:
    """Who hears of the ledger in a process that serves."""
    return Watch(metrics.usage_lag, metrics.usage_damaged, condition.usage_in_sql)


def _room(settings: Settings) -> Room:
    usage = settings.usage
    return Room(usage.segment_size_bytes, usage.journal_max_bytes, usage.flush_interval_seconds)

"""What was told to whom, in SQL: the state of a ladder and the event that tells it are written together."""

__all__ = ["AlertFilter", "AlertStates", "Standing"]

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, delete, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.alerts.kinds import Alert, AlertKind, Finding, Rule, Severity, Subject
from admin.core.alerts.ladder import Climb, Level, climb
from admin.core.caller import Caller
from admin.core.page import Page, PageRequest, decoded_number, encoded
from admin.stores.transaction import Transaction, transaction
from gateway.core.errors import Misuse
from gateway.stores.alert_tables import alert_states
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.tables import from_us, to_us

_STATE = alert_states.c
_ORDER = "alerts.newest"
_PLACE = tuple_(_STATE.told_us, _STATE.key_id, _STATE.account_id, _STATE.rule)
_SUBJECT = tuple_(_STATE.key_id, _STATE.account_id, _STATE.rule)
# So that no lock is held for long, and no statement has too many parameters.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert that stands now, and when it was told last, in seconds since the epoch."""

    subject: Subject
    alert: Alert
    told_at: float


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which standing alerts: all that fit every word given. A `key_id` of '' is none's: the account's own."""

    account_id: str | None = None
    key_id: str | None = None
    kind: AlertKind | None = None
    severity: Severity | None = None


class AlertStates:
    """Every method raises StoreError when the database cannot answer."""

    def __init__(self, engine: AsyncEngine, told: Counter[str] | None = None) -> None:
        """`engine` is open, on a database of the present schema. Alerts are counted in `told` by kind."""
        self._engine = engine
        self._told: Counter[str] = Counter() if told is None else told

    async def tell(self, caller: Caller, now: float, findings: Sequence[Finding]) -> int:
        """Remember what was found, and tell what was not told yet; how many alerts that were.

        However many nodes find the same, and whenever they are killed: each crossing is told once.
        """
        told = 0
        for start in range(0, len(findings), _AT_ONCE):
            told += await self._tell(caller, now, findings[start : start + _AT_ONCE])
        return told

    async def _tell(self, caller: Caller, now: float, findings: Sequence[Finding]) -> int:
        # Usually nothing is new, which a look without a lock tells.
        rows = await read_rows(self._engine, "read alerts", _of(one.subject for one in findings))
        news = _news(findings, _levels(rows))
        if not news:
            return 0
        async with transaction(self._engine, "tell alerts", caller, now) as tx:
            # In one order: two nodes then cannot wait for each other in a circle.
            ordered = sorted((one.finding for one in news), key=lambda one: one.subject)
            chosen = _of(one.subject for one in ordered).order_by(
                _STATE.account_id, _STATE.key_id, _STATE.rule
            )
            locked = await tx.connection.execute(chosen.with_for_update())
            known = _levels(locked.all())
            kinds = [await _written(tx, one) for one in _news(ordered, known)]
        told = [kind.value for kind in kinds if kind is not None]
        self._told.update(told)
        return len(told)

    async def forget(self, subjects: Sequence[Subject]) -> None:
        """Let go of what there is nothing to look at any more, such as a revoked key."""
        for start in range(0, len(subjects), _AT_ONCE):
            async with write_transaction(self._engine, "forget alerts") as connection:
                await connection.execute(
                    delete(alert_states).where(_is_one_of(subjects[start:][:_AT_ONCE]))
                )

    async def standing(self, wanted: AlertFilter, page: PageRequest) -> Page[Standing]:
        """The alerts that stand, told last first. Raises Misuse for a cursor of another list."""
        chosen = (
            select(alert_states)
            .where(_STATE.step.is_not(None), *_conditions(wanted))
            .order_by(
                _STATE.told_us.desc(),
                _STATE.key_id.desc(),
                _STATE.account_id.desc(),
                _STATE.rule.desc(),
            )
        )
        if page.cursor is not None:
            at, rest = decoded_number(page.cursor, _ORDER)
            chosen = chosen.where(tuple_(at, *_three(rest)) > _PLACE)
        rows = await read_rows(self._engine, "list alerts", chosen.limit(page.size + 1))
        shown = rows[: page.size]
        cursor = None
        if len(rows) > len(shown):
            last = shown[-1]
            cursor = encoded(_ORDER, last.told_us, f"{last.key_id} {last.account_id} {last.rule}")
        return Page(tuple(map(_standing, shown)), cursor)

    async def standing_behind(self, after: Subject, count: int) -> list[Subject]:
        """What stands, in the order of keys, accounts and rules, behind `after`."""
        rows = await read_rows(
            self._engine,
            "walk alerts",
            select(_STATE.account_id, _STATE.key_id, _STATE.rule)
            .where(
                tuple_(after.key_id, after.account_id, after.rule) < _SUBJECT,
                _STATE.step.is_not(None),
            )
            .order_by(_STATE.key_id, _STATE.account_id, _STATE.rule)
            .limit(count),
        )
        return [Subject(row.account_id, row.key_id, Rule(row.rule)) for row in rows]


def _of(subjects: Iterable[Subject]) -> Select[Any]:
    return select(
        _STATE.account_id, _STATE.key_id, _STATE.rule, _STATE.period, _STATE.step, _STATE.seen_us
    ).where(_is_one_of(subjects))


def _is_one_of(subjects: Iterable[Subject]) -> ColumnElement[bool]:
    return _SUBJECT.in_([(one.key_id, one.account_id, one.rule.value) for one in subjects])


def _levels(rows: Iterable[Row[Any]]) -> dict[Subject, Level]:
    return {
        Subject(row.account_id, row.key_id, Rule(row.rule)): Level(
            row.period, row.step, row.seen_us
        )
        for row in rows
    }


class _New(NamedTuple):
    """A change of a state; `is_known` if there is a row of it."""

    finding: Finding
    climb: Climb
    is_known: bool


def _news(findings: Iterable[Finding], known: Mapping[Subject, Level]) -> list[_New]:
    """What is to be written. That a value was looked at again and stands where it stood is not."""
    return list(_changes(findings, dict(known)))


def _changes(findings: Iterable[Finding], known: dict[Subject, Level]) -> Iterator[_New]:
    for finding in findings:
        before = known.get(finding.subject)
        result = climb(before, finding.steps, finding.look)
        was = None if before is None else (before.period, before.step)
        is_nothing = was is None and result.level.step is None
        if not is_nothing and was != (result.level.period, result.level.step):
            known[finding.subject] = result.level
            yield _New(finding, result, before is not None)


async def _written(tx: Transaction, new: _New) -> AlertKind | None:
    """Write one state, and with it the event if there is something to tell; which kind of alert that was."""
    finding, result, is_known = new
    subject, level = finding.subject, result.level
    values: dict[str, Any] = {
        "period": level.period,
        "step": level.step,
        "seen_us": level.seen_us,
    }
    alert = finding.alert(result.crossed) if result.crossed else None
    if alert is not None:
        values |= {
            "told_us": to_us(tx.now),
            "kind": alert.kind.value,
            "severity": alert.severity.value,
            "title": alert.title,
            "text": alert.text,
            "facts": dict(alert.facts),
        }
    if is_known:
        await tx.connection.execute(
            update(alert_states).where(_is_one_of([subject])).values(values)
        )
    elif not await _added(tx, subject, values):
        return None  # another node was faster, and has told it
    if alert is None:
        return None
    tx.tell(
        alert.kind.value,
        account_id=subject.account_id,
        key_id=subject.key_id or None,
        data={
            "severity": alert.severity.value,
            "title": alert.title,
            "text": alert.text,
            **alert.facts,
        },
    )
    return alert.kind


async def _added(tx: Transaction, subject: Subject, values: Mapping[str, Any]) -> bool:
    is_postgresql = tx.connection.dialect.name == "postgresql"
    adding = (postgresql if is_postgresql else sqlite).insert(alert_states)
    done = await tx.connection.execute(
        adding.on_conflict_do_nothing().values(
            account_id=subject.account_id, key_id=subject.key_id, rule=subject.rule.value, **values
        )
    )
    return bool(done.rowcount)


def _conditions(wanted: AlertFilter) -> list[ColumnElement[bool]]:
    return [
        column == value
        for column, value in (
            (_STATE.account_id, wanted.account_id),
            (_STATE.key_id, wanted.key_id),
            (_STATE.kind, wanted.kind),
            (_STATE.severity, wanted.severity),
        )
        if value is not None
    ]


def _three(words: str) -> tuple[str, str, str]:
    parts = words.split(" ")
    if len(parts) != 3:  # noqa: PLR2004 -- a key, an account and a rule
        raise Misuse("The cursor is not one of this list. Begin again without it.")
    key_id, account_id, rule = parts
    return key_id, account_id, rule


def _standing(row: Row[Any]) -> Standing:
    alert = Alert(AlertKind(row.kind), Severity(row.severity), row.title, row.text, row.facts)
    return Standing(
        Subject(row.account_id, row.key_id, Rule(row.rule)), alert, from_us(row.told_us)
    )

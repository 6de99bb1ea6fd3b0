"""Which keys a list holds, in which order, page by page."""

__all__ = ["KeyFilter", "KeySort", "list_ids"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Row, Select, and_, exists, not_, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.page import Page, PageRequest, decoded, encoded
from admin.stores.key_records import KeyState
from gateway.core.errors import Misuse
from gateway.core.keys import Environment, KeyStatus, KeyType
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import keys, secret_uses, secrets, to_us, users

KeySort = Literal["created", "-created", "name", "-name", "expires", "last_used"]

_DAY_US = 86_400_000_000
# In a cursor: behind every expiry.
_NEVER = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFilter:
    """Which keys: all that fit every word given. Durations count from now.

    A key is unused since it was last used or, if it never was, since it was made. `search` is part of
    the name, or the beginning of the id or of a secret's id.
    """

    search: str | None = None
    account_id: str | None = None
    owner_id: str | None = None
    state: KeyState | None = None
    type: KeyType | None = None
    environment: Environment | None = None
    unused_for_seconds: float | None = None
    older_than_seconds: float | None = None
    expiring_in_seconds: float | None = None
    deleted: bool = False
    sort: KeySort = "-created"


@dataclass(frozen=True, slots=True)
class _Order:
    column: ColumnElement[Any]
    is_descending: bool = False
    is_number: bool = True


_ORDERS: Final[dict[KeySort, _Order]] = {
    "created": _Order(keys.c.created_us),
    "-created": _Order(keys.c.created_us, is_descending=True),
    "name": _Order(keys.c.name, is_number=False),
    "-name": _Order(keys.c.name, is_descending=True, is_number=False),
    "expires": _Order(keys.c.expires_us),
    "last_used": _Order(keys.c.used_day),
}


async def list_ids(
    engine: AsyncEngine, wanted: KeyFilter, page: PageRequest, now: float
) -> Page[str]:
    """The ids of the keys that fit. Raises Misuse for a cursor of another order, StoreError."""
    order = _ORDERS[wanted.sort]
    after = None if page.cursor is None else _place(page.cursor, wanted.sort, order)
    conditions = _conditions(wanted, to_us(now))
    rows: list[Row[Any]] = []
    for part in _parts(wanted.sort, order, after):
        left = page.size + 1 - len(rows)
        if left:
            chosen = part.where(*conditions).limit(left)
            rows += await read_rows(engine, "list keys", chosen)
    shown = rows[: page.size]
    if len(rows) <= page.size:
        return Page(tuple(row.id for row in shown))
    last = shown[-1]
    value = _NEVER if last.place is None else last.place
    return Page(tuple(row.id for row in shown), encoded(f"keys.{wanted.sort}", value, last.id))


def _place(cursor: str, sort: KeySort, order: _Order) -> tuple[Any, str]:
    value, last_id = decoded(cursor, f"keys.{sort}")
    if isinstance(value, int) is not order.is_number:
        raise Misuse("The cursor is not one of this list. Begin again without it.")
    return value, last_id


def _parts(sort: KeySort, order: _Order, after: tuple[Any, str] | None) -> Sequence[Select[Any]]:
    """What is listed one after the other: where keys are sorted by expiry, those without one come last."""
    if sort != "expires":
        return [_part(order, after)]
    without = select(keys.c.id, keys.c.expires_us.label("place")).where(keys.c.expires_us.is_(None))
    without = without.order_by(keys.c.id)
    if after is not None and after[0] == _NEVER:
        return [without.where(keys.c.id > after[1])]
    return [_part(order, after).where(keys.c.expires_us.is_not(None)), without]


def _part(order: _Order, after: tuple[Any, str] | None) -> Select[Any]:
    column, key_id = order.column, keys.c.id
    place = tuple_(column, key_id)
    chosen = select(key_id, column.label("place"))
    if order.is_descending:
        chosen = chosen.order_by(column.desc(), key_id.desc())
        return chosen if after is None else chosen.where(place < tuple_(*after))
    chosen = chosen.order_by(column, key_id)
    return chosen if after is None else chosen.where(place > tuple_(*after))


def _conditions(wanted: KeyFilter, now_us: int) -> list[ColumnElement[bool]]:
    conditions = [
        column == value
        for column, value in (
            (keys.c.account_id, wanted.account_id),
            (keys.c.owner_id, wanted.owner_id),
            (keys.c.type, wanted.type),
            (keys.c.environment, wanted.environment),
        )
        if value is not None
    ]
    deleted = keys.c.deleted_us
    conditions.append(deleted.is_not(None) if wanted.deleted else deleted.is_(None))
    if wanted.state is not None:
        conditions.append(_in_state(wanted.state, now_us))
    if wanted.older_than_seconds is not None:
        conditions.append(keys.c.created_us <= now_us - to_us(wanted.older_than_seconds))
    if wanted.expiring_in_seconds is not None:
        conditions.append(keys.c.status != KeyStatus.REVOKED.value)
        conditions.append(keys.c.expires_us > now_us)
        conditions.append(keys.c.expires_us <= now_us + to_us(wanted.expiring_in_seconds))
    if wanted.unused_for_seconds is not None:
        conditions += _unused_since(now_us - to_us(wanted.unused_for_seconds))
    if wanted.search:
        conditions.append(_matches(wanted.search))
    return conditions


def _in_state(state: KeyState, now_us: int) -> ColumnElement[bool]:
    """As `state_of` has it."""
    is_active = keys.c.status == KeyStatus.ACTIVE.value
    has_active_owner = not_(
        exists().where(users.c.id == keys.c.owner_id, users.c.status != "active")
    )
    is_early = keys.c.not_before_us > now_us
    is_valid = or_(keys.c.not_before_us.is_(None), keys.c.not_before_us <= now_us)
    is_over = keys.c.expires_us <= now_us
    goes_on = or_(keys.c.expires_us.is_(None), keys.c.expires_us > now_us)
    match state:
        case "revoked":
            return keys.c.status == KeyStatus.REVOKED.value
        case "disabled":
            is_disabled = keys.c.status == KeyStatus.DISABLED.value
            return or_(is_disabled, and_(is_active, not_(has_active_owner)))
        case "not_yet_valid":
            return and_(is_active, has_active_owner, is_early)
        case "expired":
            return and_(is_active, has_active_owner, is_valid, is_over)
        case "active":
            return and_(is_active, has_active_owner, is_valid, goes_on)


def _unused_since(cutoff_us: int) -> list[ColumnElement[bool]]:
    day = cutoff_us // _DAY_US
    used_later = exists().where(secret_uses.c.key_id == keys.c.id, secret_uses.c.at_us > cutoff_us)
    return [
        keys.c.created_us <= cutoff_us,
        # The day alone decides, except on the very day.
        keys.c.used_day <= day,
        or_(keys.c.used_day < day, not_(used_later)),
    ]


def _matches(text: str) -> ColumnElement[bool]:
    has_secret = exists().where(
        secrets.c.key_id == keys.c.id, secrets.c.id.startswith(text, autoescape=True)
    )
    return or_(
        keys.c.name.icontains(text, autoescape=True),
        keys.c.id.startswith(text, autoescape=True),
        has_secret,
    )

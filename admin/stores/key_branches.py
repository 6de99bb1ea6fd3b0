"""The states of keys, as conditions of rows: `state_of` in the language of the database.

A state may be made of two branches that no key is in at once. `lapsed` is set some time after an active key
has expired (`KeyStore.mark_lapsed`), so that one index has those in each order; until then the others know.
"""

__all__ = ["Branch", "branches"]

from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import ColumnElement, and_, exists, false, literal, not_, or_, select, true

from admin.stores.key_filter import INDEXES_OF_ALL, KeyFilter, Sought, sought
from gateway.core.keys import KeyStatus
from gateway.stores.tables import keys, users

# In its very words, of which an index of users is made.
_IS_DISABLED: Final = users.c.status != literal("active", literal_execute=True)
_BESIDE_EXPIRY: Final = ("created_us", "used_day")
_OF_ACCOUNTS: Final = ("created_us", "name")


@dataclass(frozen=True, slots=True)
class Branch:
    """Keys that are looked for together: all of `sought`, `clauses` of their own, and deleted or not.

    `walk` is the beginning of the names of the indexes that have them, in each order. `expires_after_us`
    is before every expiry that any of them has.
    """

    walk: str
    is_listed: ColumnElement[bool]
    clauses: tuple[ColumnElement[bool], ...]
    sought: tuple[Sought, ...]
    account_id: str | None
    environment: str | None
    is_deleted: bool
    expires_after_us: int | None = None

    def conditions(
        self, order: str = "", up_to: int | None = None
    ) -> tuple[ColumnElement[bool], ...]:
        """Everything that is true of these keys and of no others.

        Of two upper bounds an index is entered at the first that is seen: where the page before has ended
        an order that goes down at `up_to`, higher bounds are said in words that no index is entered by.
        """
        asked = (
            clause
            for each in self.sought
            for clause in (each.loose if _is_passed(each, order, up_to) else each.clauses)
        )
        return (self.is_listed, *self.clauses, *asked)

    def begins(self, order: str) -> tuple[ColumnElement[bool], ...]:
        """Where the keys begin in an order, if that can be said: an index is entered there."""
        if order != "expires_us" or self.expires_after_us is None:
            return ()
        return (keys.c.expires_us > self.expires_after_us,)

    def walked(self, order: str) -> str:
        """The index that has the keys in the order of this column."""
        if self.walk == "ix_keys_live" and self.account_id is not None and order in _OF_ACCOUNTS:
            return f"ix_keys_account_id_{order}_id"
        if self.walk == "ix_keys_live" and self.environment is not None and order == "name":
            return "ix_keys_environment_name"
        return f"{self.walk}_{order}"

    def finders(self, order: str) -> tuple[Sought, ...]:
        """What could find the keys faster than a walk in this order, as far as that is not narrowed by it."""
        narrowed = {order}
        if self.walked(order).startswith("ix_keys_account_id"):
            narrowed.add("account")
        return tuple(
            each
            for each in self.sought
            if each.found is not None and each.name not in narrowed and self._has(each)
        )

    def is_in_index(self, finder: Sought, order: str) -> bool:
        """Whether the finder's own index has all there is to know of its keys: no row is looked at."""
        return (
            finder.name == "expires_us"
            and order in _BESIDE_EXPIRY
            and not self.clauses
            and {each.name for each in self.sought} == {"expires_us", "kept"}
        )

    def _has(self, sought: Sought) -> bool:
        """Whether the keys here, deleted or not, stand in the index."""
        return not self.is_deleted or sought.index is None or sought.index in INDEXES_OF_ALL


def _is_passed(sought: Sought, order: str, up_to: int | None) -> bool:
    is_bound = sought.name == order and sought.upper is not None and up_to is not None
    return is_bound and cast(int, up_to) <= cast(int, sought.upper)


def branches(wanted: KeyFilter, now_us: int) -> tuple[Branch, ...]:
    """What the keys that are wanted consist of at `now_us`."""
    asked = sought(wanted, now_us)
    deleted_us = keys.c.deleted_us
    is_listed = deleted_us.is_not(None) if wanted.deleted else deleted_us.is_(None)
    made = []
    for is_walked_by_state, clauses, more in _states(wanted.state, now_us):
        walk = "ix_keys_live"
        if wanted.deleted:
            walk = "ix_keys_deleted"
        elif is_walked_by_state:
            walk = "ix_keys_state"
        made.append(
            Branch(
                walk,
                is_listed,
                clauses,
                (*asked, *more),
                wanted.account_id,
                wanted.environment,
                wanted.deleted,
                now_us if wanted.state == "active" else None,
            )
        )
    return tuple(made)


_Clauses = tuple[ColumnElement[bool], ...]


def _states(state: str | None, now_us: int) -> list[tuple[bool, _Clauses, tuple[Sought, ...]]]:
    """Whether the state's own indexes have the keys, what is true of them, and what finds them."""
    is_active = keys.c.status == KeyStatus.ACTIVE.value
    is_lapsed, goes_on = keys.c.lapsed == true(), keys.c.lapsed == false()
    match state:
        case None:
            return [(False, (), ())]
        case "revoked":
            return [(True, (keys.c.status == KeyStatus.REVOKED.value, goes_on), ())]
        case "disabled":
            is_disabled = keys.c.status == KeyStatus.DISABLED.value
            return [(True, (is_disabled, goes_on), ()), (False, (is_active,), (_owner_disabled(),))]
        case "not_yet_valid":
            return [(False, (is_active, _owner_active()), (_early(now_us),))]
        case "expired":
            usual = (is_active, _owner_active(), _is_due(now_us))
            return [(True, (*usual, is_lapsed), ()), (True, (*usual, goes_on), (_over(now_us),))]
        case _:
            lasts = or_(keys.c.expires_us.is_(None), keys.c.expires_us > now_us)
            return [(True, (is_active, goes_on, _owner_active(), _is_due(now_us), lasts), ())]


def _owner_active() -> ColumnElement[bool]:
    return not_(exists().where(users.c.id == keys.c.owner_id, _IS_DISABLED))


def _is_due(now_us: int) -> ColumnElement[bool]:
    return or_(keys.c.not_before_us.is_(None), keys.c.not_before_us <= now_us)


def _owner_disabled() -> Sought:
    clause = keys.c.owner_id.in_(select(users.c.id).where(_IS_DISABLED))
    return Sought("owners", (clause,), select(keys.c.id).where(clause), "ix_keys_owner_id")


def _early(now_us: int) -> Sought:
    clause = keys.c.not_before_us > now_us
    return Sought("early", (clause,), select(keys.c.id).where(clause), "ix_keys_not_before")


def _over(now_us: int) -> Sought:
    clause = keys.c.expires_us <= now_us
    narrowed = and_(keys.c.status == KeyStatus.ACTIVE.value, keys.c.lapsed == false(), clause)
    return Sought("over", (clause,), select(keys.c.id).where(narrowed), "ix_keys_state_expires_us")

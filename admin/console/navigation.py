"""Which pages stand in the menu, and for whom."""

__all__ = ["ENTRIES", "Entry", "Item", "navigation"]

from dataclasses import dataclass
from typing import NamedTuple

from admin.core.caller import Caller, Permission


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the menu: for those with the permission; `is_operators`: who see all accounts, or who see one."""

    words: str
    path: str
    permission: Permission | None
    is_operators: bool | None = None


class Item(NamedTuple):
    """One line of somebody's menu."""

    words: str
    path: str
    is_here: bool


ENTRIES: tuple[Entry, ...] = (
    Entry("API access", "/access", Permission.ACCOUNTS_READ, is_operators=False),
    Entry("Keys", "/keys", Permission.KEYS_READ),
    Entry("Usage", "/usage", Permission.USAGE_READ),
    Entry("Requests for access", "/access-requests", Permission.ACCESS_DECIDE, is_operators=True),
    Entry("Accounts", "/accounts", Permission.ACCOUNTS_READ, is_operators=True),
    Entry("Users", "/users", Permission.USERS_READ),
    Entry("Tokens", "/tokens", Permission.TOKENS_READ),
    Entry("Inbox", "/inbox", Permission.NOTIFICATIONS_READ),
    Entry("Alerts", "/alerts", Permission.ALERTS_READ),
    Entry("Notifications", "/channels", Permission.NOTIFICATIONS_READ),
    Entry("Audit log", "/audit", Permission.AUDIT_READ),
    Entry("Gateway", "/gateway", Permission.ACCOUNTS_READ, is_operators=True),
)


def navigation(caller: Caller, path: str) -> tuple[Item, ...]:
    """What this caller is offered; the line that `path` belongs to is marked: the longest that fits."""
    offered = [
        entry
        for entry in ENTRIES
        if (entry.permission is None or entry.permission in caller.permissions)
        and entry.is_operators in {None, caller.account_id is None}
    ]
    fitting = [entry.path for entry in offered if _leads_to(entry.path, path)]
    here = max(fitting, key=len, default=None)
    return tuple(Item(entry.words, entry.path, entry.path == here) for entry in offered)


def _leads_to(entry: str, path: str) -> bool:
    return path == entry or (entry != "/" and path.startswith(f"{entry}/"))

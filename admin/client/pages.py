"""From one page of a list to the next. Pure: the two clients ask for what is said here."""

__all__ = [
    "EVERY_ACCOUNT",
    "EVERY_ACCOUNT_REQUEST",
    "EVERY_ALERT",
    "EVERY_CHANNEL",
    "EVERY_DELIVERY",
    "EVERY_ENTRY",
    "EVERY_EVENT",
    "EVERY_EXPORTED",
    "EVERY_KEY",
    "EVERY_KEY_REQUEST",
    "EVERY_NOTICE",
    "EVERY_TOKEN",
    "EVERY_USER",
    "Paged",
]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar

from pydantic import BaseModel

from admin.client.call import Call
from admin.client.calls.accounts import list_accounts
from admin.client.calls.alerts import list_alerts
from admin.client.calls.keys import list_keys
from admin.client.calls.notifications import list_channels, list_deliveries, list_inbox
from admin.client.calls.quotas import list_billing
from admin.client.calls.records import list_audit, list_events
from admin.client.calls.tokens import list_tokens
from admin.client.calls.transfer import export_keys
from admin.client.calls.usage import list_account_requests, list_key_requests
from admin.client.calls.users import list_users
from admin.wire.records import EventPage

P = ParamSpec("P")
Page = TypeVar("Page", bound=BaseModel)
Item = TypeVar("Item")

# As many as the API gives at once: whoever wants all wants few round trips.
_AT_ONCE = 200


def _by_cursor(call: Call[Page], page: Page) -> Call[Page] | None:
    cursor = getattr(page, "next_cursor", None)
    return None if cursor is None else call.asking(cursor=cursor)


def _by_sequence(call: Call[EventPage], page: EventPage) -> Call[EventPage] | None:
    return call.asking(after=page.last_sequence) if page.events else None


@dataclass(frozen=True, slots=True)
class Paged(Generic[P, Page, Item]):
    """A list that comes in pages: how to ask for the first, what is in one, and how to ask for the one behind it."""

    build: Callable[P, Call[Page]]
    items: Callable[[Page], Sequence[Item]]
    following: Callable[[Call[Page], Page], Call[Page] | None] = _by_cursor

    def first(self, *args: P.args, **kwargs: P.kwargs) -> Call[Page]:
        """The call for the first page; without a `limit` pages are as large as they may be."""
        call = self.build(*args, **kwargs)
        is_said = call.query is not None and "limit" in call.query.model_fields_set
        return call if is_said else call.asking(limit=_AT_ONCE)


EVERY_ACCOUNT = Paged(list_accounts, lambda page: page.accounts)
EVERY_USER = Paged(list_users, lambda page: page.users)
EVERY_TOKEN = Paged(list_tokens, lambda page: page.tokens)
EVERY_KEY = Paged(list_keys, lambda page: page.keys)
EVERY_EXPORTED = Paged(export_keys, lambda page: page.lines)
EVERY_KEY_REQUEST = Paged(list_key_requests, lambda page: page.requests)
EVERY_ACCOUNT_REQUEST = Paged(list_account_requests, lambda page: page.requests)
EVERY_BILLED = Paged(list_billing, lambda page: page.rows)
EVERY_ALERT = Paged(list_alerts, lambda page: page.alerts)
EVERY_NOTICE = Paged(list_inbox, lambda page: page.notices)
EVERY_CHANNEL = Paged(list_channels, lambda page: page.channels)
EVERY_DELIVERY = Paged(list_deliveries, lambda page: page.deliveries)
EVERY_ENTRY = Paged(list_audit, lambda page: page.entries)
EVERY_EVENT = Paged(list_events, lambda page: page.events, _by_sequence)

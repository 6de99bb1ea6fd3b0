"""What keys and accounts did, for those who may see it."""

__all__ = ["RequestFilter", "Subject", "UsageService"]

import dataclasses
from dataclasses import dataclass
from typing import Final, Literal

from admin.core.caller import Caller, Permission
from admin.core.faults import NotFound
from admin.core.page import Page, PageRequest, decoded_number, encoded
from admin.services.validation import checked_id, checked_search, checked_time
from admin.stores.usage_requests import Logged, Place, RequestFilter, RequestStore, Slice, Way
from gateway.core.errors import Misuse
from gateway.ports import Clock

_SEE_KEYS: Final = "'keywright keys list' shows all keys."
_SEE_ACCOUNTS: Final = "'keywright accounts list' shows all accounts."
_NOT_OURS: Final = "The cursor is not one of this list. Begin again without it."
# An account's requests are merged out of those of its keys.
_KEYS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose usage: that of one key, or of one account with all of its keys."""

    kind: Literal["key", "account"]
    id: str


class UsageService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer.

    What belongs to another account is not found, in the very words for what does not exist.
    """

    def __init__(self, requests: RequestStore, clock: Clock) -> None:
        """`requests` is read only."""
        self._requests = requests
        self._clock = clock

    @property
    def now(self) -> float:
        """The time from which "24h" counts back."""
        return self._clock.now()

    async def requests(
        self, caller: Caller, subject: Subject, wanted: RequestFilter, page: PageRequest
    ) -> Page[Logged]:
        """The requests that fit, newest first. A page may hold few, or none, and still lead to another."""
        await self.check_sees(caller, subject)
        checked_filter(wanted)
        order = f"requests.{subject.id}"
        behind = None if page.cursor is None else _place(page.cursor, order)
        found = await self.slice(subject, wanted, behind, page.size, Way.NEWEST_FIRST)
        cursor = None if found.end is None else _cursor(found.end, order)
        return Page(found.records, cursor)

    async def slice(
        self, subject: Subject, wanted: RequestFilter, behind: Place | None, count: int, way: Way
    ) -> Slice:
        """As far as one look goes; for whoever has checked that the caller sees it."""
        key_ids = [subject.id]
        if subject.kind == "account":
            key_ids = list(await self._requests.keys_of(subject.id, wanted.since, _KEYS_MAX + 1))
            if len(key_ids) > _KEYS_MAX:
                raise Misuse(
                    f"More than {_KEYS_MAX} keys of the account were used in that time."
                    " Ask for a shorter time, or for one key after another."
                )
        return await self._requests.read(key_ids, wanted, behind, count, way)

    async def check_sees(self, caller: Caller, subject: Subject) -> None:
        """Return if the caller may look at the usage of this. Raises NotAllowed, NotFound."""
        caller.require(Permission.USAGE_READ)
        if subject.kind == "key":
            words = f"There is no key {subject.id}. {_SEE_KEYS}"
            account_id = await self._requests.account_of(checked_id("key", subject.id, _SEE_KEYS))
            if account_id is None:
                raise NotFound(words)
            caller.require_account(account_id, words)
            return
        words = f"There is no account {subject.id}. {_SEE_ACCOUNTS}"
        caller.require_account(checked_id("acc", subject.id, _SEE_ACCOUNTS), words)
        if not await self._requests.has_account(subject.id):
            raise NotFound(words)


def checked_filter(wanted: RequestFilter) -> RequestFilter:
    """The filter, if a database can be asked for it. Raises Misuse."""
    for moment in (wanted.since, wanted.until):
        if moment is not None:
            checked_time("A moment of usage", moment)
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise Misuse("The time asked for ends before it begins: 'since' must lie before 'until'.")
    for field in dataclasses.fields(wanted):
        value = getattr(wanted, field.name)
        if isinstance(value, str):
            checked_search(value)
    return wanted


def _cursor(place: Place, order: str) -> str:
    return encoded(order, place.at_us, str(place.id))


def _place(cursor: str, order: str) -> Place:
    at_us, id_ = decoded_number(cursor, order)
    if not (id_.isascii() and id_.isdecimal() and len(id_) < 19):  # noqa: PLR2004 -- 64 bits
        raise Misuse(_NOT_OURS)
    return Place(at_us, int(id_))

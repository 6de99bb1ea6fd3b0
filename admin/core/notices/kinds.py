"""What an event is called in words, and how much it matters: for people who never saw the API.

An event that is not in the table says it itself, in its data: `severity`, `title` and `text`.
"""

__all__ = ["KINDS", "TRIAL", "Kind", "Notice", "notice_of"]

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from admin.core.notices.severity import Severity

_TITLE_MAX: Final = 200
_TEXT_MAX: Final = 2000

# What "try this channel" sends; no event of this kind ever happens.
TRIAL: Final = "channel.trial"


class Kind(NamedTuple):
    """A kind of event; `{key}`, `{account}` and the fields of its data are filled in.

    Not in the inbox is what somebody did a moment ago in the ordinary course of things: the audit log has it.
    """

    severity: Severity
    title: str
    text: str
    is_for_inbox: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """One event in words."""

    severity: Severity
    title: str
    text: str
    is_for_inbox: bool


_INFO, _WARNING, _CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL

KINDS: Final[Mapping[str, Kind]] = {
    "key.created": Kind(_INFO, "Key {name} was created", "{by} created the key {name} ({key}).", is_for_inbox=False),
    "key.rotated": Kind(_INFO, "Key {name} has a new secret", "{by} gave the key {name} ({key}) a new secret. The old one ends when its overlap does.", is_for_inbox=False),
    "key.enabled": Kind(_INFO, "Key {name} was enabled", "{by} let the key {name} ({key}) through again.", is_for_inbox=False),
    "key.disabled": Kind(_WARNING, "Key {name} was disabled", "{by} disabled the key {name} ({key}). Its requests are refused until it is enabled again."),
    "key.revoked": Kind(_WARNING, "Key {name} was revoked", "{by} revoked the key {name} ({key}) for good. Its requests are refused."),
    "key.deleted": Kind(_WARNING, "Key {name} was deleted", "{by} revoked the key {name} ({key}) and took it out of the lists."),
    "access.requested": Kind(_INFO, "{name} asks for API access", "The account {name} ({account}) asks for API access. {reason}"),
    "access.approved": Kind(_INFO, "API access was approved", "The account {name} ({account}) has API access now. {reason}"),
    "access.denied": Kind(_WARNING, "API access was denied", "The account {name} ({account}) was denied API access. {reason}"),
    "access.disabled": Kind(_CRITICAL, "API access was switched off", "The keys of the account {name} ({account}) are refused from now on. {reason}"),
    "account.suspended": Kind(_CRITICAL, "The account was suspended", "The account {account} was suspended; its keys are refused."),
    "account.resumed": Kind(_INFO, "The account was resumed", "The account {account} is active again, and so are its keys."),
    "quota.raised": Kind(_INFO, "The quota was raised", "The account {account} may use {requests} requests and {bytes} bytes more for a time. {reason}"),
    "user.disabled": Kind(_WARNING, "A user was disabled", "The user {user} was disabled; keys that belong to this user are refused."),
    "user.enabled": Kind(_INFO, "A user was enabled", "The user {user} was enabled again, and so were their keys.", is_for_inbox=False),
    "channel.switched_off": Kind(_WARNING, "Notifications no longer reach {name}", "The channel {name} ({channel}) was switched off: {reason} Mend it, then switch it on again."),
    TRIAL: Kind(_INFO, "A trial from Keywright", "Somebody tried whether notifications arrive here. They do.", is_for_inbox=False),
}  # fmt: skip


def notice_of(
    kind: str, account_id: str | None, key_id: str | None, data: Mapping[str, Any]
) -> Notice:
    """The event in words, in one line and in a few. What the data says itself comes before the table."""
    known = KINDS.get(kind)
    severity = _severity(data.get("severity"), _INFO if known is None else known.severity)
    facts = {
        **{name: _plain(value) for name, value in data.items()},
        "account": account_id or "",
        "key": key_id or "",
    }
    title, text = _text(data.get("title")), _text(data.get("text"))
    if known is not None:
        title = title or _filled(known.title, facts)
        text = text or _filled(known.text, facts)
    about = " ".join(word for word in (account_id, key_id) if word)
    title = title or f"{kind} {about}".strip()
    return Notice(
        severity=severity,
        title=_cut(" ".join(title.split()), _TITLE_MAX),
        text=_cut(text or title, _TEXT_MAX),
        is_for_inbox=True if known is None else known.is_for_inbox,
    )


def _severity(word: object, default: Severity) -> Severity:
    return next((each for each in Severity if each == word), default)


def _text(value: object) -> str:
    return _storable(value).strip() if isinstance(value, str) else ""


def _storable(text: str) -> str:
    """`text` as every database and every message can hold it."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def _plain(value: object) -> str:
    return "" if value is None else _storable(str(value))


def _filled(pattern: str, facts: Mapping[str, str]) -> str:
    # By parts and not by str.format: what is filled in is looked at by nobody, and never reaches into an object.
    parts = [
        before + ("" if name is None else facts.get(name, ""))
        for before, name, _, _ in string.Formatter().parse(pattern)
    ]
    return "".join(parts).strip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

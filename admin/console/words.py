"""What the console calls things: plain language for scopes, types, states and what a change does. Pure."""

__all__ = [
    "ENVIRONMENTS",
    "OUTCOMES",
    "ROLES",
    "STATES",
    "TYPES",
    "ScopeWords",
    "action_words",
    "boxes",
    "explained",
    "outcome_words",
    "receipt_words",
    "scope_words",
]

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from admin.wire.people import ScopeDocument
from admin.wire.receipt import ReceiptDocument
from gateway.core.record import AUTHORIZED, SERVED, VERIFIED
from gateway.core.refusal import Refusal
from gateway.pipeline.exchange import CLIENT_GONE

# What it is called, and when to use it.
TYPES: Final[Mapping[str, tuple[str, str]]] = {
    "sk": (
        "Secret key",
        "For programs on machines of your own. Whoever has it can do all that it may: keep it out of"
        " browsers, apps and repositories.",
    ),
    "pk": (
        "Publishable key",
        "For code that others can read, such as a web page or an app. It may do little, and can be"
        " bound to the pages that use it.",
    ),
}
ENVIRONMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "live": ("Live", "For real use."),
    "test": ("Test", "For trying out; it can be told from a live one at a glance."),
}
# What each may, in a sentence.
ROLES: Final[Mapping[str, tuple[str, str]]] = {
    "admin": ("Admin", "Looks after all accounts, and may do everything."),
    "member": ("Member", "Makes and ends keys in one account, within what its plan offers."),
    "viewer": ("Viewer", "Looks at everything in one account, or in all, and changes nothing."),
}
# What it is called, and how it looks.
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "active": ("Active", "good"),
    "disabled": ("Disabled", "plain"),
    "revoked": ("Revoked", "bad"),
    "expired": ("Expired", "bad"),
    "not_yet_valid": ("Not yet valid", "plain"),
}
OUTCOMES: Final[Mapping[str, str]] = {
    **{refusal.code: refusal.title for refusal in Refusal},
    SERVED: "Served",
    AUTHORIZED: "Let through for a proxy in front",
    VERIFIED: "Verified",
    CLIENT_GONE: "The caller hung up",
}

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_DEEDS: Final = (("POST", "create"), ("PUT", "replace"), ("PATCH", "change"), ("DELETE", "delete"))
_TITLES: Final = {"read-only": "Read-Only", "read-write": "Read/Write"}
_LETTERS_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class ScopeWords:
    """A scope as a box to tick: what it is called, and what a key with it may do."""

    name: str
    title: str
    sentence: str


def scope_words(scope: ScopeDocument) -> ScopeWords:
    """What a key with this scope may do, in a sentence."""
    sentences = [_sentence(rule) for rule in scope.rules] or ["Nothing."]
    return ScopeWords(scope.name, _title(scope.name), " ".join(dict.fromkeys(sentences)))


def boxes(scopes: Iterable[ScopeWords]) -> list[tuple[str, str, str]]:
    """Scopes as choices of a form: value, words, explanation."""
    return [(one.name, one.title, one.sentence) for one in scopes]


def explained(named: Mapping[str, tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Types, environments or roles as choices of a form: value, words, explanation."""
    return [(name, title, why) for name, (title, why) in named.items()]


def outcome_words(outcome: str) -> str:
    """What became of a request; an outcome without words of its own is shown as its code has it."""
    return OUTCOMES.get(outcome) or outcome.replace("_", " ").capitalize()


def action_words(action: str) -> str:
    """An action of the audit log, such as `key.end_secret`, as two or three words."""
    kind, _, deed = action.partition(".")
    return f"{kind}: {deed.replace('_', ' ')}" if deed else kind


def receipt_words(receipt: ReceiptDocument) -> str:
    """Who enforces a change, and after how long; what is missing is said, and what that means."""
    if receipt.workers == 0:
        return "No worker is running. The next one reads the change when it starts."
    told = (
        f"Enforced on {receipt.acknowledged} of {_counted(receipt.workers, 'worker')}"
        f" in {receipt.ms} ms."
    )
    if receipt.acknowledged == receipt.workers:
        return told
    names = f" Missing: {_listed(receipt.missing)}." if receipt.missing else ""
    return f"{told}{names} A worker that has not answered reads the change from the database within two seconds."


def _title(name: str) -> str:
    if name in _TITLES:
        return _TITLES[name]
    words = name.replace("_", "-").split("-")
    return "-".join(
        word.upper() if len(word) <= _LETTERS_MAX else word.capitalize() for word in words
    )


def _sentence(rule: Mapping[str, Sequence[str]]) -> str:
    methods, routes = rule.get("methods"), rule.get("routes")
    where = "" if routes is None else f" on {_listed(routes)}"
    if methods is None or "*" in methods:
        return f"May do everything{where or ': read, create, change and delete'}."
    deeds = [deed for method, deed in _DEEDS if method in methods]
    is_reading = not _READING.isdisjoint(methods)
    if is_reading and not deeds:
        return f"May look at everything{where}, and change nothing."
    return f"May {_listed((['read'] if is_reading else []) + deeds) or 'use other methods'}{where}."


def _listed(words: Iterable[str]) -> str:
    *most, last = [*words] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _counted(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"

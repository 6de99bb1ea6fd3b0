"""How a key is told: as a row, as a page of details, as a sentence."""

__all__ = [
    "changed_sentence",
    "details",
    "listed",
    "receipt_sentence",
    "replaced_sentence",
    "secret_lines",
    "secret_rows",
]

from collections.abc import Iterator, Sequence
from datetime import datetime

from admin.cli.times import told
from admin.wire.keys import KeyChanged, KeyDocument, SecretDocument
from admin.wire.receipt import ReceiptDocument

_SECRET_COLUMNS = ("secret", "key", "state", "created", "used")


def listed(keys: Sequence[KeyDocument], now: datetime) -> tuple[list[str], list[list[str]]]:
    """Keys as headings and rows; the account is left out where it is the same for all."""
    rows = [_told(key, now) for key in keys]
    if len({key.account for key in keys}) == 1:
        for row in rows:
            del row["account"]
    return list(rows[0]), [list(row.values()) for row in rows]


def details(key: KeyDocument, now: datetime) -> Iterator[tuple[str, str]]:
    """A key as names and values; what it does not have is left out."""
    for name, value in _told(key, now).items():
        yield name, value
        if name == "scopes" and key.effective_scopes != key.scopes:
            yield "in effect", ", ".join(key.effective_scopes) or "none"
    if key.owner is not None:
        yield "owner", key.owner
    yield from _times(key, now)
    yield from _restrictions(key)
    for name, text in key.metadata.items():
        yield f"metadata {name}", text
    yield "version", str(key.version)


def _times(key: KeyDocument, now: datetime) -> Iterator[tuple[str, str]]:
    if key.last_used is not None:
        route = "" if key.last_used.route is None else f" on {key.last_used.route}"
        yield "last use", f"{told(key.last_used.at, now)} from {key.last_used.address}{route}"
    for name, at in (
        ("valid from", key.not_before),
        ("revoked", key.revoked_at),
        ("deleted", key.deleted_at),
    ):
        if at is not None:
            yield name, told(at, now)


def _restrictions(key: KeyDocument) -> Iterator[tuple[str, str]]:
    if key.allowed_ips:
        yield "addresses", ", ".join(key.allowed_ips)
    if key.allowed_origins:
        yield "origins", ", ".join(key.allowed_origins)
    for limit in key.limits:
        yield (
            "own limit",
            f"{limit.name}: {limit.quota} in {limit.window} s per {limit.per.value}",
        )


def secret_rows(key: KeyDocument, now: datetime) -> tuple[Sequence[str], list[Sequence[str]]]:
    """A key's secrets as headings and rows."""
    rows = [
        (
            secret.id,
            secret.shown,
            _secret_state(secret, now),
            told(secret.created_at, now),
            "never" if secret.last_used is None else told(secret.last_used.at, now),
        )
        for secret in key.secrets
    ]
    return _SECRET_COLUMNS, list(rows)


def secret_lines(key: KeyDocument, now: datetime) -> Iterator[str]:
    """Who has gone on with a replaced secret, a line for each."""
    for secret in key.secrets:
        for user in secret.used_by:
            times = "once" if user.count == 1 else f"{user.count} times"
            yield f"{secret.shown} was used {times} from {user.address}, last {told(user.last_at, now)}"


def changed_sentence(done: str, key: KeyChanged) -> str:
    """What was done to a key, and who enforces it."""
    said = f"{done} key {key.id} ({key.name})"
    return f"{said}." if key.enforced is None else f"{said}: {receipt_sentence(key.enforced)}"


def replaced_sentence(key: KeyDocument, now: datetime) -> str | None:
    """What becomes of the secret that was replaced last, None if none ever was."""
    old = [(secret.replaced_at, secret) for secret in key.secrets if secret.replaced_at is not None]
    if not old:
        return None
    _, last = max(old, key=lambda each: each[0])
    return f"The one before, {last.shown}, {_secret_state(last, now)}"


def receipt_sentence(receipt: ReceiptDocument) -> str:
    """The proof that a change is enforced, or what is known in its place."""
    if not receipt.announced:
        return "Redis could not be told; workers that run find it in the database within 2 s"
    if not receipt.workers:
        return "no worker runs just now, so none has to be told"
    sentence = f"enforced on {receipt.acknowledged} of {receipt.workers} workers in {receipt.ms} ms"
    if receipt.missing:
        return f"{sentence}; no answer yet from {', '.join(receipt.missing)}"
    return sentence


def _told(key: KeyDocument, now: datetime) -> dict[str, str]:
    return {
        "id": key.id,
        "name": key.name,
        "account": key.account,
        "key": ", ".join(secret.shown for secret in key.secrets if secret.revoked_at is None),
        "status": key.state.replace("_", " "),
        "scopes": ", ".join(key.scopes),
        "created": told(key.created_at, now),
        "used": "never" if key.last_used is None else told(key.last_used.at, now),
        "expires": told(key.expires_at, now),
    }


def _secret_state(secret: SecretDocument, now: datetime) -> str:
    if secret.revoked_at is not None:
        return f"ended {told(secret.revoked_at, now)}"
    if secret.expires_at is not None:
        word = "ended" if secret.expires_at <= now else "ends"
        return f"{word} {told(secret.expires_at, now)}"
    if secret.until_unused:
        return "goes on until nobody uses it"
    return "in use" if secret.replaced_at is None else "replaced"

"""How a key and a receipt are told: as a document, as a row, as a sentence."""

__all__ = ["details", "document", "enforced", "listed", "receipt_sentence"]

from collections.abc import Iterator, Sequence

from admin.cli.times import timestamp, told
from admin.services.keys import KeyView
from gateway.core.changes import Receipt
from gateway.core.keys import KeyStatus


def document(key: KeyView) -> dict[str, object]:
    """A key for programs; times in RFC 3339."""
    return {
        "id": key.id,
        "account": key.account_id,
        "name": key.name,
        "type": key.type.value,
        "environment": key.environment.value,
        "status": key.status.value,
        "scopes": list(key.scopes),
        "created_at": timestamp(key.created_at),
        "updated_at": timestamp(key.updated_at),
        "not_before": timestamp(key.not_before),
        "expires_at": timestamp(key.expires_at),
        "revoked_at": timestamp(key.revoked_at),
        "allowed_ips": list(key.addresses),
        "allowed_origins": list(key.origins),
        "limits": [
            {
                "name": limit.name,
                "quota": limit.quota,
                "window": limit.window_seconds,
                "per": limit.per.value,
            }
            for limit in key.limits
        ],
        "metadata": dict(key.metadata),
        "secrets": [
            {
                "id": secret.id,
                "shown": secret.shown,
                "created_at": timestamp(secret.created_at),
                "expires_at": timestamp(secret.expires_at),
                "revoked_at": timestamp(secret.revoked_at),
            }
            for secret in key.secrets
        ],
    }


def listed(keys: Sequence[KeyView], now: float) -> tuple[list[str], list[list[str]]]:
    """Keys as headings and rows; the account is left out where it is the same for all."""
    rows = [_told(key, now) for key in keys]
    if len({key.account_id for key in keys}) == 1:
        for row in rows:
            del row["account"]
    return list(rows[0]), [list(row.values()) for row in rows]


def details(key: KeyView, now: float) -> Iterator[tuple[str, str]]:
    """A key as names and values; what it does not have is left out."""
    yield from _told(key, now).items()
    if key.not_before is not None:
        yield "valid from", told(key.not_before, now)
    if key.revoked_at is not None:
        yield "revoked", told(key.revoked_at, now)
    if key.addresses:
        yield "addresses", ", ".join(key.addresses)
    if key.origins:
        yield "origins", ", ".join(key.origins)
    for limit in key.limits:
        yield (
            "own limit",
            f"{limit.name}: {limit.quota} in {limit.window_seconds} s per {limit.per.value}",
        )
    for name, text in key.metadata.items():
        yield f"metadata {name}", text


def enforced(receipt: Receipt) -> dict[str, object]:
    """The proof of a revocation, for programs."""
    proof: dict[str, object] = {
        "workers": receipt.workers,
        "acknowledged": receipt.acknowledged,
        "ms": receipt.milliseconds,
        "missing": list(receipt.missing),
    }
    if not receipt.is_announced:
        proof["announced"] = False
    return proof


def receipt_sentence(receipt: Receipt) -> str:
    """The proof of a revocation, or what is known in its place."""
    if not receipt.is_announced:
        return "Redis could not be told; workers that run find it in the database within 2 s"
    if not receipt.workers:
        return "no worker runs just now, so none has to be told"
    sentence = f"enforced on {receipt.acknowledged} of {receipt.workers} workers in {receipt.milliseconds} ms"
    if receipt.missing:
        return f"{sentence}; no answer yet from {', '.join(receipt.missing)}"
    return sentence


def _told(key: KeyView, now: float) -> dict[str, str]:
    return {
        "id": key.id,
        "name": key.name,
        "account": key.account_id,
        "key": ", ".join(secret.shown for secret in key.secrets if secret.revoked_at is None),
        "status": _state(key, now),
        "scopes": ", ".join(key.scopes),
        "created": told(key.created_at, now),
        "expires": told(key.expires_at, now),
    }


def _state(key: KeyView, now: float) -> str:
    """The status; of a key that would be active, also whether its time is over or still to come."""
    if key.status is not KeyStatus.ACTIVE:
        return key.status.value
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    if key.not_before is not None and key.not_before > now:
        return "not yet valid"
    return key.status.value

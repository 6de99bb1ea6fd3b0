"""`keywright keys disable`, `enable`, `rotate`, `regenerate`, `end-secret`, `revoke` and `delete`."""

__all__ = ["register"]

from typing import Annotated, Any

import typer

from admin.cli.desk import Desk, command
from admin.cli.key_options import KeyId
from admin.cli.key_words import changed_sentence, receipt_sentence, replaced_sentence
from admin.cli.options import IfVersion, Yes
from admin.cli.output import plain
from admin.client.calls import key_life as calls
from admin.wire.keys import KeyChanged, KeyRotated


def disable(key_id: KeyId, *, desk: Desk, if_version: IfVersion = None) -> None:
    """Refuse a key until it is enabled again."""
    _tell(desk, "Disabled", desk.ask(calls.disable_key(key_id, if_match=if_version)))


def enable(key_id: KeyId, *, desk: Desk, if_version: IfVersion = None) -> None:
    """Let a disabled key through again."""
    _tell(desk, "Enabled", desk.ask(calls.enable_key(key_id, if_match=if_version)))


def rotate(
    key_id: KeyId,
    *,
    desk: Desk,
    overlap: Annotated[
        str,
        typer.Option(
            metavar="DURATION",
            help="How long the old secret goes on: 0s to 30d, or until_unused.",
        ),
    ] = "24h",
    if_version: IfVersion = None,
) -> None:
    """Give a key a new secret beside the old one, and print it: this once, and never again."""
    rotated = desk.ask(
        calls.rotate_key(key_id, overlap=overlap.strip().lower(), if_match=if_version)
    )
    _tell_secret(desk, "Rotated", rotated)


def regenerate(
    key_id: KeyId, *, desk: Desk, if_version: IfVersion = None, yes: Yes = False
) -> None:
    """Give a key a new secret; the old one ends at once."""
    desk.make_sure(f"End the present secret of key {key_id} at once?", is_sure=yes)
    rotated = desk.ask(calls.regenerate_key(key_id, if_match=if_version))
    _tell_secret(desk, "Regenerated", rotated)


def end_secret(
    key_id: KeyId,
    secret_id: Annotated[
        str, typer.Argument(metavar="SECRET", help="The secret's id, as 'keys show' tells it.")
    ],
    *,
    desk: Desk,
    if_version: IfVersion = None,
    yes: Yes = False,
) -> None:
    """End a replaced secret before its time."""
    desk.make_sure(f"End secret {secret_id} of key {key_id} for good?", is_sure=yes)
    changed = desk.ask(calls.end_secret(key_id, secret_id, if_match=if_version))
    _tell(desk, f"Ended secret {secret_id} of", changed)


def revoke(key_id: KeyId, *, desk: Desk, if_version: IfVersion = None, yes: Yes = False) -> None:
    """Revoke a key for good; returns when every worker enforces it, and says so."""
    desk.make_sure(f"Revoke key {key_id} for good?", is_sure=yes)
    _tell(desk, "Revoked", desk.ask(calls.revoke_key(key_id, if_match=if_version)))


def delete(key_id: KeyId, *, desk: Desk, if_version: IfVersion = None, yes: Yes = False) -> None:
    """Revoke a key and take it out of the lists; it is kept for the audit."""
    desk.make_sure(f"Revoke key {key_id} for good and delete it?", is_sure=yes)
    _tell(desk, "Deleted", desk.ask(calls.delete_key(key_id, if_match=if_version)))


def register(keys: typer.Typer) -> None:
    """Add these commands to `keywright keys`."""
    for act in (disable, enable, rotate, regenerate, revoke, delete):
        command(keys)(act)
    command(keys, "end-secret")(end_secret)


def _tell(desk: Desk, done: str, changed: KeyChanged) -> None:
    desk.show(changed, plain(changed_sentence(done, changed)), warnings=changed.warnings)


def _tell_secret(desk: Desk, done: str, rotated: KeyRotated) -> None:
    said: list[Any] = [
        plain(f"{done} key {rotated.id} ({rotated.name})."),
        plain("Its new secret, which nobody can show again:"),
        plain(f"  {rotated.secret}"),
    ]
    if (before := replaced_sentence(rotated, desk.now)) is not None:
        enforced = rotated.enforced
        proof = "" if enforced is None else f": {receipt_sentence(enforced)}"
        said.append(plain(f"{before}{proof}"))
    desk.show(rotated, *said, warnings=rotated.warnings)

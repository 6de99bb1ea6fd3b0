"""The options that say what a key may, and how they are read."""

__all__ = [
    "AllowIp",
    "AllowOrigin",
    "ExpiresAt",
    "ExpiresIn",
    "ExpiringIn",
    "KeyId",
    "Metadata",
    "NotBefore",
    "OlderThan",
    "OwnedBy",
    "Owner",
    "RateLimit",
    "Scope",
    "State",
    "UnusedFor",
    "expiry",
    "instead",
    "limits",
    "metadata_of",
    "one_of",
]

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import typer
from pydantic import ValidationError

from admin.cli.times import ahead, duration, seconds
from admin.wire.keys import KeyState, LimitDocument
from admin.wire.words import UNSET, Unset
from gateway.core.errors import Misuse

Value = TypeVar("Value")

KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, key_….")]
Scope = Annotated[
    list[str] | None,
    typer.Option(
        help="What it may do; repeat for more. A new key without one may read.", show_default=False
    ),
]
ExpiresIn = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Its life from now, such as 90d.", show_default=False),
]
ExpiresAt = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="When it ends, such as 2027-01-31T09:00:00Z.", show_default=False
    ),
]
NotBefore = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="When it begins; 7d is in a week.", show_default=False),
]
AllowIp = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CIDR", help="Where it may be used from; repeat for more.", show_default=False
    ),
]
AllowOrigin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ORIGIN", help="Web pages that may use it; repeat for more.", show_default=False
    ),
]
RateLimit = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME:]QUOTA/WINDOW",
        help="A limit of its own, such as 100/60s or burst:5/1s; repeat for more.",
        show_default=False,
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=TEXT", help="A note; repeat for more.", show_default=False),
]
Owner = Annotated[
    str | None,
    typer.Option(metavar="ID", help="The user whose key it is.", show_default=False),
]

OwnedBy = Annotated[
    str | None, typer.Option("--owner", metavar="ID", help="Only this user's.", show_default=False)
]
State = Annotated[
    KeyState | None, typer.Option(help="Only those in this state.", show_default=False)
]
UnusedFor = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Not used for so long, such as 30d.", show_default=False),
]
OlderThan = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Made before that.", show_default=False)
]
ExpiringIn = Annotated[
    str | None, typer.Option(metavar="DURATION", help="Ending within that.", show_default=False)
]

_LIMIT = re.compile(
    r"(?:(?P<name>[^:]+):)?(?P<quota>[0-9]{1,12})/(?P<window>[0-9]+[smhdw])"
    r"(?::(?P<per>key|account|address))?",
    re.IGNORECASE,
)


def limits(texts: Sequence[str] | None) -> tuple[LimitDocument, ...]:
    """The limits that were written so. Raises Misuse."""
    return tuple(_limit(text) for text in texts or ())


def metadata_of(texts: Sequence[str] | None) -> dict[str, str]:
    """The notes that were written so. Raises Misuse."""
    found = {}
    for text in texts or ():
        name, is_there, value = text.partition("=")
        if not is_there or not name:
            raise Misuse(f"'{text}' is no note; write it as NAME=TEXT")
        found[name] = value
    return found


def expiry(expires_in: str | None, expires_at: str | None, now: datetime) -> datetime | None:
    """When a key is to end, None if nothing was said. Raises Misuse."""
    one_of("--expires-in", expires_in, "--expires-at", expires_at)
    return ahead(expires_at if expires_in is None else duration(expires_in), now)


def one_of(name: str, value: object, other_name: str, other: object) -> None:
    """Return if at most one of two options was given. Raises Misuse."""
    if value is not None and other is not None:
        raise Misuse(f"give one of {name} and {other_name}")


def instead(value: Value | None, nothing: Value, option: str, *, is_none: bool) -> Value | Unset:
    """What is to change to `value`, or to `nothing` with the option that says so; else UNSET. Raises Misuse."""
    if value and is_none:
        raise Misuse(f"{option} goes with nothing that says otherwise")
    if is_none:
        return nothing
    return value or UNSET


def _limit(text: str) -> LimitDocument:
    found = _LIMIT.fullmatch(text.strip())
    if found is None:
        raise Misuse(
            f"'{text}' is no limit; write it as 100/60s, as burst:5/1s with a name,"
            " or as 100/60s:address for each address"
        )
    fields = {name: value for name, value in found.groupdict().items() if value is not None}
    try:
        return LimitDocument.model_validate(
            {**fields, "quota": int(found["quota"]), "window": seconds(found["window"])}
        )
    except ValidationError:
        raise Misuse(f"'{text}' is no limit: quota or window is out of bounds") from None

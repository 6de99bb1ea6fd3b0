"""Addresses that a key was not used from before."""

__all__ = ["AddressTerms", "Newcomers", "address_finding", "network_of"]

import ipaddress
from dataclasses import dataclass
from functools import partial
from typing import Final

from admin.core.alerts.figures import day
from admin.core.alerts.kinds import Alert, AlertKind, Finding, Rule, Severity, Subject
from admin.core.alerts.ladder import Look, Step

# How many new ones on one day are told of: the first, and when it goes on.
_PER_DAY: Final = (1, 5, 25)
_NAMED_MAX: Final = 10


@dataclass(frozen=True, slots=True)
class AddressTerms:
    """Which addresses count as one (bits of the network), how many a key may have, and how long it is only watched.

    A key with as many as `known_max` is used by a crowd: there, one more says nothing.
    """

    ipv4_bits: int = 32
    ipv6_bits: int = 64
    known_max: int = 50
    learning_seconds: float = 86_400.0
    publishable: bool = False


@dataclass(frozen=True, slots=True)
class Newcomers:
    """The networks that a key was first used from today, the first one first; and how many it has in all."""

    account_id: str
    key_id: str
    name: str
    networks: tuple[str, ...]
    known: int


def network_of(address: str, terms: AddressTerms) -> str | None:
    """What is remembered of a client's address: itself, or its network; None for what is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    bits = terms.ipv4_bits if parsed.version == 4 else terms.ipv6_bits  # noqa: PLR2004 -- IPv4
    if bits == parsed.max_prefixlen:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, bits), strict=False))


def address_finding(newcomers: Newcomers, terms: AddressTerms, now: float) -> Finding | None:
    """How many new networks a key has today; None for one that is used by a crowd."""
    if newcomers.known >= terms.known_max:
        return None
    return Finding(
        Subject(newcomers.account_id, newcomers.key_id, Rule.NEW_ADDRESS),
        tuple(Step(count, count) for count in _PER_DAY),
        Look(round(now * 1_000_000), day(now), len(newcomers.networks)),
        partial(_new, newcomers),
    )


def _new(newcomers: Newcomers, _crossed: tuple[int, ...]) -> Alert:
    named = newcomers.networks[:_NAMED_MAX]
    rest = len(newcomers.networks) - len(named)
    said = ", ".join(named) + (f" and {rest} more" if rest else "")
    is_one = len(newcomers.networks) == 1
    return Alert(
        AlertKind.KEY_NEW_ADDRESS,
        Severity.WARNING,
        "Key used from a new address" if is_one else "Key used from new addresses",
        f"The key '{newcomers.name}' was used for the first time from {said}. If that was not you,"
        " revoke the key.",
        {
            "key_name": newcomers.name,
            "addresses": list(named),
            "count": len(newcomers.networks),
        },
    )

"""Addresses that a key was not used from before."""

__all__ = [
    "NOTED_US",
    "AddressTerms",
    "Met",
    "Networks",
    "Newcomers",
    "address_finding",
    "meet",
    "network_of",
    "newcomers",
]

import ipaddress
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

from admin.core.alerts.figures import day
from admin.core.alerts.kinds import Alert, AlertKind, Finding, Rule, Severity, Subject
from admin.core.alerts.ladder import Look, Step

# How many new ones on one day are told of: the first, and when it goes on.
_PER_DAY: Final = (1, 5, 25)
_NAMED_MAX: Final = 10
_DAY_US: Final = 86_400_000_000
# So often its last use is noted.
NOTED_US: Final = 7 * _DAY_US
# What was not used for so long makes room; whoever has so many younger ones is a crowd.
_FRESH_US: Final = 30 * _DAY_US


@dataclass(frozen=True, slots=True)
class AddressTerms:
    """Which addresses count as one (bits of the network), how many a key may have, and how long it is only watched."""

    ipv4_bits: int = 32
    ipv6_bits: int = 64
    kept_max: int = 50
    learning_us: int = _DAY_US
    publishable: bool = False


@dataclass(frozen=True, slots=True)
class Met:
    """A network that a key was used from; the last use to the week. What `is_learned` was never told as new."""

    first_us: int
    last_us: int
    is_learned: bool


class Networks(NamedTuple):
    """What is to be written: networks that are new or were seen again, and those that make room for them."""

    written: Mapping[str, Met]
    dropped: Collection[str]


@dataclass(frozen=True, slots=True)
class Newcomers:
    """The networks that a key was first used from today, the first one first; `is_crowd` if it has too many to tell."""

    account_id: str
    key_id: str
    name: str
    networks: tuple[str, ...]
    is_crowd: bool = False


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
    return str(ipaddress.ip_network((int(parsed), bits), strict=False))


def meet(
    known: Mapping[str, Met], networks: Collection[str], terms: AddressTerms, now_us: int
) -> Networks:
    """What becomes of what is `known` of a key that was just used from `networks`.

    Never more than `kept_max` are known. The very first stays, because learning is counted from it.
    """
    written = {
        name: replace(known[name], last_us=now_us)
        for name in networks
        if name in known and known[name].last_us <= now_us - NOTED_US
    }
    new = [name for name in networks if name not in known]
    begun_us = min((met.first_us for met in known.values()), default=now_us)
    is_learned = not known or now_us < begun_us + terms.learning_us
    dropped = _stale(known, networks, begun_us, now_us)[
        : max(len(known) + len(new) - terms.kept_max, 0)
    ]
    room = max(terms.kept_max - len(known) + len(dropped), 0)
    for name in sorted(new)[:room]:
        written[name] = Met(now_us, now_us, is_learned)
    return Networks(written, dropped)


def _stale(
    known: Mapping[str, Met], networks: Collection[str], begun_us: int, now_us: int
) -> list[str]:
    """What can make room, the longest unused first."""
    old = [
        (met.last_us, name)
        for name, met in known.items()
        if met.last_us < now_us - _FRESH_US and met.first_us > begun_us and name not in networks
    ]
    return [name for _, name in sorted(old)]


def newcomers(
    subject: tuple[str, str, str], known: Mapping[str, Met], terms: AddressTerms, now_us: int
) -> Newcomers:
    """Which of those that are known are new today. `subject` is the key's account, its id and its name."""
    today = now_us // _DAY_US
    new = sorted(
        (met.first_us, name)
        for name, met in known.items()
        if not met.is_learned and met.first_us // _DAY_US == today
    )
    fresh = sum(met.last_us >= now_us - _FRESH_US for met in known.values())
    return Newcomers(*subject, tuple(name for _, name in new), fresh >= terms.kept_max)


def address_finding(found: Newcomers, now: float) -> Finding | None:
    """How many new networks a key has today; None for one that is used by a crowd."""
    if found.is_crowd:
        return None
    return Finding(
        Subject(found.account_id, found.key_id, Rule.NEW_ADDRESS),
        tuple(Step(count, count) for count in _PER_DAY),
        Look(round(now * 1_000_000), day(now), len(found.networks)),
        partial(_new, found),
    )


def _new(found: Newcomers, _crossed: tuple[int, ...]) -> Alert:
    named = found.networks[:_NAMED_MAX]
    rest = len(found.networks) - len(named)
    said = ", ".join(named) + (f" and {rest} more" if rest else "")
    is_one = len(found.networks) == 1
    return Alert(
        AlertKind.KEY_NEW_ADDRESS,
        Severity.WARNING,
        "Key used from a new address" if is_one else "Key used from new addresses",
        f"The key '{found.name}' was used for the first time from {said}. If that was not you,"
        " revoke the key.",
        {"key_name": found.name, "addresses": list(named), "count": len(found.networks)},
    )

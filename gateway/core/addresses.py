"""Client addresses: which one counts, and which networks it lies in (design §7)."""

__all__ = ["Networks", "client_address", "throttle_name"]

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

# More hops than any real chain has; the rest of a longer list is somebody's attempt to keep us busy.
_HOPS_MAX = 32
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
_THROTTLED_PREFIX = 64
_WITH_PORT = re.compile(r"\[(?P<bracketed>[^]]*)\](?::[0-9]+)?|(?P<plain>[0-9.]+):[0-9]+")


class Networks:
    """A set of networks. An IPv4 address written as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address."""

    def __init__(self, cidrs: Iterable[str]) -> None:
        """Parse addresses and CIDR blocks; ValueError names the one that is neither."""
        self._networks = tuple(_network(text) for text in cidrs)

    def __bool__(self) -> bool:
        """Whether there is any network in the set."""
        return bool(self._networks)

    def contains(self, address: str) -> bool:
        """Whether `address` lies in one of them; what is no address lies in none."""
        if not self._networks:
            return False
        parsed = _address(address)
        return parsed is not None and any(parsed in network for network in self._networks)


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Networks) -> str:
    """The address on whose behalf the request came, in canonical form.

    `peer` is the other end of the connection, `forwarded_for` the value of each X-Forwarded-For
    field as received. The list is read from the right, where the nearest proxy wrote, for as long as
    the one who wrote is in `trusted`. Something unreadable ends the reading: the last good one counts.
    """
    client = _canonical(peer)
    if not trusted.contains(client):
        return client
    hops = ",".join(forwarded_for).rsplit(",", _HOPS_MAX)[-_HOPS_MAX:]
    for hop in reversed(hops):
        parsed = _address(_without_port(hop.strip()))
        if parsed is None:
            break
        client = str(parsed)
        if not trusted.contains(client):
            break
    return client


def throttle_name(address: str) -> str:
    """The name under which an address is counted: its /64 for IPv6, since a subscriber owns at least that."""
    parsed = _address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed), _THROTTLED_PREFIX), strict=False))
    return address if parsed is None else str(parsed)


@lru_cache(maxsize=4096)
def _address(text: str) -> Address | None:
    """Parse one address, unwrap it, and forget its zone; None if it is none."""
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed.ipv4_mapped or parsed
    return parsed


def _canonical(text: str) -> str:
    """The address as text in its shortest form; unchanged if it is none (a Unix socket's peer)."""
    parsed = _address(text)
    return text if parsed is None else str(parsed)


def _without_port(hop: str) -> str:
    """`192.0.2.1:4711`, `[2001:db8::1]:4711` and `[2001:db8::1]` without what is around the address."""
    found = _WITH_PORT.fullmatch(hop)
    return (found["bracketed"] or found["plain"] or "") if found else hop


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not an address or CIDR block: {error}") from None
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        inner = int(network.network_address) & 0xFFFFFFFF
        return ipaddress.IPv4Network((inner, network.prefixlen - _MAPPED.prefixlen))
    return network

"""Where notifications may be sent: never into the network that Keywright itself stands in.

Whoever may add a webhook must not thereby reach what only this machine can reach (SSRF). The URL is looked at
when it is saved; what counts is the address that is connected to, looked at when that happens.
"""

__all__ = ["NetworkRules", "url_problem"]

import ipaddress
import re
from collections.abc import Iterable
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_URL_MAX: Final = 2000
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?\.?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
# Public by their registration, and yet for machines on the inside only.
_INSIDE: Final[tuple[_Network, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's platform
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "100.64.0.0/10",
        "240.0.0.0/4",
        "64:ff9b:1::/48",
        "fec0::/10",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
    )
)
# Addresses that carry an IPv4 address: at which bit of the 128 that ends.
_CARRIERS: Final = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    (ipaddress.IPv6Network("::/96"), 0),
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),
    (ipaddress.IPv6Network("2002::/16"), 80),
)


class NetworkRules:
    """Which addresses may be connected to."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed` are networks that may be reached although they are not public."""
        self._allowed = tuple(ipaddress.ip_network(text) for text in allowed)

    def allows(self, text: str) -> bool:
        """Whether this address may be connected to. What is no address may not."""
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if any(_is_in(address, network) for network in self._allowed):
            return True
        carried = _carried(address)
        if carried is not None:
            return self.allows(str(carried))
        return _is_public(address)


def _is_public(address: _Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not any(_is_in(address, network) for network in _INSIDE)
    )


def _is_in(address: _Address, network: _Network) -> bool:
    return address.version == network.version and address in network


def _carried(address: _Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that a machine on the way would make of it."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    for network, shift in _CARRIERS:
        if address in network:
            return ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
    return None


def url_problem(url: str, rules: NetworkRules, *, is_http_allowed: bool) -> str | None:
    """Why nothing may be sent to this URL, in a sentence; None if something may."""
    parts = _split(url)
    if parts is None:
        return "is not a URL; write it as 'https://example.com/hooks/keywright'."
    if parts.scheme not in ({"https", "http"} if is_http_allowed else {"https"}):
        return "must begin with 'https://'."
    if "@" in parts.netloc:
        return "must not hold a user or password: signatures tell the receiver who sends."
    if parts.fragment or url.endswith("#"):
        return "must not end with a fragment (#…): that is never sent."
    return _host_problem(parts.hostname or "", rules)


def _split(url: str) -> SplitResult | None:
    if (
        len(url) > _URL_MAX
        or not url.isascii()
        or not url.isprintable()
        or set(url) & set(' "<>\\^`{|}')
    ):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    return parts if parts.hostname and port != 0 else None


def _host_problem(host: str, rules: NetworkRules) -> str | None:
    if (address := _literal(host)) is not None:
        return None if rules.allows(address) else _not_allowed(host)
    if _HOST.fullmatch(host) is None or ".." in host:
        return "names no host; write it as 'https://example.com/hooks/keywright'."
    # "127.1", "0x7f000001": numbers that some resolvers take for addresses (WHATWG URL, "ends in a number").
    if _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return "names a host by a number; write an address in full, or a name."
    is_own = host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost")
    if is_own and not (rules.allows("127.0.0.1") or rules.allows("::1")):
        return _not_allowed(host)
    return None


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _not_allowed(host: str) -> str:
    return (
        f"leads to {host}, which is not a public address; the operator can allow its network"
        " (notifications.allow_networks)."
    )

"""Whose address counts, and where it lies."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.addresses import Networks, client_address, throttle_name

PROXIES = Networks(["10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1"])
ADDRESSES = st.ip_addresses().map(str)


@pytest.mark.parametrize(
    ("cidrs", "address", "expected"),
    [
        pytest.param(["192.0.2.0/24"], "192.0.2.255", True, id="last-of-the-block"),
        pytest.param(["192.0.2.0/24"], "192.0.3.0", False, id="one-after-the-block"),
        pytest.param(["192.0.2.1"], "192.0.2.1", True, id="single"),
        pytest.param(["192.0.2.1", "198.51.100.0/24"], "198.51.100.7", True, id="second"),
        pytest.param(["192.0.2.0/24"], "::ffff:192.0.2.1", True, id="mapped-address"),
        pytest.param(["::ffff:192.0.2.0/120"], "192.0.2.1", True, id="mapped-network"),
        pytest.param(["::/0"], "192.0.2.1", False, id="IPv6-is-not-IPv4"),
        pytest.param(["0.0.0.0/0"], "2001:db8::1", False, id="IPv4-is-not-IPv6"),
        pytest.param(["fe80::/10"], "fe80::1%eth0", True, id="zone"),
        pytest.param(["0.0.0.0/0"], "not an address", False, id="garbage"),
        pytest.param(["0.0.0.0/0"], "192.0.2.01", False, id="leading-zero"),
        pytest.param([], "192.0.2.1", False, id="empty-set"),
    ],
)
def test_contains(cidrs: list[str], address: str, expected: bool) -> None:
    """An allow-list lets in its own addresses however they are spelt, and no other."""
    networks = Networks(cidrs)

    assert networks.contains(address) is expected
    assert bool(networks) is bool(cidrs)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "example.com", "", "10.0.0.0/"])
def test_a_bad_network_is_named(text: str) -> None:
    """A block with a typing mistake is refused and named, never taken for something wider."""
    with pytest.raises(ValueError, match="is not an address or CIDR block"):
        Networks(["192.0.2.1", text])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "expected"),
    [
        pytest.param("192.0.2.1", [], "192.0.2.1", id="direct"),
        pytest.param(
            "192.0.2.1", ["203.0.113.9"], "192.0.2.1", id="H05-untrusted-peer-is-not-asked"
        ),
        pytest.param("10.0.0.1", ["203.0.113.9"], "203.0.113.9", id="trusted-peer"),
        pytest.param("10.0.0.1", [], "10.0.0.1", id="trusted-peer-without-a-list"),
        pytest.param(
            "10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9", id="client-wrote-the-first"
        ),
        pytest.param(
            "10.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9", id="in-two-fields"
        ),
        pytest.param(
            "10.0.0.1", ["203.0.113.9,10.0.0.2 , 10.0.0.3"], "203.0.113.9", id="past-trusted-hops"
        ),
        pytest.param("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3", id="all-trusted"),
        pytest.param("10.0.0.1", ["203.0.113.9, junk"], "10.0.0.1", id="garbage-ends-the-reading"),
        pytest.param(
            "10.0.0.1", ["203.0.113.9, unknown, 10.0.0.2"], "10.0.0.2", id="last-good-one-counts"
        ),
        pytest.param("10.0.0.1", ["203.0.113.9,"], "10.0.0.1", id="empty-entry"),
        pytest.param("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9", id="port"),
        pytest.param("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1", id="IPv6-port"),
        pytest.param("10.0.0.1", ["[2001:DB8:0::1]"], "2001:db8::1", id="IPv6-brackets"),
        pytest.param("10.0.0.1", ["2001:db8::1"], "2001:db8::1", id="IPv6"),
        pytest.param("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9", id="mapped"),
        pytest.param("2001:db8:ffff::7", ["203.0.113.9"], "203.0.113.9", id="IPv6-proxy"),
        pytest.param("fe80::1%eth0", [], "fe80::1", id="zone"),
        pytest.param("", ["203.0.113.9"], "", id="no-address-at-all"),
        pytest.param(
            "10.0.0.1",
            ["203.0.113.9," + "10.0.0.2," * 40 + "10.0.0.3"],
            "10.0.0.2",
            id="endless-list",
        ),
    ],
)
def test_client_address(peer: str, forwarded_for: list[str], expected: str) -> None:
    """A caller cannot choose its own address: only what a trusted proxy wrote is believed."""
    assert client_address(peer, forwarded_for, PROXIES) == expected


@given(peer=ADDRESSES, spoofed=st.lists(st.text(), max_size=3))
def test_nothing_a_client_writes_changes_its_address(peer: str, spoofed: list[str]) -> None:
    """Directly or through a proxy that appends the peer, X-Forwarded-For cannot be forged."""
    direct = client_address(peer, spoofed, Networks([]))
    proxied = client_address("10.0.0.1", [*spoofed, peer], Networks(["10.0.0.1"]))

    assert direct == client_address(peer, [], Networks([]))
    assert proxied == direct or peer == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", id="IPv4"),
        pytest.param("::ffff:192.0.2.1", "192.0.2.1", id="mapped"),
        pytest.param("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", id="IPv6"),
        pytest.param("2001:db8:1:2:ffff::%eth0", "2001:db8:1:2::/64", id="same-64-with-a-zone"),
        pytest.param("/run/socket", "/run/socket", id="no-address"),
    ],
)
def test_throttle_name(address: str, expected: str) -> None:
    """A subscriber who owns a /64 cannot get a fresh allowance with each of its addresses."""
    assert throttle_name(address) == expected


@given(address=st.ip_addresses(v=6), other=st.integers(0, 2**64 - 1))
def test_all_of_a_64_share_a_name(address: ipaddress.IPv6Address, other: int) -> None:
    """Two addresses that differ in their last 64 bits only are counted together."""
    sibling = ipaddress.IPv6Address((int(address) >> 64 << 64) | other)
    if address.ipv4_mapped is None and sibling.ipv4_mapped is None:
        assert throttle_name(str(address)) == throttle_name(str(sibling))

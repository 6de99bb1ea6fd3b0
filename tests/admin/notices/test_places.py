"""Where notifications may be sent: nowhere that only this machine can reach."""

import pytest

from admin.core.notices.places import NetworkRules, url_problem

RULES = NetworkRules()

INSIDE = (
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),  # noqa: S104 -- asked about, not listened on
    *("169.254.169.254", "168.63.129.16", "100.100.100.200", "192.0.0.192", "198.18.0.1"),
    *("224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "203.0.113.9"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001::1"),
    *("2001:db8::1", "/run/some.sock", "", "example.com"),
)
OUTSIDE = ("8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", INSIDE)
def test_no_address_on_the_inside_is_connected_to(address: str) -> None:
    """Loopback, private, link-local, multicast and metadata addresses are out of reach, however they are written."""
    assert not RULES.allows(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_public_addresses_are_connected_to(address: str) -> None:
    """Receivers on the Internet are reached."""
    assert RULES.allows(address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("10.2.0.1", False),
        ("127.0.0.1", False),
        ("fd12::1", True),
        ("fd13::1", False),
    ],
)
def test_operator_allows_a_network_and_no_more(address: str, expected: bool) -> None:
    """A network of one's own can be opened, and only that."""
    assert NetworkRules(["10.1.0.0/16", "fd12::/16"]).allows(address) is expected


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "gopher://example.com/", "unix:/run/x.sock", "ftp://example.com/"),
        *("http://example.com/", "//example.com/", "example.com/hook", "https:///hook", "https://"),
        *("https://127.0.0.1:6379/", "https://[::1]/", "https://169.254.169.254/latest/"),
        *("https://0.0.0.0/", "https://2130706433/", "https://127.1/", "https://0x7f000001/"),
        *("https://0177.0.0.1/", "https://0/", "https://127.0.0.1./", "https://localhost/"),
        *("https://localhost./", "https://a.localhost/", "https://a@127.0.0.1/"),
        *("https://user:password@example.com/", "https://[::ffff:127.0.0.1]/"),
        *(
            "https://example.com/#part",
            "https://example.com/\r\nX-Evil: 1",
            "https://exam ple.com/",
        ),
        *("https://example.com:0/", "https://example.com:99999/", "https://exämple.com/"),
        *("https://example..com/", "https://-example.com/", f"https://example.com/{'x' * 2000}"),
        *("https://example.com\\@127.0.0.1/", "https://127.0.0.1\\.example.com/", "https://[::1/"),
    ],
)
def test_urls_that_are_not_for_the_public_are_refused_when_saved(url: str) -> None:
    """Whoever types such a URL is told so, in a sentence."""
    problem = url_problem(url, RULES, is_http_allowed=False)

    assert problem is not None
    assert problem.endswith(".")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hooks/keywright?team=dns",
        "https://hooks.example.com:8443/",
        "https://8.8.8.8/hook",
        "https://[2606:4700:4700::1111]:443/hook",
        "https://example.com.",
    ],
)
def test_urls_of_receivers_are_taken(url: str) -> None:
    """A receiver on the Internet can be named."""
    assert url_problem(url, RULES, is_http_allowed=False) is None


def test_operator_can_allow_http_and_their_own_machine() -> None:
    """For trials, a receiver may run beside Keywright, without TLS."""
    open_rules = NetworkRules(["127.0.0.0/8"])

    assert url_problem("http://localhost:9000/x", open_rules, is_http_allowed=True) is None
    assert url_problem("http://127.0.0.1:9000/x", open_rules, is_http_allowed=True) is None
    assert url_problem("http://127.0.0.1:9000/x", open_rules, is_http_allowed=False) is not None
    assert url_problem("http://[::1]:9000/x", open_rules, is_http_allowed=True) is not None

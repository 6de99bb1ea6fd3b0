"""nginx and Caddy as they come from Debian, with the files of config/integrations/, before a whole gateway."""

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from sqlalchemy.engine import make_url

from gateway.core.keys import Environment, KeyType
from gateway.core.limits import Limit
from gateway.core.token import compose
from tests.fixtures_gateway import Gateway, NewSite, Reply, Site, eventually
from tests.fixtures_valkey import ValkeyServer
from tests.fronts import FRONTS, Front
from tests.relay import Relay

UNKNOWN_TOKEN = compose(KeyType.SECRET, Environment.LIVE, "0" * 12, "0" * 32)
TRUSTED = {"host": "127.0.0.1", "port": 0, "trusted_proxies": ["127.0.0.1"]}

# What a caller may try: another request, another method, another caller, another address.
SPOOFED = {
    "X-Original-URI": "/adm/x",
    "X-Original-Method": "GET",
    "X-Original-Host": "evil.example",
    "X-Original-URL": "/adm/x",
    "X-Forwarded-Uri": "/adm/x",
    "X-Forwarded-Method": "GET",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-For": "192.0.2.66",
    "X-Real-IP": "192.0.2.66",
    "X-HTTP-Method-Override": "DELETE",
    "X-Keywright-Key-Id": "key_of_another",
    "X-Keywright-Account": "acc_of_another",
    "X-Keywright-Scopes": "everything",
    "X-Keywright-Problem": "{}",
}


class Place(NamedTuple):
    """A whole gateway and a proxy before it."""

    site: Site
    gateway: Gateway
    front: Front

    def answers(self, reply: Reply, status: int, code: str | None) -> None:
        """The proxy hands on the very refusal that the proxy listener gives."""
        assert (reply.status, reply.code) == (status, code)
        assert reply.headers.get_all("Cache-Control") == ["no-store"]
        assert reply.headers.get_all("X-Request-Id") == [reply.document["request_id"]]


@contextlib.contextmanager
def opened(name: str, site: Site) -> Iterator[Place]:
    """A whole gateway, and the proxy of this name."""
    gateway = site.start(whole=True)
    front = FRONTS[name](site.folder, gateway.admin_port, site.origin.port)
    try:
        yield Place(site, gateway, front)
    finally:
        front.stop()


@pytest.fixture(scope="module", params=FRONTS)
def place(request: pytest.FixtureRequest, new_module_site: NewSite) -> Iterator[Place]:
    """One that trusts the proxy's word on addresses."""
    with opened(request.param, new_module_site(listen=TRUSTED)) as place:
        yield place


def sent(reply: Reply) -> dict[str, str]:
    """The header fields that the API was sent, by name in lower case."""
    return {name.lower(): value for name, value in reply.document["headers"]}


def test_a_good_request_reaches_the_api_as_it_is(place: Place) -> None:
    """Path, query and body pass unchanged; the API hears who calls, and nothing of the key."""
    key = place.site.operator.key("pub-only")
    target = "/pub/a;b/%41?q=a%2Fb&c"
    reply = place.front.ask("POST", target, key.secret, body=b"body" * 1000, headers=SPOOFED)
    direct = place.gateway.ask("POST", target, key.secret)

    assert (reply.status, direct.status) == (200, 200)
    assert (reply.document["method"], reply.document["target"]) == ("POST", target)
    assert reply.document["body_len"] == 4000
    fields = sent(reply)
    assert fields["x-keywright-key-id"] == key.id
    assert fields["x-keywright-account"] == place.site.operator.account
    assert fields["x-keywright-scopes"] == "pub-only"
    assert fields["x-keywright-environment"] == "live"
    assert fields["x-request-id"] == reply.headers["X-Request-Id"]
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert key.secret not in str(reply.document)
    spoofed = {value for name, value in SPOOFED.items() if name != "X-Original-Method"}
    assert spoofed.isdisjoint(fields.values())
    assert reply.headers["RateLimit-Policy"] == direct.headers["RateLimit-Policy"]
    assert reply.headers["RateLimit"].startswith('"default";r=')


def test_the_other_places_of_a_key_are_understood(place: Place) -> None:
    """A key in X-API-Key, and a pair, are taken as the proxy listener takes them, and do not reach the API."""
    key = place.site.operator.key("pub-only")
    secret_id, secret = key.secret[8:20], key.secret[20:52]
    replies = [
        place.front.ask("GET", "/pub/x", headers=headers)
        for headers in (
            {"X-API-Key": key.secret},
            {"X-API-Key": secret_id, "X-API-Secret": secret},
        )
    ]

    assert [reply.status for reply in replies] == [200, 200]
    for reply in replies:
        assert not {"x-api-key", "x-api-secret", "authorization"} & sent(reply).keys()


@pytest.mark.parametrize("headers", [{}, SPOOFED], ids=["plain", "spoofed"])
def test_refusals_are_those_of_the_gateway(place: Place, headers: dict[str, str]) -> None:
    """Status, code, challenge and fields are the same as from the proxy listener; the API hears of none of it."""
    key = place.site.operator.key("read-only")
    pub = place.site.operator.key("pub-only")
    asked: list[tuple[str, str, str | None, int, str]] = [
        ("GET", "/pub/x", None, 401, "missing_key"),
        ("GET", "/pub/x", UNKNOWN_TOKEN, 401, "unknown_key"),
        ("GET", "/pub/x", "sk_live_short", 401, "malformed_key"),
        ("POST", "/pub/x", key.secret, 403, "insufficient_scope"),
        ("GET", "/adm/x", pub.secret, 403, "insufficient_scope"),
        ("GET", "/nowhere", key.secret, 404, "no_route"),
        ("GET", "/pub/%2e%2e/adm/x", key.secret, 400, "bad_request"),
        ("GET", "/pub//x", key.secret, 400, "bad_request"),
        ("PROPFIND", "/pub/x", key.secret, 405, "method_not_allowed"),
    ]
    heard = place.site.origin.request_lines
    for method, target, secret, status, code in asked:
        reply = place.front.ask(method, target, secret, headers=headers)
        direct = place.gateway.ask(method, target, secret)

        place.answers(reply, status, code)
        assert direct.status == status
        assert reply.headers.get_all("WWW-Authenticate") == direct.headers.get_all(
            "WWW-Authenticate"
        )
        own = {**reply.document, "request_id": ""}
        assert own == {**direct.document, "request_id": ""}
    assert place.site.origin.request_lines == heard


def test_limits_hold_and_say_when_to_come_back(place: Place) -> None:
    """What the proxy asks about takes tokens; 429 comes with Retry-After and the RateLimit fields."""
    key = place.site.operator.key("pub-only", limits=(Limit("few", 3, 60),))
    replies = [place.front.ask("GET", "/pub/x", key.secret) for _ in range(4)]
    direct = place.gateway.ask("GET", "/pub/x", key.secret)

    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    place.answers(replies[-1], 429, "rate_limited")
    assert 1 <= int(replies[-1].headers["Retry-After"]) <= 20
    assert replies[-1].headers.get_all("RateLimit") == ['"few";r=0;t=60']
    assert replies[-1].document["violated-policies"] == ["few"]
    assert direct.status == 429


def test_a_revocation_holds_at_once(place: Place) -> None:
    """The receipt counts the control plane, and the next request is refused."""
    key = place.site.operator.key("pub-only")
    before = place.front.ask("GET", "/pub/x", key.secret)
    receipt = place.site.operator.revoke(key.id)
    after = place.front.ask("GET", "/pub/x", key.secret)

    assert before.status == 200
    assert receipt["acknowledged"] == receipt["workers"] == 2
    place.answers(after, 401, "revoked_key")


def test_a_caller_cannot_choose_its_address(place: Place) -> None:
    """A key that is bound to an address is refused whatever the caller says of its own."""
    bound = place.site.operator.key("pub-only", addresses=("192.0.2.66",))
    own = place.site.operator.key("pub-only", addresses=("127.0.0.1",))
    refused = place.front.ask("GET", "/pub/x", bound.secret, headers=SPOOFED)
    allowed = place.front.ask("GET", "/pub/x", own.secret, headers=SPOOFED)

    place.answers(refused, 403, "ip_not_allowed")
    assert allowed.status == 200


def test_what_was_asked_is_recorded_and_counted(place: Place) -> None:
    """A request that a proxy passed on stands in the usage log and in the metrics, and so does a refused one."""
    series = (
        'keywright_requests_total{code_class="2xx",method="GET",outcome="authorized",route="pub"}'
    )
    before = place.gateway.metrics().get(series, 0)
    key = place.site.operator.key("read-only")
    place.front.ask("GET", "/pub/x?secret=1", key.secret)
    place.front.ask("POST", "/pub/x", key.secret)

    def recorded() -> list[dict[str, Any]] | None:
        shown: list[dict[str, Any]] = place.site.operator.cli("usage", key.id)["requests"]
        return shown if len(shown) == 2 else None

    refused, passed = eventually(recorded, "two records")
    names = ("method", "path", "route", "status", "outcome", "address")
    assert [passed[name] for name in names] == [
        "GET",
        "/pub/x",
        "pub",
        200,
        "authorized",
        "127.0.0.1",
    ]
    assert (refused["status"], refused["outcome"]) == (403, "insufficient_scope")
    assert place.gateway.metrics()[series] == before + 1


@pytest.mark.parametrize("place", ["caddy"], indirect=True)
def test_a_websocket_is_asked_about_at_its_handshake(place: Place) -> None:
    """The question carries the caller's handshake; the answer ends it there, and the API begins it."""
    key = place.site.operator.key("pub-only")
    handshake = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    opened = place.front.ask("GET", "/pub/ws", key.secret, headers=handshake)
    refused = place.front.ask("GET", "/adm/ws", key.secret, headers=handshake)

    assert (opened.status, opened.headers["Upgrade"]) == (101, "websocket")
    place.answers(refused, 403, "insufficient_scope")


@pytest.mark.parametrize("name", FRONTS)
@pytest.mark.parametrize("database", ["postgresql"])
def test_an_outage_is_503(
    new_site: NewSite, own_valkey: ValkeyServer, sql_url: str, name: str
) -> None:
    """While a key cannot be checked nobody is told that it is bad, and everybody when to come again."""
    url = make_url(sql_url)
    assert url.port is not None
    with Relay(url.port) as relay, contextlib.ExitStack() as stack:
        url = url.set(port=relay.port)
        site = new_site(
            listen=TRUSTED,
            redis={"url": own_valkey.url},
            store={"url": url.render_as_string(hide_password=False), "deadline": "500ms"},
        )
        place = stack.enter_context(opened(name, site))
        known, unused = place.site.operator.keys(2, "pub-only")
        before = place.front.ask("GET", "/pub/x", known.secret)
        relay.cut()
        still = place.front.ask("GET", "/pub/x", known.secret)
        away = place.front.ask("GET", "/pub/x", unused.secret)
        relay.mend()

    assert (before.status, still.status) == (200, 200)
    place.answers(away, 503, "store_unavailable")
    assert away.headers.get_all("Retry-After") == ["1"]


@pytest.mark.parametrize("name", FRONTS)
def test_without_keywright_nothing_passes(new_site: NewSite, name: str) -> None:
    """When nobody can be asked, requests are refused as an outage, and the API hears of none."""
    with opened(name, new_site(listen=TRUSTED)) as place:
        key = place.site.operator.key("pub-only")
        place.gateway.stop()
        reply = place.front.ask("GET", "/pub/x", key.secret)

    assert (reply.status, reply.code) == (503, "store_unavailable")
    assert reply.headers.get_all("Retry-After") == ["1"]
    assert reply.headers.get_all("Cache-Control") == ["no-store"]
    assert place.site.origin.request_lines == []

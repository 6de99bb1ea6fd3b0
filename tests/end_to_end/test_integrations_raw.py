"""Traefik and Envoy, which Debian does not have: their questions, made as they make them from our files.

Traefik: pkg/middlewares/auth/forward.go. Envoy: extensions/filters/common/ext_authz/ext_authz_http_impl.cc.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import pytest
import yaml

from tests.end_to_end.test_integrations import SPOOFED, TRUSTED
from tests.fixtures_gateway import Gateway, NewSite, Reply, Site, fetch
from tests.fronts import INTEGRATIONS, KEYWRIGHT

Fields: TypeAlias = dict[str, str]
CALLER: Final = "192.0.2.7"


class Asked(NamedTuple):
    """The proxy's own request to Keywright."""

    method: str
    target: str
    fields: Fields


class Caller(NamedTuple):
    """A request as it comes to the proxy from `CALLER`; names in lower case."""

    method: str
    target: str
    fields: Fields


def _only(fields: Mapping[str, str], names: list[str]) -> Fields:
    wanted = {name.lower() for name in names}
    return {name: value for name, value in fields.items() if name in wanted}


class Traefik:
    """ForwardAuth, and the headers middleware behind it."""

    def __init__(self) -> None:
        parts = yaml.safe_load((INTEGRATIONS / "traefik.yaml").read_text())["http"]
        middlewares = [
            parts["middlewares"][name] for name in parts["routers"]["api"]["middlewares"]
        ]
        self._auth = middlewares[0]["forwardAuth"]
        self._headers = middlewares[1]["headers"]["customRequestHeaders"]

    def asks(self, caller: Caller) -> Asked:
        assert self._auth["trustForwardHeader"] is False
        scheme, _, rest = self._auth["address"].partition("://")
        assert (scheme, rest.partition("/")[0]) == ("http", KEYWRIGHT)
        fields = _only(caller.fields, self._auth["authRequestHeaders"])
        fields |= {
            "X-Forwarded-For": CALLER,
            "X-Forwarded-Method": caller.method,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "api.example",
            "X-Forwarded-Uri": caller.target,
        }
        return Asked("GET", "/" + rest.partition("/")[2], fields)

    def passes_on(self, caller: Caller, answer: Reply) -> Fields:
        fields = dict(caller.fields)
        for name in self._auth["authResponseHeaders"]:
            fields.pop(name.lower(), None)
            if answer.headers[name] is not None:
                fields[name.lower()] = answer.headers[name]
        for name, value in self._headers.items():
            assert value == ""
            fields.pop(name.lower(), None)
        return fields


class Envoy:
    """The ext_authz filter with an HTTP service, behind a listener that uses remote addresses."""

    def __init__(self) -> None:
        whole = yaml.safe_load((INTEGRATIONS / "envoy.yaml").read_text())["static_resources"]
        (chain,) = whole["listeners"][0]["filter_chains"]
        manager = chain["filters"][0]["typed_config"]
        assert manager["use_remote_address"] is True
        self._filter = manager["http_filters"][0]["typed_config"]
        (host,) = manager["route_config"]["virtual_hosts"]
        self._removed = host["request_headers_to_remove"]

    def asks(self, caller: Caller) -> Asked:
        service = self._filter["http_service"]
        assert service["server_uri"]["uri"] == f"http://{KEYWRIGHT}"
        fields = dict(caller.fields)
        before = f"{fields['x-forwarded-for']}," if "x-forwarded-for" in fields else ""
        fields["x-forwarded-for"] = before + CALLER
        allowed = [one["exact"] for one in self._filter["allowed_headers"]["patterns"]]
        fields = _only(fields, ["authorization", *allowed])
        # The filter's own client appends the address of Envoy's machine.
        fields["x-forwarded-for"] += ",10.0.0.5"
        fields |= {"host": "api.example", "content-length": "0"}
        return Asked(caller.method, service["path_prefix"] + caller.target, fields)

    def passes_on(self, caller: Caller, answer: Reply) -> Fields:
        patterns = self._filter["http_service"]["authorization_response"][
            "allowed_upstream_headers"
        ]
        fields = dict(caller.fields)
        for name, value in answer.headers.items():
            if any(_matches(one, name.lower()) for one in patterns["patterns"]):
                fields[name.lower()] = value
        return {name: value for name, value in fields.items() if name not in self._removed}


def _matches(pattern: dict[str, Any], name: str) -> bool:
    return name == pattern.get("exact") or name.startswith(pattern.get("prefix", "\0"))


PROXIES: Final[Mapping[str, Callable[[], Traefik | Envoy]]] = {"traefik": Traefik, "envoy": Envoy}


@pytest.fixture(scope="module")
def site(new_module_site: NewSite) -> Site:
    """One that trusts the proxy's addresses."""
    return new_module_site(listen={**TRUSTED, "trusted_proxies": ["127.0.0.1", "10.0.0.5"]})


@pytest.fixture(scope="module")
def gateway(site: Site) -> Gateway:
    """A whole one."""
    return site.start(whole=True)


@pytest.fixture(params=PROXIES)
def proxy(request: pytest.FixtureRequest) -> Traefik | Envoy:
    """What asks."""
    return PROXIES[request.param]()


def answered(gateway: Gateway, asked: Asked) -> Reply:
    """What Keywright tells the proxy."""
    return fetch(gateway.admin_port, asked.method, asked.target, asked.fields)


def calling(method: str, target: str, secret: str, *, spoofs: bool) -> Caller:
    """A caller's request, with whatever may be tried."""
    tried = {name.lower(): value for name, value in SPOOFED.items()} if spoofs else {}
    return Caller(method, target, {**tried, "authorization": f"Bearer {secret}"})


@pytest.mark.parametrize("spoofs", [False, True], ids=["plain", "spoofed"])
def test_a_good_request_passes(
    site: Site, gateway: Gateway, proxy: Traefik | Envoy, spoofs: bool
) -> None:
    """The API hears who calls, from Keywright alone, and nothing of the key."""
    key = site.operator.key("pub-only")
    caller = calling("POST", "/pub/a%41?q=a%2Fb", key.secret, spoofs=spoofs)
    answer = answered(gateway, proxy.asks(caller))
    fields = proxy.passes_on(caller, answer)

    assert answer.status == 200
    assert answer.body == b""
    assert fields["x-keywright-key-id"] == key.id
    assert fields["x-keywright-account"] == site.operator.account
    assert fields["x-keywright-scopes"] == "pub-only"
    assert fields["x-keywright-environment"] == "live"
    assert fields["x-request-id"] == answer.headers["X-Request-Id"]
    assert "authorization" not in fields
    assert {"/adm/x", "DELETE", "key_of_another", "acc_of_another"}.isdisjoint(fields.values())


@pytest.mark.parametrize("spoofs", [False, True], ids=["plain", "spoofed"])
@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("POST", "/pub/x", 403, "insufficient_scope"),
        ("GET", "/nowhere", 404, "no_route"),
        ("GET", "/pub/%2e%2e/adm/x", 400, "bad_request"),
        ("GET", "//pub/x", 400, "bad_request"),
        ("OPTIONS", "*", 400, "bad_request"),
    ],
)
def test_refusals_are_those_of_the_gateway(
    site: Site,
    gateway: Gateway,
    proxy: Traefik | Envoy,
    method: str,
    target: str,
    status: int,
    code: str,
    spoofs: bool,
) -> None:
    """Status and problem document go to the caller as they are; nothing that a caller sends changes them."""
    key = site.operator.key("read-only")
    answer = answered(gateway, proxy.asks(calling(method, target, key.secret, spoofs=spoofs)))

    if isinstance(proxy, Envoy) and target == "*":
        # No path of ours: the admin API itself refuses it.
        assert answer.status == 401
    else:
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers["X-Keywright-Problem"] is None


def test_a_caller_cannot_choose_its_address(
    site: Site, gateway: Gateway, proxy: Traefik | Envoy
) -> None:
    """The address that counts is the one that the proxy saw."""
    bound = site.operator.key("pub-only", addresses=("192.0.2.66",))
    own = site.operator.key("pub-only", addresses=(CALLER,))
    refused, allowed = (
        answered(gateway, proxy.asks(calling("GET", "/pub/x", key.secret, spoofs=True)))
        for key in (bound, own)
    )

    assert (refused.status, refused.code) == (403, "ip_not_allowed")
    assert allowed.status == 200


def test_head_has_no_body(site: Site, gateway: Gateway) -> None:
    """Envoy asks with the caller's own method; the answer to HEAD is a head, and the connection stays in order."""
    key = site.operator.key("read-only")
    allowed = fetch(gateway.admin_port, "HEAD", "/v1/authorize/pub/x", {"X-API-Key": key.secret})
    refused = fetch(gateway.admin_port, "HEAD", "/v1/authorize/pub/x", {})

    assert (allowed.status, allowed.body) == (200, b"")
    assert (refused.status, refused.body) == (401, b"")


def test_a_body_is_nobodys(site: Site, gateway: Gateway) -> None:
    """A proxy that sends the caller's body along gets its answer, and the connection ends."""
    key = site.operator.key("pub-only")
    headers = {"X-API-Key": key.secret, "Expect": "100-continue", "Content-Length": "1000000000"}
    answer = fetch(gateway.admin_port, "POST", "/v1/authorize/pub/x", headers)

    assert answer.status == 200
    assert answer.headers["Connection"] == "close"


def test_nobody_asks_for_an_admin_token_there(gateway: Gateway) -> None:
    """Who has no key is told what the proxy listener tells everybody, and no more."""
    asked = fetch(gateway.admin_port, "GET", "/v1/authorize/pub/x", {})
    other = fetch(gateway.admin_port, "GET", "/v1/keys", {})

    assert (asked.status, asked.code) == (401, "missing_key")
    assert (other.status, other.code) == (401, "missing_token")

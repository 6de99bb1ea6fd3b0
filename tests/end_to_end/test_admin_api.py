"""The admin API of a whole gateway: on its own port, enforced by the proxy, and nowhere else."""

import http.client
import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.fixtures_gateway import Gateway, NewSite, Site


class Admin(NamedTuple):
    """Somebody with an admin token, who asks the admin API."""

    gateway: Gateway
    token: str

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and document of the answer."""
        at = urlsplit(self.gateway.admin_url)
        connection = http.client.HTTPConnection(str(at.hostname), at.port or 0, timeout=30)
        try:
            connection.request(
                method,
                path,
                None if body is None else json.dumps(body),
                {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


def admin_of(site: Site, gateway: Gateway) -> Admin:
    """As the page for newcomers says: the first token is made on the machine itself."""
    made = site.operator.cli("tokens", "create", "--name", "laptop", "--role", "admin")
    return Admin(gateway, made["secret"])


def test_key_made_over_http_lives_and_dies_at_the_proxy(new_site: NewSite) -> None:
    """A key of the API opens the proxy at once, its change is felt with the answer, and every process acknowledges."""
    site = new_site()
    gateway = site.start(whole=True)
    admin = admin_of(site, gateway)
    account = admin.ask("POST", "/v1/accounts", {"name": "Acme"})[1]["id"]
    wanted = {"account": account, "name": "staging-dns-sync", "scopes": ["pub-only"]}
    status, key = admin.ask("POST", "/v1/keys", wanted)
    before = gateway.ask("GET", "/pub/x", key["secret"]).status
    narrowed = admin.ask("PATCH", f"/v1/keys/{key['id']}", {"scopes": ["read-only"]})[1]
    posted = gateway.ask("POST", "/pub/x", key["secret"])
    revoked = admin.ask("POST", f"/v1/keys/{key['id']}/revoke")[1]
    after = gateway.ask("GET", "/pub/x", key["secret"])

    assert (status, before) == (201, 200)
    assert posted.code == "insufficient_scope"
    assert after.code == "revoked_key"
    for changed in (narrowed, revoked):
        assert changed["enforced"]["acknowledged"] == changed["enforced"]["workers"] >= 1


def test_proxy_port_knows_nothing_of_the_admin_api(new_site: NewSite) -> None:
    """No path of the admin API is served on the proxy's port, and an admin token is no key there."""
    site = new_site()
    gateway = site.start(whole=True)
    admin = admin_of(site, gateway)

    for path in ("/v1/me", "/v1/keys", "/openapi.json", "/docs", "/v1/authorize", "/metrics"):
        assert gateway.ask("GET", path, admin.token).code == "malformed_key"
        assert gateway.ask("GET", path).code == "missing_key"


def test_what_is_no_http_is_a_problem_like_any_other(new_site: NewSite) -> None:
    """A client that speaks something else, or too long a line, gets the same kind of document, and no echo."""
    site = new_site()
    gateway = site.start(whole=True)
    at = urlsplit(gateway.admin_url)
    for sent in (b"kwadmin_secret\r\n\r\n", b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n"):
        with socket.create_connection((str(at.hostname), at.port or 0), timeout=30) as connection:
            connection.sendall(sent)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")

        assert head.split(b" ")[1] == b"400"
        assert b"application/problem+json" in head
        assert json.loads(body)["code"] == "bad_request"
        assert b"kwadmin_secret" not in answer
        assert b"aiohttp" not in answer

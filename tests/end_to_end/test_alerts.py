"""From a request through the gateway to the one alert that it leads to, and to the signed webhook that carries it."""

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

from admin.core.notices.channel_words import ChannelKind
from admin.services.channels import NewChannel
from admin.services.records import Event
from tests.fixtures_gateway import OPERATOR, Gateway, NewSite, Site, eventually

QUOTA = 20
SECTIONS: Mapping[str, Any] = {
    "plans": {"starter": {"limits": [], "monthly_quota": QUOTA}},
    "alerts": {"interval": "100ms"},
    "usage": {"flush_interval": "50ms"},
    "notifications": {"allow_http": True, "allow_networks": ["127.0.0.0/8"]},
}
Delivered = tuple[dict[str, str], bytes]


@contextlib.contextmanager
def receiver(got: list[Delivered]) -> Iterator[str]:
    """The address of an HTTP server that keeps the headers and the body of what it is sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            got.append((dict(self.headers.items()), self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody is to read it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def webhook(site: Site, url: str) -> Webhook:
    """What checks the signatures of a new channel that gets the alerts about quotas."""
    new = NewChannel(kind=ChannelKind.WEBHOOK, name="desk", url=url, events=("quota.*",))
    made = site.operator.act(lambda services: services.channels.create(OPERATOR, new))
    assert made.secret is not None
    return Webhook(made.secret)


def told(site: Site) -> list[Event]:
    """The alerts about the quota among the events."""
    found = site.operator.act(lambda services: services.records.events(OPERATOR, 0, 200))
    return [one for one in found if one.kind.startswith("quota.")]


def standing(site: Site) -> list[str]:
    """The kinds of the alerts that stand."""
    found = site.operator.cli("alerts", "list")["alerts"]
    return [one["kind"] for one in found]


def use(gateway: Gateway, secret: str, count: int) -> None:
    """So many requests, each of which is served."""
    for _ in range(count):
        assert gateway.ask("GET", "/pub/x", secret).status == 200


def test_three_quarters_of_a_quota_are_one_event(new_site: NewSite) -> None:
    """The request that reaches 75 percent of a quota leads to one event and one webhook, also after a restart."""
    site = new_site(**SECTIONS)
    gateway = site.start(whole=True)
    key = site.operator.key("pub-only")
    got: list[Delivered] = []
    with receiver(got) as url:
        checks = webhook(site, url)
        use(gateway, key.secret, 15)
        eventually(lambda: got, "the webhook")
        gateway.stop()
    (event,) = eventually(lambda: told(site), "the alert")
    assert (event.kind, event.account_id) == ("quota.threshold", site.operator.account)
    # Not a request before: 14 of 20 are no 75 percent.
    assert {**event.data, "used": 15, "limit": QUOTA, "percent": 75} == event.data
    assert standing(site) == ["quota.threshold"]

    ((headers, body),) = got
    checks.verify(body, headers)
    said = json.loads(body)
    assert (said["type"], said["data"]["account"]) == ("quota.threshold", site.operator.account)
    assert said["data"]["title"] == "75 % of the monthly quota used"
    assert said["data"]["facts"]["used"] == 15

    again = site.start(whole=True)
    use(again, key.secret, 3)
    eventually(lambda: len(told(site)) == 2, "the next threshold")
    assert [one.data["threshold"] for one in told(site)] == [75, 90]

"""From what happens at a gateway to a receiver that checks signatures: the page's own, word for word."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from admin.core.page import PageRequest
from admin.services.catalogue import Services
from admin.services.channels import CreatedChannel, NewChannel
from admin.services.deliveries import DeliveryLog
from admin.stores.inbox import Notices
from tests.admin.world import OPERATOR
from tests.fixtures_gateway import NewSite, Site, eventually, free_port

PAGE = Path(__file__).parents[2] / "docs/notifications.md"
RECEIVER = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAYLOAD = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
COUNTED = 'keywright_notification_attempts_total{channel="webhook",outcome="delivered"}'
ALLOWED = {"allow_http": True, "allow_networks": ["127.0.0.0/8"]}


class Shown:
    """The receiver that the page shows, as a program of its own."""

    def __init__(self, folder: Path, port: int, secret: str) -> None:
        """Starts it."""
        (text,) = RECEIVER.findall(PAGE.read_text())
        (folder / "receiver.py").write_text(text)
        self._output = folder / f"received-{port}"
        environment = {**os.environ, "PORT": str(port), "WEBHOOK_SECRET": secret}
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, folder / "receiver.py"],
                stdout=output,
                stderr=subprocess.DEVNULL,
                env=environment,
            )

    @property
    def titles(self) -> list[str]:
        """What it has printed."""
        return [json.loads(line) for line in self._output.read_text().splitlines()]

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


class Desk:
    """Somebody who looks after channels, on the machine of the gateway."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def webhook(self, url: str) -> CreatedChannel:
        """A channel for what happens to keys."""
        new = NewChannel(kind="webhook", name="desk", url=url, events=["key.*"])
        return self._site.operator.act(lambda services: services.channels.create(OPERATOR, new))

    def log(self, channel_id: str) -> list[DeliveryLog]:
        """What was sent, and each attempt."""

        async def look(services: Services) -> list[DeliveryLog]:
            page = await services.deliveries.list(OPERATOR, channel_id, PageRequest())
            return [await services.deliveries.show(OPERATOR, each.id) for each in page.items]

        return self._site.operator.act(look)

    def inbox(self) -> list[str]:
        """The kinds of what has not been read."""

        async def look(services: Services) -> list[str]:
            found = await services.inbox.list(OPERATOR, Notices(is_unread=True), PageRequest())
            return [each.kind for each in found.page.items]

        return self._site.operator.act(look)


def test_a_revoked_key_is_told_to_the_receiver_of_the_page(new_site: NewSite) -> None:
    """Whoever runs the page's receiver sees what happens at their gateway, and finds it in the log and the inbox."""
    site = new_site(notifications=ALLOWED)
    gateway, desk = site.start(whole=True), Desk(site)
    port = free_port()
    channel, secret = desk.webhook(f"http://127.0.0.1:{port}/hook")
    receiver = Shown(site.folder, port, str(secret))
    try:
        eventually(lambda: _is_listening(port) or None, "the receiver")
        key = site.operator.key("pub-only")
        site.operator.revoke(key.id)
        eventually(lambda: len(receiver.titles) >= 2 or None, "both events")
    finally:
        receiver.stop()

    assert {title.split()[-1] for title in receiver.titles} == {"created", "revoked"}
    eventually(
        lambda: {each.delivery.state for each in desk.log(channel.id)} == {"delivered"} or None,
        "the log of it",
    )
    assert desk.inbox() == ["key.revoked"]
    (payload,) = (json.loads(text) for text in PAYLOAD.findall(PAGE.read_text()))
    body = json.loads(desk.log(channel.id)[0].delivery.body)
    assert (set(body), set(body["data"])) == (set(payload), set(payload["data"]))
    assert gateway.metrics()[COUNTED] >= 2
    # Its own word for an ordinary end: what was under way has been finished.
    assert gateway.stop() == 0


def _is_listening(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0

"""The gateway as a process: it ends in order when asked to, and leaves nothing behind when it cannot be asked."""

import contextlib
import http.client
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.fixtures_gateway import CLI, PATIENCE_SECONDS, SERVE, Gateway, NewSite, Site, eventually

SLOW = "/pub/fault/slow-1500"
STOPS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "ctrl-c"])
COMMANDS = pytest.mark.parametrize(
    "command", [SERVE, (*CLI, "serve")], ids=["gateway", "keywright-serve"]
)


def _has_begun(site: Site, target: str) -> bool:
    return any(target in line for line in site.origin.request_lines)


def _is_refused(gateway: Gateway) -> bool:
    try:
        socket.create_connection(("127.0.0.1", gateway.port)).close()
    except ConnectionRefusedError:
        return True
    return False


@STOPS
@COMMANDS
def test_what_is_in_flight_is_finished(
    new_site: NewSite, command: tuple[str, ...], number: int
) -> None:
    """A request under way gets its answer and is recorded; whoever comes later is refused, not reset."""
    site: Site = new_site()
    gateway = site.start(command=command)
    key = site.operator.key("pub-only")

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(gateway.ask, "GET", SLOW, key.secret)
        eventually(lambda: _has_begun(site, SLOW), "the request to reach the upstream")
        gateway.process.send_signal(number)
        eventually(lambda: _is_refused(gateway), "the port to be closed")
        ready = gateway.admin("/readyz")
        answer = under_way.result()

    assert gateway.process.wait(PATIENCE_SECONDS) == 0
    assert (answer.status, answer.headers["Connection"]) == (200, "close")
    assert (ready.status, ready.document["reason"]) == (503, "draining")
    (told,) = site.operator.cli("usage", key.id)["requests"]
    assert (told["path"], told["status"]) == (SLOW, 200)


def test_kept_connections_are_let_go(new_site: NewSite) -> None:
    """A caller that keeps an idle connection open does not hold the end up, and sees it closed."""
    site: Site = new_site()
    gateway = site.start()
    secret = site.operator.key("pub-only").secret
    idle = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_SECONDS)
    idle.request("GET", "/pub/x", headers={"Authorization": f"Bearer {secret}"})
    assert idle.getresponse().read()
    began_at = time.monotonic()

    assert gateway.stop() == 0

    assert time.monotonic() - began_at < 10
    assert idle.sock.recv(1) == b""
    idle.close()


@pytest.mark.parametrize("cut", ["deadline", "second-signal"])
def test_the_wait_has_an_end(new_site: NewSite, cut: str) -> None:
    """What does not finish in time is cut, and so it is at a second signal: the process ends."""
    deadline = "300ms" if cut == "deadline" else "1h"
    site: Site = new_site(listen={"port": 0, "drain_deadline": deadline})
    gateway = site.start()
    secret = site.operator.key("pub-only").secret

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(gateway.ask, "GET", "/pub/fault/hang", secret)
        eventually(lambda: _has_begun(site, "/pub/fault/hang"), "the request to reach the upstream")
        gateway.process.send_signal(signal.SIGTERM)
        if cut == "second-signal":
            eventually(lambda: _is_refused(gateway), "the port to be closed")
            gateway.process.send_signal(signal.SIGTERM)
        code = gateway.process.wait(PATIENCE_SECONDS)
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert under_way.result().status >= 500

    assert code == 0


def test_killed_it_leaves_no_process(new_site: NewSite) -> None:
    """The private Valkey dies with a gateway that is killed, and the next start finds the folder free."""
    site: Site = new_site()
    gateway = site.start()
    children = psutil.Process(gateway.process.pid).children(recursive=True)
    assert any("valkey" in child.name() for child in children)

    gateway.kill()
    eventually(lambda: not any(map(_lives, children)), "the children to end")

    assert site.start().admin("/readyz").document["status"] == "ready"


def _lives(process: psutil.Process) -> bool:
    try:
        # Where nothing reaps orphans, one that has ended stays a zombie.
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_endpoints_of_the_operator_are_on_their_own_port(new_site: NewSite) -> None:
    """Nothing of the admin listener can be had through the proxy's port, however one asks."""
    site: Site = new_site()
    gateway = site.start()
    secret = site.operator.key("read-write").secret
    admin = f"127.0.0.1:{gateway.admin_port}"
    spoofs = {"Host": admin, "X-Forwarded-Host": admin, "X-Original-URL": "/metrics"}
    tried = [
        gateway.ask("GET", target, who, headers=headers)
        for target in ("/metrics", "/healthz", "/readyz", f"http://{admin}/metrics", "//metrics")
        for who in (None, secret)
        for headers in ({}, spoofs)
    ]

    assert {reply.status for reply in tried} <= {400, 401, 404}
    assert not any(b"keywright_" in reply.body for reply in tried)
    assert not site.origin.request_lines
    assert {gateway.admin(path).status for path in ("/metrics", "/healthz", "/readyz")} == {200}
    assert gateway.admin("/pub/x").status == 404

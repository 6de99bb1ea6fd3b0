"""All processes of a gateway together: what each one's death does, and that none is ever left behind."""

import contextlib
import http.client
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.end_to_end.family import lives
from tests.fixtures_gateway import (
    PATIENCE_SECONDS,
    WHOLE,
    Gateway,
    NewSite,
    Site,
    eventually,
)
from tests.fixtures_valkey import ValkeyServer

WORKER, CONTROL_PLANE, VALKEY = "kw-worker-0", "admin", "valkey-server"
REQUESTS = 'keywright_requests_total{code_class="2xx",method="GET",outcome="served",route="pub"}'


def _family(gateway: Gateway) -> list[psutil.Process]:
    return psutil.Process(gateway.process.pid).children(recursive=True)


def _find(gateway: Gateway, word: str) -> psutil.Process | None:
    """The child that has `word` in its command line, or is called that."""
    for child in _family(gateway):
        try:
            if word in {child.name(), *child.cmdline()}:
                return child
        except psutil.Error:  # it has just ended
            continue
    return None


def _child(gateway: Gateway, word: str) -> psutil.Process:
    found = _find(gateway, word)
    assert found is not None
    return found


def _replaced(gateway: Gateway, word: str, old: psutil.Process) -> bool:
    found = _find(gateway, word)
    return found is not None and found.pid != old.pid


def _events(gateway: Gateway, name: str) -> list[dict[str, Any]]:
    return [event for event in gateway.events if event["event"] == name]


def _says(gateway: Gateway, status: str) -> Callable[[], bool]:
    return lambda: bool(gateway.admin("/readyz").document["status"] == status)


def _left_sockets(data_dir: Path) -> list[Path]:
    return [*data_dir.glob("keywright-run-*"), *data_dir.glob("**/*.sock")]


def _leaves_nothing(site: Site, family: list[psutil.Process]) -> bool:
    eventually(lambda: not any(map(lives, family)), "all processes to end")
    return not _left_sockets(site.data_dir)


def test_three_processes_are_one_gateway(new_site: NewSite) -> None:
    """Traffic, metrics and readiness are as with one process, and the end leaves nothing behind."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    key = site.operator.key("pub-only")
    family = _family(gateway)

    assert gateway.ask("GET", "/pub/x", key.secret).status == 200
    ready = gateway.admin("/readyz").document
    metrics = gateway.metrics()

    ok = {"status": "ready", "redis": "ok", "sql": "ok"}
    assert ready == {**ok, "workers": {"worker-0": ok}, "control_plane": ok}
    assert metrics[REQUESTS] == 1
    for process in ("worker-0", "control-plane"):
        assert metrics[f'keywright_process_up{{process="{process}"}}'] == 1
        assert metrics[f'process_resident_memory_bytes{{process="{process}"}}'] > 0
    assert gateway.admin("/healthz").document == {"status": "alive"}
    assert len(family) == 4  # and the standby
    assert gateway.stop() == 0
    assert _leaves_nothing(site, family)


def test_a_revocation_waits_for_every_process_that_answers_for_keys(new_site: NewSite) -> None:
    """The control plane remembers keys too, so a receipt counts it with the worker."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    key = site.operator.key("pub-only")
    assert gateway.ask("GET", "/pub/x", key.secret).status == 200

    receipt = site.operator.revoke(key.id)

    assert (receipt["workers"], receipt["acknowledged"]) == (2, 2)
    assert gateway.ask("GET", "/pub/x", key.secret).code == "revoked_key"


def test_a_killed_worker_is_replaced_on_the_same_port(new_site: NewSite) -> None:
    """Callers wait for about a start, the port stays the same, and no counter falls."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    key = site.operator.key("pub-only")
    assert [gateway.ask("GET", "/pub/x", key.secret).status for _ in range(3)] == [200] * 3
    assert gateway.metrics()[REQUESTS] == 3
    worker = _child(gateway, WORKER)

    worker.kill()
    eventually(lambda: _replaced(gateway, WORKER, worker), "another worker")
    eventually(_says(gateway, "ready"), "the gateway to be ready again")

    assert gateway.ask("GET", "/pub/x", key.secret).status == 200
    assert gateway.metrics()[REQUESTS] == 4
    (ended,) = _events(gateway, "process_ended")
    assert (ended["process"], ended["ending"]) == ("worker-0", "killed by SIGKILL")
    assert [each["process"] for each in _events(gateway, "process_replaced")] == ["worker-0"]
    assert gateway.stop() == 0


def test_a_killed_control_plane_is_not_noticed_by_callers(new_site: NewSite) -> None:
    """While it is away and replaced, every request is served; afterwards it is where it was."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    secret = site.operator.key("pub-only").secret
    plane = _child(gateway, CONTROL_PLANE)

    plane.kill()
    statuses = []
    while not _replaced(gateway, CONTROL_PLANE, plane) or not _is_ready(gateway):
        statuses.append(gateway.ask("GET", "/pub/x", secret).status)

    assert statuses
    assert set(statuses) == {200}
    assert gateway.metrics()[REQUESTS] == len(statuses)


def _is_ready(gateway: Gateway) -> bool:
    try:
        return gateway.admin("/readyz").status == 200
    except OSError:
        return False


def test_a_killed_valkey_is_replaced(new_site: NewSite) -> None:
    """The supervisor's Valkey comes back, and requests are served all the while."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    secret = site.operator.key("pub-only").secret
    assert gateway.ask("GET", "/pub/x", secret).status == 200
    valkey = _child(gateway, VALKEY)

    valkey.kill()
    while not _replaced(gateway, VALKEY, valkey):
        assert gateway.ask("GET", "/pub/x", secret).status == 200
    eventually(_says(gateway, "ready"), "Redis to count as back")

    assert not _events(gateway, "process_ended")


def test_a_killed_supervisor_takes_all_with_it(new_site: NewSite) -> None:
    """kill -9 of the supervisor leaves no process, and the next start neither port nor sockets in its way."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    family = _family(gateway)
    assert len(family) == 4  # and the standby

    gateway.kill()
    eventually(lambda: not any(map(lives, family)), "the children to end")
    site.configure(
        {
            "listen": {"host": "127.0.0.1", "port": gateway.port},
            "admin": {"host": "127.0.0.1", "port": gateway.admin_port},
        }
    )
    again = site.start(whole=True)
    family = _family(again)

    assert again.stop() == 0
    assert _leaves_nothing(site, family)


def test_a_worker_that_hangs_is_told_as_missing(new_site: NewSite) -> None:
    """The operator's endpoints answer soon, and say what is wrong, whatever state a worker is in."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    worker = _child(gateway, WORKER)

    worker.suspend()
    try:
        began_at = time.monotonic()
        ready, metrics, alive = map(gateway.admin, ("/readyz", "/metrics", "/healthz"))
        took_seconds = time.monotonic() - began_at
    finally:
        worker.resume()

    assert (ready.status, ready.document["reason"]) == (503, "no worker answers")
    assert ready.document["workers"] == {"worker-0": {"status": "missing"}}
    assert (metrics.status, alive.status) == (200, 200)
    assert b'keywright_process_up{process="worker-0"} 0.0' in metrics.body
    assert took_seconds < 10
    eventually(_says(gateway, "ready"), "the worker to be heard again")


def test_without_redis_it_is_degraded(new_site: NewSite, own_valkey: ValkeyServer) -> None:
    """An outage is seen in readiness and metrics, is no reason to restart anything, and passes."""
    site: Site = new_site(redis={"url": own_valkey.url})
    gateway = site.start(whole=True)
    secret = site.operator.key("pub-only").secret
    assert gateway.ask("GET", "/pub/x", secret).status == 200

    own_valkey.kill()
    eventually(_says(gateway, "degraded"), "the outage to be noticed")

    document = gateway.admin("/readyz").document
    assert (document["redis"], document["sql"]) == ("away", "ok")
    assert gateway.metrics()['keywright_degraded{store="redis"}'] == 1
    assert gateway.ask("GET", "/pub/x", secret).status == 200
    own_valkey.start()
    eventually(_says(gateway, "ready"), "the outage to be over")
    assert not _events(gateway, "process_ended")


def test_what_cannot_start_just_now_is_tried_again(
    new_site: NewSite, own_valkey: ValkeyServer
) -> None:
    """A worker that dies in an outage is started until it can be, with growing pauses and a reason each time."""
    site: Site = new_site(redis={"url": own_valkey.url})
    gateway = site.start(whole=True)
    own_valkey.kill()
    _child(gateway, WORKER).kill()

    eventually(lambda: len(_events(gateway, "process_ended")) >= 3, "three attempts")
    own_valkey.start()
    eventually(lambda: _events(gateway, "process_replaced"), "the worker to be back")
    eventually(_says(gateway, "ready"), "the gateway to be ready again")

    first, *others = _events(gateway, "process_ended")
    assert first["text"] is None
    assert all("redis.url" in each["text"] for each in others)
    pauses = [each["next_start_in_seconds"] for each in (first, *others)]
    assert pauses == sorted(set(pauses))
    assert gateway.stop() == 0


@pytest.mark.parametrize("section", ["listen", "admin"])
def test_a_port_in_use_is_told_once(new_site: NewSite, section: str) -> None:
    """One process that cannot start ends all, with its own words, said once, and its exit code."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        site: Site = new_site(**{section: {"host": "127.0.0.1", "port": port}})
        assert site.operator.account
        gateway = site.launch(command=WHOLE)
        family = _family(gateway)

        assert gateway.process.wait(PATIENCE_SECONDS) == 1

    words = [line for line in gateway.log_text.splitlines() if not line.startswith("{")]
    assert len(words) == 1
    assert words[0].startswith(f"keywright: Cannot listen on 127.0.0.1:{port}")
    assert f"{section}.port" in words[0]
    assert not _events(gateway, "listening")
    assert _leaves_nothing(site, family)


def test_what_stands_in_the_way_of_both_is_told_once(new_site: NewSite) -> None:
    """Worker and control plane fail over the same database; the operator reads it once."""
    site: Site = new_site()
    gateway = site.launch(command=WHOLE)

    assert gateway.process.wait(PATIENCE_SECONDS) == 1

    assert gateway.log_text.count("keywright migrate") == 1


def test_a_mistake_in_the_configuration_starts_nothing(new_site: NewSite) -> None:
    """Wrong settings are exit code 2, before any process is there."""
    site: Site = new_site(listen={"prot": 1})
    gateway = site.launch(command=WHOLE)

    assert gateway.process.wait(PATIENCE_SECONDS) == 2
    assert gateway.log_text.count("prot") == 1


def test_a_data_folder_too_deep_for_sockets(new_site: NewSite, valkey_url: str) -> None:
    """With a Redis of one's own the data folder may be as deep as it likes."""
    site: Site = new_site(redis={"url": valkey_url})
    deep = site.folder / ("d" * 120)
    site.configure({"redis": {"url": valkey_url}, "data_dir": str(deep)})
    gateway = site.start(whole=True)
    key = site.operator.key("pub-only")

    assert gateway.ask("GET", "/pub/x", key.secret).status == 200
    assert gateway.stop() == 0


def test_a_drain_under_load(new_site: NewSite) -> None:
    """While many callers ask, SIGTERM costs none of them an answer that had begun, and all ends in order."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    secret = site.operator.key("pub-only").secret
    family = _family(gateway)
    target = "/pub/fault/slow-300"

    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(gateway.ask, "GET", target, secret) for _ in range(16)]
        eventually(lambda: len(site.origin.request_lines) >= 16, "all requests to be under way")
        gateway.process.terminate()
        statuses = [answer.result().status for answer in answers]

    assert statuses == [200] * 16
    assert gateway.process.wait(PATIENCE_SECONDS) == 0
    assert _leaves_nothing(site, family)


def test_a_second_signal_ends_the_wait(new_site: NewSite) -> None:
    """Whoever is in a hurry sends it twice: what hangs is cut, and all ends in order."""
    site: Site = new_site(listen={"port": 0, "drain_deadline": "1h"})
    gateway = site.start(whole=True)
    secret = site.operator.key("pub-only").secret
    family = _family(gateway)

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(gateway.ask, "GET", "/pub/fault/hang", secret)
        eventually(lambda: site.origin.request_lines, "the request to reach the upstream")
        gateway.process.terminate()
        eventually(lambda: _events(gateway, "draining"), "the drain to begin")
        gateway.process.terminate()
        code = gateway.process.wait(PATIENCE_SECONDS)
        with contextlib.suppress(http.client.HTTPException, OSError):
            assert under_way.result().status >= 500

    assert code == 0
    assert _leaves_nothing(site, family)


def test_a_signal_during_the_start(new_site: NewSite) -> None:
    """Ctrl-C need not wait until everything runs."""
    site: Site = new_site()
    assert site.operator.account
    gateway = site.launch(command=WHOLE)
    eventually(lambda: _find(gateway, WORKER), "the worker's process")
    family = _family(gateway)

    assert gateway.stop() == 0

    assert not _events(gateway, "listening")
    assert _leaves_nothing(site, family)


def test_a_killed_supervisor_lets_requests_finish(new_site: NewSite) -> None:
    """What was under way when the supervisor was killed is answered, and then the worker ends."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    secret = site.operator.key("pub-only").secret
    family = _family(gateway)

    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(gateway.ask, "GET", "/pub/fault/slow-1500", secret)
        eventually(lambda: site.origin.request_lines, "the request to reach the upstream")
        gateway.kill()
        assert under_way.result().status == 200

    eventually(lambda: not any(map(lives, family)), "the children to end")


def test_the_processes_start_side_by_side(new_site: NewSite) -> None:
    """A start takes as long as that of the slowest process, not as that of all of them together."""
    site: Site = new_site()
    gateway = site.start(whole=True)

    born = [_child(gateway, word).create_time() for word in (WORKER, CONTROL_PLANE)]
    (worker,) = _events(gateway, "worker_listening")
    (control_plane,) = _events(gateway, "control_plane_listening")
    listened = [
        datetime.fromisoformat(event["timestamp"]).timestamp() for event in (worker, control_plane)
    ]

    assert max(born) < min(listened)

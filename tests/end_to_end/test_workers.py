"""Several workers on one port, and how they are replaced while callers go on."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import psutil
import pytest
import yaml

from tests.end_to_end.family import lives, standby, workers
from tests.end_to_end.load import Caller, Use, Users, using
from tests.fixtures_gateway import (
    CLI,
    PATIENCE_SECONDS,
    WHOLE,
    Gateway,
    NewSite,
    Site,
    clean_environment,
    eventually,
)

TWO = (*WHOLE, "--workers", "2")
SERVED = 'keywright_requests_total{code_class="2xx",method="GET",outcome="served",route="pub"}'


def _pids(gateway: Gateway) -> set[int]:
    return {child.pid for child in psutil.Process(gateway.process.pid).children()}


def _started_workers(gateway: Gateway) -> int:
    """How many there are, those that still start among them."""
    count = 0
    for child in psutil.Process(gateway.process.pid).children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            count += "--supervised" in child.cmdline()
    return count


def _events(gateway: Gateway, name: str) -> list[dict[str, Any]]:
    return [event for event in gateway.events if event["event"] == name]


async def _until(gateway: Gateway, name: str, count: int = 1) -> None:
    await asyncio.to_thread(
        eventually, lambda: len(_events(gateway, name)) >= count, f"{count} times {name}"
    )


def _failed(uses: list[Use]) -> list[Use]:
    return [use for use in uses if use.status != 200]


class _Callers:
    """New connections beside those that `Users` keeps."""

    def __init__(self, users: Users) -> None:
        self.users = users
        self.fresh: list[Use] = []

    @property
    def all(self) -> list[Use]:
        return [*(use for _, _, use in self.users.uses), *self.fresh]

    async def come_and_go(self, port: int, secret: str) -> None:
        while not self.users.is_over:
            async with Caller(port) as caller:
                self.fresh.append(await caller.use(secret))
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def _load(gateway: Gateway, secret: str) -> AsyncIterator[_Callers]:
    """Eight kept connections, and four at a time that are used once."""
    async with asyncio.TaskGroup() as group, using([gateway.port], [secret], callers=8) as users:
        callers = _Callers(users)
        for _ in range(4):
            group.create_task(callers.come_and_go(gateway.port, secret))
        await users.goes_on(20)
        yield callers
        await users.goes_on(20)


def _all_but_the_supervisor_are_new(gateway: Gateway, old: set[int], valkey: int) -> bool:
    return _pids(gateway) & old == {valkey} and len(_pids(gateway)) == len(old)


def _valkey(gateway: Gateway) -> int:
    children = psutil.Process(gateway.process.pid).children()
    (found,) = (child.pid for child in children if child.name() == "valkey-server")
    return int(found)


@pytest.fixture
def two(new_site: NewSite) -> tuple[Site, Gateway, str]:
    """A gateway of two workers, and a key."""
    site: Site = new_site()
    gateway = site.start(command=TWO)
    return site, gateway, site.operator.key("pub-only").secret


def test_workers_share_one_port(two: tuple[Site, Gateway, str]) -> None:
    """With port 0 all have the one that the log names, and they are told as one."""
    _, gateway, secret = two

    statuses = [gateway.ask("GET", "/pub/x", secret).status for _ in range(40)]

    assert statuses == [200] * 40
    assert {event["proxy"] for event in _events(gateway, "worker_listening")} == {
        f"127.0.0.1:{gateway.port}"
    }
    ready = gateway.admin("/readyz").document
    assert set(ready["workers"]) == {"worker-0", "worker-1"}
    metrics = gateway.metrics()
    assert metrics[SERVED] == 40
    for process in ("worker-0", "worker-1", "control-plane"):
        assert metrics[f'keywright_process_up{{process="{process}"}}'] == 1
        assert metrics[f'process_resident_memory_bytes{{process="{process}"}}'] > 0
    assert gateway.stop() == 0


def test_each_worker_gets_connections(two: tuple[Site, Gateway, str]) -> None:
    """The kernel deals connections out to both."""
    _, gateway, secret = two

    async def connected() -> list[int]:
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(40):
                caller = await stack.enter_async_context(Caller(gateway.port))
                assert (await caller.use(secret)).status == 200
            return [
                sum(
                    each.status == "ESTABLISHED" and each.laddr.port == gateway.port
                    for each in found
                )
                for found in (
                    process.net_connections("tcp") for process in workers(gateway).values()
                )
            ]

    counts = asyncio.run(connected())

    assert sum(counts) == 40
    assert min(counts) > 0


def test_a_receipt_counts_every_worker(two: tuple[Site, Gateway, str]) -> None:
    """A revocation is enforced by both workers and the control plane before it is told as done."""
    site, gateway, _ = two
    key = site.operator.key("pub-only")
    assert {gateway.ask("GET", "/pub/x", key.secret).status for _ in range(10)} == {200}

    receipt = site.operator.revoke(key.id)

    assert (receipt["workers"], receipt["acknowledged"]) == (3, 3)
    assert {gateway.ask("GET", "/pub/x", key.secret).code for _ in range(10)} == {"revoked_key"}


def _standby(gateway: Gateway) -> psutil.Process:
    return eventually(lambda: standby(gateway), "a standby that has imported all it needs")


def _seconds_away(gateway: Gateway) -> float:
    """From the death of a process until another listened in its place, by the log."""
    (ended,), (replaced,) = _events(gateway, "process_ended"), _events(gateway, "process_replaced")
    until = datetime.fromisoformat(replaced["timestamp"])
    return (until - datetime.fromisoformat(ended["timestamp"])).total_seconds()


async def test_a_killed_worker_under_load(two: tuple[Site, Gateway, str]) -> None:
    """kill -9 costs the requests that were under way there, and no other; within a second another listens."""
    _, gateway, secret = two
    victim = (await asyncio.to_thread(workers, gateway))["worker-0"]
    waiting = await asyncio.to_thread(_standby, gateway)

    async with _load(gateway, secret) as callers:
        killed_at = time.monotonic()
        victim.kill()
        await _until(gateway, "process_replaced")
        await callers.users.goes_on(100)

    failed = _failed(callers.all)
    assert len(failed) <= 8 + 4  # as many as can be under way at once
    assert all(use.sent <= killed_at + 0.1 and use.ended >= killed_at for use in failed)
    (ended,) = _events(gateway, "process_ended")
    assert (ended["process"], ended["ending"]) == ("worker-0", "killed by SIGKILL")
    assert ended["next_start_in_seconds"] == 0
    (replaced,) = _events(gateway, "process_replaced")
    assert (replaced["process"], replaced["pid"]) == ("worker-0", waiting.pid)
    assert _seconds_away(gateway) < 1
    assert _standby(gateway).pid != waiting.pid


def test_a_standby_that_dies_is_not_missed(two: tuple[Site, Gateway, str]) -> None:
    """When the standby was killed before a worker, the worker is replaced all the same, and another stands by."""
    _, gateway, secret = two
    waiting = _standby(gateway)
    waiting.kill()
    eventually(lambda: not lives(waiting), "the standby to end")

    workers(gateway)["worker-1"].kill()
    eventually(lambda: _events(gateway, "process_replaced"), "the worker to be replaced")

    assert {gateway.ask("GET", "/pub/x", secret).status for _ in range(10)} == {200}
    assert _standby(gateway).pid != waiting.pid


async def test_a_restart_drops_nothing(two: tuple[Site, Gateway, str]) -> None:
    """`keywright restart` replaces every process under load, and every request is answered 200."""
    site, gateway, secret = two
    valkey = await asyncio.to_thread(_valkey, gateway)
    old = _pids(gateway)

    async with _load(gateway, secret) as callers:
        said = await asyncio.to_thread(site.operator.cli, "restart")

    assert said == {"restarted": [{"pid": gateway.process.pid, "failure": None}]}
    assert len(callers.all) > 100
    assert _failed(callers.all) == []
    eventually(
        lambda: _all_but_the_supervisor_are_new(gateway, old, valkey), "all processes to be new"
    )
    assert gateway.admin("/readyz").document["status"] == "ready"
    assert not _events(gateway, "process_ended")
    # What old processes counted while they drained is in the sum, too.
    assert gateway.metrics()[SERVED] == len(callers.all)
    assert gateway.stop() == 0


async def test_a_reload_puts_a_changed_file_into_force(two: tuple[Site, Gateway, str]) -> None:
    """SIGHUP under load: every request is answered, and a route that is new in the file is served."""
    site, gateway, secret = two
    document = yaml.safe_load(site.config.read_text())
    key = site.operator.key("read-only").secret
    old = _pids(gateway)
    assert gateway.ask("GET", "/new/x", key).status == 404

    async with _load(gateway, secret) as callers:
        document["routes"].append(
            {"name": "new", "match": {"path": "/new/**"}, "upstream": "origin"}
        )
        site.config.write_text(yaml.safe_dump(document))
        gateway.process.send_signal(signal.SIGHUP)
        await _until(gateway, "reloaded")

    assert _failed(callers.all) == []
    assert gateway.ask("GET", "/new/x", key).status == 200
    # Killed, they come back with the same: one by the standby, one from nothing.
    assert _standby(gateway).pid not in old
    for worker in workers(gateway).values():
        worker.kill()
    eventually(lambda: len(_events(gateway, "process_replaced")) == 2, "both to be replaced")
    assert gateway.ask("GET", "/new/x", key).status == 200


def _reload(gateway: Gateway, then: str) -> None:
    gateway.process.send_signal(signal.SIGHUP)
    eventually(lambda: _events(gateway, then), then)


def test_a_bad_configuration_is_refused(new_site: NewSite) -> None:
    """All its mistakes are logged with file, line and field; what ran goes on, and so does what replaces it."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    secret = site.operator.key("pub-only").secret
    old = _pids(gateway)
    good = site.config.read_text()
    lines = [*good.splitlines(), "logs: {level: loud}", "lisden: {}"]
    site.config.write_text("\n".join(lines))

    _reload(gateway, "reload_refused")

    mistakes = _events(gateway, "configuration_mistake")
    told = {(each["file"], each["line"], each["field"]) for each in mistakes}
    assert told == {
        (str(site.config), len(lines) - 1, "logs.level"),
        (str(site.config), len(lines), "lisden"),
    }
    assert all(each["text"] for each in mistakes)
    assert _events(gateway, "reload_refused")[0]["mistakes"] == 2
    assert _pids(gateway) == old
    # What dies while the file is bad is replaced from the accepted one.
    workers(gateway)["worker-0"].kill()
    eventually(lambda: _events(gateway, "process_replaced"), "the worker to be replaced")
    assert gateway.ask("GET", "/pub/x", secret).status == 200


def test_what_cannot_change_by_a_reload_is_told(new_site: NewSite) -> None:
    """Ports, the data folder and the stores need a stop and a start; the log names each that was changed."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    old = _pids(gateway)
    site.configure({"listen": {"port": 1}, "data_dir": str(site.folder / "other")})

    _reload(gateway, "reload_refused")

    fields = [each["field"] for each in _events(gateway, "configuration_mistake")]
    assert fields == ["listen.port", "data_dir"]
    assert all("reload" in each["text"] for each in _events(gateway, "configuration_mistake"))
    assert _pids(gateway) == old


def test_a_configuration_that_does_not_start_is_taken_back(new_site: NewSite) -> None:
    """When a new process does not come up with the new file, what ran stays, and its reason is logged."""
    site: Site = new_site()
    gateway = site.start(command=TWO)
    secret = site.operator.key("pub-only").secret
    document = yaml.safe_load(site.config.read_text())
    # Only a process that starts reads the pepper, and it does not want one that others may read.
    (site.data_dir / "pepper.json").chmod(0o644)
    site.config.write_text(yaml.safe_dump({**document, "logs": {"level": "debug"}}))

    _reload(gateway, "reload_failed")

    assert "pepper" in _events(gateway, "replacement_failed")[0]["text"]
    assert gateway.ask("GET", "/pub/x", secret).status == 200
    assert set(workers(gateway)) == {"worker-0", "worker-1"}


def test_restart_without_a_gateway(new_site: NewSite) -> None:
    """It is told clearly when none runs, also when one was killed there."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    gateway.kill()

    done = site.operator.run("restart")

    assert done.returncode == 2
    assert f"No gateway runs on the data folder {site.data_dir}" in done.stderr
    assert not list(site.data_dir.glob("serve-*"))


@pytest.mark.parametrize("number", ["0", "-1", "many", "1.5", "257", ""])
def test_a_number_of_workers_that_is_none(new_site: NewSite, number: str) -> None:
    """It is refused before anything starts."""
    site: Site = new_site()

    done = site.operator.run("serve", f"--workers={number}")

    assert done.returncode == 2
    assert "--workers" in done.stderr


def test_auto_is_one_for_each_processor(new_site: NewSite) -> None:
    """`keywright serve --workers auto` has as many workers as it may use processors."""
    site: Site = new_site()
    gateway = site.start(command=(*CLI, "serve", "--workers", "auto"))

    cores = len(psutil.Process(gateway.process.pid).cpu_affinity())
    assert len(workers(gateway)) == cores
    assert gateway.stop() == 0


def test_workers_that_drain_finish_their_requests(two: tuple[Site, Gateway, str]) -> None:
    """A request that takes longer than the replacement is answered by the worker that has it."""
    site, gateway, secret = two
    with subprocess.Popen(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {secret}",
         f"{gateway.url}/pub/fault/slow-1500"],
        stdout=subprocess.PIPE, text=True, env=clean_environment(),
    ) as slow:  # fmt: skip
        eventually(lambda: site.origin.request_lines, "the request to reach the upstream")
        gateway.process.send_signal(signal.SIGUSR2)
        said, _ = slow.communicate(timeout=PATIENCE_SECONDS)

    assert said == "200"
    eventually(lambda: _events(gateway, "restarted"), "the restart to end")


def test_a_stop_during_a_restart(two: tuple[Site, Gateway, str]) -> None:
    """SIGTERM while processes are being replaced ends old and new ones, in order."""
    _, gateway, _ = two
    family = psutil.Process(gateway.process.pid).children(recursive=True)
    gateway.process.send_signal(signal.SIGUSR2)
    eventually(lambda: _started_workers(gateway) > 2, "a new worker beside the old ones")
    family += psutil.Process(gateway.process.pid).children(recursive=True)

    assert gateway.stop() == 0

    assert not [each for each in family if each.is_running() and each.status() != "zombie"]

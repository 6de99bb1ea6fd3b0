"""A gateway under steady load for a long time, while it is reloaded and restarted: does it drop or grow?

    make soak          (or: python -m bench.soak --seconds 600 --workers 2 --json)

First finds out how many requests a second the gateway serves, then offers a share of that on a schedule:
most on kept connections, some on new ones. Every `--every` seconds it is reloaded (SIGHUP) or restarted
(SIGUSR2), in turn, until three fifths of the time are over; the rest is left alone, because a process that is
new every minute has no time to grow. A request that has no answer, or another than 200, has failed. Memory is
that of each process, without pages of files, read while none is being replaced; its slope is that of a
straight line through the last third.
"""

__all__ = ["Gateway", "Load", "Tally", "calibrated", "stage"]

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from bench.growth import Memory
from bench.stage import HOST, free_port, make_tokens, run_origin, store_keys, wait_for

CONFIG = """\
listen: {{host: {host}, port: {proxy}, drain_deadline: 10s}}
admin: {{host: {host}, port: {admin}}}
data_dir: {data_dir}
upstreams: {{origin: {{targets: ["http://{host}:{origin}"]}}}}
routes: [{{name: all, match: {{path: "/**"}}, upstream: origin}}]
plans: {{bench: {{limits: [{{name: default, quota: 1000000000, window: 1s}}]}}}}
accounts: {{default_plan: bench}}
logs: {{level: info}}
"""
_KEPT = 32
_FRESH_SHARE = 0.02
_CALIBRATION_SECONDS = 5.0
_ANSWER_SECONDS = 30.0
_DISTURBED = 0.6
_HEAD = "GET /soak HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"


@dataclass(slots=True)
class Tally:
    """What has come of the requests."""

    sent: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    slowest_ms: float = 0.0

    def failed(self, how: str) -> None:
        """One more has failed like this."""
        self.failures[how] = self.failures.get(how, 0) + 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run."""

    seconds: float
    workers: int
    capacity_per_second: int
    offered_per_second: int
    share: float
    requests: int
    per_second: int
    failed: int
    failures: dict[str, int]
    slowest_ms: float
    reloads: int
    restarts: int
    memory_mib: dict[str, tuple[float, float]]
    memory_slope_mib_per_hour: dict[str, float]


class Client:
    """One connection, kept for as long as the gateway keeps it."""

    def __init__(self, port: int, token: str, tally: Tally) -> None:
        self._port = port
        self._head = _HEAD.format(host=HOST, port=port, token=token).encode()
        self._tally = tally
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> None:
        """One request; it is counted, however it ends. A client behaves as HTTP says: nothing is sent twice."""
        began = time.monotonic()
        self._tally.sent += 1
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                status, is_kept = await self._exchange()
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            self._tally.failed(type(error).__name__)
            self.close()
            return
        if status != b"200":
            self._tally.failed(status.decode())
        if not is_kept:
            self.close()
        self._tally.slowest_ms = max(self._tally.slowest_ms, (time.monotonic() - began) * 1000)

    async def _exchange(self) -> tuple[bytes, bool]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port)
        reader, writer = self._streams
        writer.write(self._head)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
        return head[9:12], b"\r\nconnection: close\r\n" not in head

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


class Load:
    """Requests at a steady rate; what is late is sent as soon as a connection is free."""

    def __init__(self, port: int, token: str, tally: Tally) -> None:
        self._port, self._token, self._tally = port, token, tally
        self._due = 0.0
        self._turn = 0

    async def run(self, rate: float, until: float) -> None:
        """So many a second until then (monotonic seconds)."""
        self._due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for _ in range(_KEPT):
                group.create_task(self._go_on(1 / rate, until))

    async def _go_on(self, interval: float, until: float) -> None:
        client = Client(self._port, self._token, self._tally)
        while (due := self._due) < until and time.monotonic() < until:
            self._due = due + interval
            self._turn += 1
            if (wait := due - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            if self._turn % round(1 / _FRESH_SHARE) == 0:
                fresh = Client(self._port, self._token, self._tally)
                await fresh.ask()
                fresh.close()
            else:
                await client.ask()
        client.close()


class Gateway:
    """The supervisor's process, and what its log says."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.pid = process.pid
        self._process = process
        self._log = log
        self.done = {"reloaded": 0, "restarted": 0}

    async def order(self, number: signal.Signals, done: str) -> None:
        """Send the signal, and return when the log says that it is `done`."""
        before = self._count(done)
        self._process.send_signal(number)
        while self._count(done) == before:
            if self._process.poll() is not None or self._count("_failed") or self._count("refused"):
                raise SystemExit(f"it was not {done}:\n{self._log.read_text()[-4000:]}")
            await asyncio.sleep(0.1)
        self.done[done] += 1

    def _count(self, word: str) -> int:
        ending = f'{word}"'
        return sum(ending in line for line in self._log.read_text().splitlines())

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines about this."""
        lines = (line for line in self._log.read_text().splitlines() if line.startswith("{"))
        return [event for event in map(json.loads, lines) if event["event"] == name]


@contextmanager
def _run_whole(config: Path, port: int, workers: int, log: Path) -> Iterator[Gateway]:
    command = [sys.executable, "-P", "-m", "gateway.serve", "-c", str(config)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--control-plane", "admin", "--workers", str(workers)],
            stdout=output,
            stderr=output,
        )
    try:
        wait_for(port, process, log)
        yield Gateway(process, log)
    finally:
        process.terminate()
        process.wait()


async def _disturb(gateway: Gateway, memory: Memory, every: float, until: float) -> None:
    orders = ((signal.SIGHUP, "reloaded"), (signal.SIGUSR2, "restarted"))
    turn = 0
    while time.monotonic() + every < until:
        await asyncio.sleep(every)
        memory.is_quiet = False
        await gateway.order(*orders[turn % 2])
        memory.is_quiet = True
        turn += 1


async def calibrated(port: int, token: str) -> float:
    """How many requests a second it serves at most."""
    calibration = Tally()
    began = time.monotonic()
    await Load(port, token, calibration).run(1e6, began + _CALIBRATION_SECONDS)
    return calibration.sent / (time.monotonic() - began)


async def _measure(gateway: Gateway, port: int, token: str, options: argparse.Namespace) -> Outcome:
    capacity = await calibrated(port, token)
    rate = capacity * options.share
    tally, memory = Tally(), Memory()
    began = time.monotonic()
    until = began + options.seconds
    async with asyncio.TaskGroup() as group:
        group.create_task(Load(port, token, tally).run(rate, until))
        group.create_task(memory.watch(gateway.pid, until))
        group.create_task(
            _disturb(gateway, memory, options.every, began + _DISTURBED * options.seconds)
        )
    took = time.monotonic() - began
    return Outcome(
        seconds=round(took, 1),
        workers=options.workers,
        capacity_per_second=round(capacity),
        offered_per_second=round(rate),
        share=options.share,
        requests=tally.sent,
        per_second=round(tally.sent / took),
        failed=sum(tally.failures.values()),
        failures=tally.failures,
        slowest_ms=round(tally.slowest_ms, 1),
        reloads=gateway.done["reloaded"],
        restarts=gateway.done["restarted"],
        memory_mib=memory.seen(),
        memory_slope_mib_per_hour=memory.slopes_per_hour(),
    )


def main() -> int:
    """Run it. Returns 0 if no request has failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (default: 600)")
    parser.add_argument("--workers", type=int, default=2, help="how many (2)")
    parser.add_argument("--share", type=float, default=0.8, help="of what it can serve (0.8)")
    parser.add_argument("--every", type=float, default=20.0, help="seconds between orders (20)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kw-soak-") as name:
        outcome = _run(Path(name), options)
    if options.json:
        sys.stdout.write(json.dumps(asdict(outcome), indent=2) + "\n")
    else:
        Console().print(_table(outcome))
    return 0 if outcome.failed == 0 else 1


@contextmanager
def stage(folder: Path, workers: int) -> Iterator[tuple[Gateway, int, str]]:
    """A whole gateway before an upstream, its port, and a token that it lets through."""
    (token,) = make_tokens(1)
    store_keys(folder, [token])
    proxy, admin = free_port(), free_port()
    config = folder / "keywright.yaml"
    with run_origin() as origin:
        data_dir = json.dumps(str(folder))
        config.write_text(
            CONFIG.format(host=HOST, proxy=proxy, admin=admin, origin=origin, data_dir=data_dir)
        )
        with _run_whole(config, proxy, workers, folder / "gateway.log") as gateway:
            yield gateway, proxy, token


def _run(folder: Path, options: argparse.Namespace) -> Outcome:
    with stage(folder, options.workers) as (gateway, port, token):
        return uvloop.run(_measure(gateway, port, token, options))


def _table(outcome: Outcome) -> Table:
    table = Table(title=f"{outcome.seconds:g} s under load, {outcome.workers} workers")
    table.add_column("")
    table.add_column("", justify="right")
    for words in _rows(outcome):
        table.add_row(*words)
    table.caption = f"gateway, load and upstream share {len(os.sched_getaffinity(0))} processors"
    return table


def _rows(outcome: Outcome) -> Sequence[tuple[str, str]]:
    told = ", ".join(f"{count} {how}" for how, count in outcome.failures.items())
    memory = [
        (f"{name}: memory, slope", f"{first} -> {last} MiB, {slope:+} MiB an hour")
        for name, (first, last) in outcome.memory_mib.items()
        for slope in (outcome.memory_slope_mib_per_hour.get(name, 0.0),)
    ]
    whole = sum(last for _, last in outcome.memory_mib.values())
    slope = sum(outcome.memory_slope_mib_per_hour.values())
    return (
        ("served at most, a second", f"{outcome.capacity_per_second}"),
        (f"offered ({outcome.share:.0%})", f"{outcome.offered_per_second}"),
        ("requests", f"{outcome.requests} ({outcome.per_second} a second)"),
        ("failed", f"{outcome.failed}" + (f" ({told})" if told else "")),
        ("slowest", f"{outcome.slowest_ms} ms"),
        ("reloads / restarts", f"{outcome.reloads} / {outcome.restarts}"),
        *memory,
        ("all processes: memory, slope", f"{whole:.1f} MiB, {slope:+.1f} MiB an hour"),
    )


if __name__ == "__main__":
    sys.exit(main())

"""How long a worker is away that was killed under load: with the standby, and without it.

    make bench-kill          (or: python -m bench.kill --rounds 5 --json)

Each round starts a gateway of two workers and offers it a share of what it serves. One worker gets SIGKILL, and
its place is taken by the standby; then standby and the other worker get it, and that one is started from
nothing. Away is the time from the signal until the log says that the new worker listens.
"""

__all__: list[str] = []

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench.growth import own_kib, processes
from bench.soak import Gateway, Load, Tally, calibrated, stage

_WORKERS = 2
_PATIENCE_SECONDS = 60.0
_BEFORE_SECONDS = 1.0
_LONGEST_SECONDS = 600.0


@dataclass(slots=True)
class Seen:
    """What all rounds have shown so far."""

    with_standby_ms: list[float] = field(default_factory=list)
    from_nothing_ms: list[float] = field(default_factory=list)
    standby_mib: list[float] = field(default_factory=list)
    requests: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Medians, and the worst; a killed worker takes along what was under way there."""

    kills: int
    requests: int
    failed: int
    with_standby_ms: float
    with_standby_worst_ms: float
    from_nothing_ms: float
    from_nothing_worst_ms: float
    standby_mib: float


def _listed(gateway: Gateway, name: str) -> int | None:
    """The process that `ps` shows under this name; of two the younger."""
    found = None
    for pid in processes(gateway.pid):
        try:
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                found = pid
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def _until(look: Callable[[], int | None], what: str) -> int:
    give_up_at = time.monotonic() + _PATIENCE_SECONDS
    while not (found := look()):
        if time.monotonic() > give_up_at:
            raise SystemExit(f"waited in vain for {what}")
        await asyncio.sleep(0.02)
    return found


async def _away_ms(gateway: Gateway, name: str) -> float:
    """Kill the worker of this name; how long until another listens in its place."""
    before = len(gateway.events("process_replaced"))
    pid = await _until(lambda: _listed(gateway, name), name)
    killed_at = time.time()
    os.kill(pid, signal.SIGKILL)
    await _until(lambda: len(gateway.events("process_replaced")) - before, f"another {name}")
    told = gateway.events("process_replaced")[-1]["timestamp"]
    return (datetime.fromisoformat(told).timestamp() - killed_at) * 1000


async def _round(gateway: Gateway, port: int, token: str, share: float, seen: Seen) -> None:
    rate = await calibrated(port, token) * share
    tally = Tally()
    load = asyncio.ensure_future(
        Load(port, token, tally).run(rate, time.monotonic() + _LONGEST_SECONDS)
    )
    try:
        await asyncio.sleep(_BEFORE_SECONDS)
        waiting = await _until(lambda: _listed(gateway, "kw-standby"), "a standby")
        seen.standby_mib.append(own_kib(waiting) / 1024)
        seen.with_standby_ms.append(await _away_ms(gateway, "kw-worker-0"))
        waiting = await _until(lambda: _listed(gateway, "kw-standby"), "another standby")
        os.kill(waiting, signal.SIGKILL)
        seen.from_nothing_ms.append(await _away_ms(gateway, "kw-worker-1"))
        await asyncio.sleep(_BEFORE_SECONDS)
    finally:
        load.cancel()
        await asyncio.wait([load])
    seen.requests += tally.sent
    seen.failed += sum(tally.failures.values())


def main() -> int:
    """Run the benchmark. Returns 0 if the standby was never slower than a second."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="each with two kills (default: 5)")
    parser.add_argument("--share", type=float, default=0.8, help="of what it can serve (0.8)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    seen = Seen()
    for _ in range(options.rounds):
        with (
            tempfile.TemporaryDirectory(prefix="kw-kill-") as name,
            stage(Path(name), _WORKERS) as (gateway, port, token),
        ):
            uvloop.run(_round(gateway, port, token, options.share, seen))
    outcome = _outcome(seen)
    if options.json:
        sys.stdout.write(json.dumps(asdict(outcome), indent=2) + "\n")
    else:
        Console().print(_table(outcome))
    return 0 if outcome.with_standby_worst_ms < 1000 else 1


def _outcome(seen: Seen) -> Outcome:
    return Outcome(
        kills=len(seen.with_standby_ms) + len(seen.from_nothing_ms),
        requests=seen.requests,
        failed=seen.failed,
        with_standby_ms=round(statistics.median(seen.with_standby_ms)),
        with_standby_worst_ms=round(max(seen.with_standby_ms)),
        from_nothing_ms=round(statistics.median(seen.from_nothing_ms)),
        from_nothing_worst_ms=round(max(seen.from_nothing_ms)),
        standby_mib=round(statistics.median(seen.standby_mib), 1),
    )


def _table(outcome: Outcome) -> Table:
    table = Table(title=f"{outcome.kills} workers killed under load, {_WORKERS} at work")
    table.add_column("")
    table.add_column("", justify="right")
    rows = (
        ("away, with the standby: median, worst",
         f"{outcome.with_standby_ms:g}, {outcome.with_standby_worst_ms:g} ms"),
        ("away, from nothing: median, worst",
         f"{outcome.from_nothing_ms:g}, {outcome.from_nothing_worst_ms:g} ms"),
        ("requests, failed", f"{outcome.requests}, {outcome.failed}"),
        ("memory of the standby", f"{outcome.standby_mib} MiB"),
    )  # fmt: skip
    for words in rows:
        table.add_row(*words)
    table.caption = f"gateway, load and upstream share {len(os.sched_getaffinity(0))} processors"
    return table


if __name__ == "__main__":
    sys.exit(main())

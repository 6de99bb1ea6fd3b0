"""What a scrape of /metrics costs with 100,000 active keys and four workers.

    make bench-scrape        (or: python -m bench.scrape --workers 8 --json)

Each worker counts requests of all keys, or of keys that no other worker has met, in a plain loop; the busiest
have met several outcomes. Then the workers' expositions are written, and made one as the control plane does it:
the best of several times, in processor time of one core, without the sockets between.
"""

__all__: list[str] = []

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich.console import Console
from rich.table import Table

from admin.plane.merging import Expositions
from gateway.clock import SystemClock
from gateway.core.record import UsageRecord
from gateway.metrics import Metrics

_BUSY: Final = 400
_TIMES: Final = 7
_BORN: Final = "\nprocess_start_time_seconds "
_OUTCOMES: Final = (
    *("served", "rate_limited", "insufficient_scope", "client_gone"),
    *("quota_exceeded", "no_route", "upstream_timeout", "ip_not_allowed"),
)


@dataclass(frozen=True, slots=True)
class Scrape:
    """One arrangement: sizes in bytes, times in milliseconds."""

    keys: str
    outcomes: int
    worker_bytes: int
    worker_ms: float
    whole_bytes: int
    whole_ms: float


def _worker(names: range, prefix: str, outcomes: int) -> Metrics:
    metrics = Metrics(SystemClock())
    for number in names:
        name = f"{prefix}{number:012}"
        met = _OUTCOMES[:outcomes] if number - names.start < _BUSY else _OUTCOMES[:1]
        for outcome in met:
            record = UsageRecord(
                *(1.0, f"key_{name}", f"acc_{name}", "0" * 12, "dns", "GET", "/v1/dns", 200),
                *(outcome, 10, 100, 0.1, "192.0.2.1", "r"),
            )
            metrics.request_finished(record, f"a usual name {number}", 0.001, 0.1, "10.0.0.1:80")
    return metrics


def _best(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(_TIMES):
        began = time.process_time()
        _ = work()
        taken.append(time.process_time() - began)
    return min(taken) * 1000


def _measured(keys: int, workers: int, outcomes: int, *, is_shared: bool) -> Scrape:
    each = keys if is_shared else keys // workers
    processes = {
        f"worker-{number}": _worker(range(each), "x" if is_shared else f"w{number}", outcomes)
        for number in range(workers)
    }
    texts = {name: one.render().decode() for name, one in processes.items()}
    lives = itertools.count(1)
    expositions = Expositions()

    def all_grown() -> bytes:
        # In another life of all workers every series has grown, which is the most that can be.
        born = f"{_BORN}{next(lives)}"
        return expositions.merged({name: text.replace(_BORN, born) for name, text in texts.items()})

    whole = all_grown()
    first = next(iter(processes.values()))
    return Scrape(
        "the same" if is_shared else "none in common",
        outcomes,
        len(texts["worker-0"]),
        _best(first.render),
        len(whole),
        _best(all_grown),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 if a scrape is not as small or as quick as promised."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    found = [
        _measured(asked.keys, asked.workers, outcomes, is_shared=is_shared)
        for is_shared in (True, False)
        for outcomes in (3, 8)
    ]
    if asked.json:
        _ = sys.stdout.write(json.dumps([asdict(one) for one in found]) + "\n")
    else:
        table = Table("keys", "outcomes", "a worker", "", "the whole", "")
        for one in found:
            table.add_row(
                *(one.keys, str(one.outcomes)),
                *(f"{one.worker_bytes / 1000:.0f} kB", f"{one.worker_ms:.0f} ms"),
                *(f"{one.whole_bytes / 1000:.0f} kB", f"{one.whole_ms:.0f} ms"),
            )
        Console().print(table)
    is_kept = all(
        one.whole_bytes < 1_000_000 and one.worker_ms + one.whole_ms < 100 for one in found
    )
    return 0 if is_kept else 1


if __name__ == "__main__":
    sys.exit(main())

"""How long it takes until every key is verified again after Redis was lost, and what a hot key feels of it.

    make bench-warm          (or: python -m bench.warm --keys 10000 --json)

Makes the keys in SQL with real argon2 hashes, starts a real gateway with nothing in Redis or in
memory, and uses each key once while one hot key is used steadily. The gateway, all of its threads
included, has the machine's first processor to itself; the clients, the upstream and Valkey share the
second, as Redis has a machine of its own where there is more than one gateway.

The hot client keeps a schedule: a request that could not be sent in time because the answer before
it was late counts from when it was due. So a stall shows in every request it held up, not in one.
"""

__all__: list[str] = []

import argparse
import json
import math
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.clients import HotClient, hot_client, use_each
from bench.stage import (
    HOST,
    cpu_seconds,
    free_port,
    make_tokens,
    processors,
    run_gateway,
    run_origin,
    store_keys,
)

RATIO_MAX = 3.0

# No limit is in the way of the measurement, but each is asked for all the same.
CONFIG = """\
listen: {{host: {host}, port: {proxy}}}
admin: {{host: {host}, port: {admin}}}
data_dir: {data_dir}
upstreams: {{origin: {{targets: ["http://{host}:{origin}"]}}}}
routes: [{{name: all, match: {{path: "/**"}}, upstream: origin}}]
plans: {{bench: {{limits: [{{name: default, quota: 1000000, window: 1s}}]}}}}
accounts: {{default_plan: bench}}
logs: {{level: warning}}
"""


@dataclass(frozen=True, slots=True)
class Spread:
    """Latencies of the hot key, in milliseconds."""

    requests: int
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run."""

    keys: int
    at_once: int
    warm_seconds: float
    keys_per_second: float
    retried: int
    again_seconds: float
    quiet: Spread
    meanwhile: Spread
    ratio_p50: float
    ratio_p99: float
    hot_failures: int
    gateway_cpu_seconds: float
    processors: str


def main() -> int:
    """Run the benchmark. Returns 0 if the hot key's p99 stayed below three times its quiet value."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--at-once", type=int, default=32, help="cold requests at once (32)")
    parser.add_argument("--hot-rate", type=int, default=200, help="hot requests a second (200)")
    parser.add_argument("--quiet", type=float, default=8.0, help="seconds of quiet (8)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kw-warm-") as folder:
        outcome = _run(Path(folder), options)
    if options.json:
        sys.stdout.write(json.dumps(asdict(outcome), indent=2) + "\n")
    else:
        Console().print(_table(outcome))
    return 0 if outcome.ratio_p99 < RATIO_MAX and outcome.hot_failures == 0 else 1


def _run(folder: Path, options: argparse.Namespace) -> Outcome:
    ours, theirs = processors()
    tokens = make_tokens(options.keys + 1)
    store_keys(folder, tokens)
    # Only now: hashing had both processors.
    os.sched_setaffinity(0, theirs)
    proxy, admin = free_port(), free_port()
    with run_origin() as origin:
        config = folder / "keywright.yaml"
        config.write_text(
            CONFIG.format(
                host=HOST, proxy=proxy, admin=admin, origin=origin, data_dir=json.dumps(str(folder))
            )
        )
        with (
            run_gateway(config, proxy, ours, folder / "gateway.log") as pid,
            hot_client(proxy, tokens[0], options.hot_rate) as hot,
        ):
            return _measure(pid, proxy, tokens[1:], hot, options)


def _measure(
    pid: int, proxy: int, cold: Sequence[str], hot: HotClient, options: argparse.Namespace
) -> Outcome:
    hot.watch(1.0)  # connections, the hot key's own first use, and caches of the machine
    quiet = hot.watch(options.quiet / 2)
    cpu_before = cpu_seconds(pid)
    hot.begin()
    warm_seconds, retried = use_each(cold, proxy, options.at_once, "verifying")
    meanwhile = hot.end()
    cpu_used = cpu_seconds(pid) - cpu_before
    # After as well as before: a machine that others use is not equally quiet all the time.
    quiet += hot.watch(options.quiet / 2)
    again_seconds, _ = use_each(cold, proxy, options.at_once, "once more, from memory")
    before, during = _spread(quiet), _spread(meanwhile)
    return Outcome(
        keys=len(cold),
        at_once=options.at_once,
        warm_seconds=round(warm_seconds, 2),
        keys_per_second=round(len(cold) / warm_seconds, 1),
        retried=retried,
        again_seconds=round(again_seconds, 2),
        quiet=before,
        meanwhile=during,
        ratio_p50=round(during.p50_ms / before.p50_ms, 2),
        ratio_p99=round(during.p99_ms / before.p99_ms, 2),
        hot_failures=hot.failures,
        gateway_cpu_seconds=round(cpu_used, 2),
        processors=(
            f"gateway on processor {sorted(os.sched_getaffinity(pid))},"
            f" clients, upstream and Valkey on {sorted(os.sched_getaffinity(0))}"
        ),
    )


def _table(outcome: Outcome) -> Table:
    table = Table(title=f"{outcome.keys:,} keys in SQL, nothing in Redis: all verified again")
    table.add_column("")
    table.add_column("", justify="right")
    quiet, meanwhile = outcome.quiet, outcome.meanwhile
    verdict = "holds" if outcome.ratio_p99 < RATIO_MAX else "BROKEN"
    for words in (
        ("time until all are warm", f"{outcome.warm_seconds} s"),
        ("keys a second", f"{outcome.keys_per_second}"),
        ("cold requests at once", f"{outcome.at_once}"),
        ("answered 503 and asked again", f"{outcome.retried}"),
        ("the same requests once more, from memory", f"{outcome.again_seconds} s"),
        ("gateway's processor time for it", f"{outcome.gateway_cpu_seconds} s"),
        (f"hot key, quiet: p50 / p99 ({quiet.requests})", _pair(quiet)),
        (f"hot key, meanwhile: p50 / p99 ({meanwhile.requests})", _pair(meanwhile)),
        ("ratio p50 / p99", f"{outcome.ratio_p50} / {outcome.ratio_p99}"),
        (f"p99 stays under {RATIO_MAX:g} times the quiet one", verdict),
        ("hot requests not answered 200", f"{outcome.hot_failures}"),
    ):
        table.add_row(*words)
    table.caption = outcome.processors
    return table


def _pair(spread: Spread) -> str:
    return f"{spread.p50_ms:.2f} / {spread.p99_ms:.2f} ms"


def _spread(seconds: Sequence[float]) -> Spread:
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return round(ordered[math.ceil(len(ordered) * share) - 1] * 1000, 3)

    return Spread(len(ordered), at(0.50), at(0.99), at(1.0))


if __name__ == "__main__":
    sys.exit(main())

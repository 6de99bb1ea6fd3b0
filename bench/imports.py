"""What it costs to take keys over: values, their first use, and a move of hashes.

    make bench-import          (or: python -m bench.imports --values 10000 --json)

The real command takes in a CSV file of random values, and the same file again; a real gateway is then
asked with some of them, with nothing in Redis or in memory; at last all are exported, and imported into
an empty installation with the same pepper.
"""

__all__: list[str] = []

import argparse
import json
import resource
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.clients import use_each
from bench.stage import HOST, free_port, processors, run_gateway, run_origin

CONFIG = """\
listen: {{host: {host}, port: {proxy}}}
admin: {{host: {host}, port: {admin}}}
data_dir: {data_dir}
upstreams: {{origin: {{targets: ["http://{host}:{origin}"]}}}}
routes: [{{name: all, match: {{path: "/**"}}, upstream: origin}}]
plans: {{bench: {{limits: [{{name: default, quota: 1000000, window: 1s}}]}}}}
accounts: {{default_plan: bench}}
keys: {{accept_imported: true, failed_per_minute: 1000000}}
logs: {{level: warning}}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run; rates are keys a second."""

    values: int
    imported: float
    imported_cpu_ms: float
    again: float
    dry: float
    used: int
    first_use: float
    first_use_alone_ms: float
    exported: float
    moved: float


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--values", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--used", type=int, default=500, help="how many are then used (500)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kw-import-") as folder:
        outcome = _run(Path(folder), options.values, min(options.used, options.values))
    if options.json:
        sys.stdout.write(json.dumps(asdict(outcome), indent=2) + "\n")
    else:
        Console().print(_table(outcome))
    return 0


def _run(folder: Path, count: int, used: int) -> Outcome:
    values = [secrets.token_urlsafe(24) for _ in range(count)]
    file, moved = folder / "keys.csv", folder / "moved.jsonl"
    rows = (f"Account {number % 100},key {number},{value}" for number, value in enumerate(values))
    file.write_text("\n".join(("account,name,value", *rows, "")))
    with run_origin() as origin:
        here, proxy = _installation(folder / "here", origin)
        dry, _ = _command(here, "import", str(file), "--dry-run")
        cpu_before = _cpu_seconds()
        imported, _ = _command(here, "import", str(file), shows=True)
        cpu = _cpu_seconds() - cpu_before
        again, told = _command(here, "import", str(file))
        _expect(told, "unchanged", count)
        first_use, alone = _use(here, proxy, values[:used], folder / "gateway.log")
        exported, _ = _command(here, "export", "-o", str(moved))
        there, _ = _installation(folder / "there", origin)
        shutil.copy2(here.parent / "data/pepper.json", there.parent / "data")
        move, told = _command(there, "import", str(moved))
        _expect(told, "created", count)
    return Outcome(
        values=count,
        dry=round(count / dry, 1),
        imported=round(count / imported, 1),
        imported_cpu_ms=round(cpu / count * 1000, 1),
        again=round(count / again, 1),
        used=used,
        first_use=round(used / first_use, 1),
        first_use_alone_ms=round(alone * 1000, 1),
        exported=round(count / exported, 1),
        moved=round(count / move, 1),
    )


def _expect(told: dict[str, Any], outcome: str, count: int) -> None:
    if told[outcome] != count:
        raise SystemExit(f"not all were {outcome}: {told}")


def _installation(folder: Path, origin: int) -> tuple[Path, int]:
    data = folder / "data"
    data.mkdir(parents=True)
    proxy = free_port()
    words = {"host": HOST, "proxy": proxy, "admin": free_port(), "origin": origin}
    config = folder / "keywright.yaml"
    config.write_text(CONFIG.format(data_dir=json.dumps(str(data)), **words))
    return config, proxy


def _command(config: Path, *words: str, shows: bool = False) -> tuple[float, dict[str, Any]]:
    """Seconds from its start to its end, and its document."""
    command = [sys.executable, "-P", "-m", "admin.cli", "keys"]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, *words, "--json", "-c", str(config)],
        stdout=subprocess.PIPE,
        stderr=None if shows else subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began, json.loads(done.stdout)


def _cpu_seconds() -> float:
    """Of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _use(config: Path, proxy: int, values: list[str], log: Path) -> tuple[float, float]:
    """How long the first uses take, 32 at once; and one by itself."""
    ours, _ = processors()
    few, many = values[:10], values[10:] or values
    with run_gateway(config, proxy, ours, log):
        alone, _ = use_each(few, proxy, 1, "first use, one by one")
        seconds, _ = use_each(many, proxy, 32, "first use, 32 at once")
    return seconds * len(values) / len(many), alone / len(few)


def _table(outcome: Outcome) -> Table:
    table = Table(title=f"{outcome.values:,} values from elsewhere")
    table.add_column("")
    table.add_column("keys a second", justify="right")
    for words in (
        ("tried (--dry-run)", f"{outcome.dry:,}"),
        ("imported", f"{outcome.imported:,}"),
        ("the same file again", f"{outcome.again:,}"),
        (f"first use on one processor, 32 at once ({outcome.used})", f"{outcome.first_use:,}"),
        ("exported", f"{outcome.exported:,}"),
        ("imported elsewhere, with their hashes", f"{outcome.moved:,}"),
    ):
        table.add_row(*words)
    table.caption = (
        f"import: {outcome.imported_cpu_ms} ms of processor time a value;"
        f" first use of one key by itself: {outcome.first_use_alone_ms} ms"
    )
    return table


if __name__ == "__main__":
    sys.exit(main())

"""Load by wrk: as much as it gets answered, on connections that are kept."""

__all__ = ["load"]

import json
import os
import subprocess
from collections.abc import Set as AbstractSet
from pathlib import Path

from bench.comparison.plan import Case
from bench.stage import HOST

_SCRIPT = Path(__file__).parent / "peers/requests.lua"
_RESULT = "RESULT "
_GRACE_SECONDS = 30


def load(
    case: Case, port: int, keys: Path, seconds: int, processors: AbstractSet[int]
) -> dict[str, float]:
    """Ask for so long; requests, seconds, microseconds at the percentiles, and how many were not answered well."""
    order = "in-turn" if case.is_cold else "random"
    sameness = "fresh" if case.is_fresh else "fixed"
    done = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(case.connections)),
            *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(_SCRIPT)),
            *(f"http://{HOST}:{port}", "--", str(keys), case.body.path, order, sameness),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + _GRACE_SECONDS,
        preexec_fn=lambda: os.sched_setaffinity(0, processors),
    )
    for line in done.stdout.splitlines():
        if line.startswith(_RESULT):
            return {name: float(value) for name, value in json.loads(line[len(_RESULT) :]).items()}
    raise SystemExit(f"wrk gave no result:\n{done.stdout}{done.stderr}")

"""Where and with what it was measured: what a reader has to know before comparing the figures with others."""

__all__ = ["Facts", "gather"]

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

from gateway.http import express as lane
from gateway.stores.valkey import server_binary

_ROOT: Final = Path(__file__).parents[2]
_VERSION: Final = re.compile(r"v?(\d+\.\d+[\w.]*)")
_LIBRARIES: Final = ("aiohttp", "uvloop")
_PROGRAMS: Final = (
    ("nginx", "-v"),
    ("haproxy", "-v"),
    ("caddy", "version"),
    ("wrk", "-v"),
)


class Facts(NamedTuple):
    """`load_before` is the machine's load average before anything was started here."""

    date: str
    processor: str
    processors: int
    system: str
    load_before: float
    versions: Mapping[str, str]

    def sentence(self) -> str:
        """All of it but the versions."""
        return (
            f"{self.date}, {self.processors} x {self.processor}, {self.system},"
            f" load average before: {self.load_before:.2f}"
        )


def gather() -> Facts:
    """As they are now."""
    versions = {"Keywright": _own_version(), "CPython": platform.python_version()}
    versions |= {name: version(name) for name in _LIBRARIES}
    versions |= {name: _said(name, word) for name, word in _PROGRAMS if shutil.which(name)}
    versions["Valkey"] = _said(str(server_binary()), "--version")
    return Facts(
        date=datetime.now(UTC).date().isoformat(),
        processor=_processor(),
        processors=len(os.sched_getaffinity(0)),
        system=f"{platform.system()} {platform.release()}",
        load_before=os.getloadavg()[0],
        versions=versions,
    )


def _said(program: str, word: str) -> str:
    done = subprocess.run([program, word], capture_output=True, text=True, check=False)
    found = _VERSION.search(done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def _own_version() -> str:
    """With the commit, where there is one, and whether it is compiled."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    commit = done.stdout.strip()
    about = [commit] * bool(commit) + ["compiled"] * str(lane.__file__).endswith(".so")
    return f"{version('keywright')} ({', '.join(about)})" if about else version("keywright")


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())

"""Ten million requests through a gateway whose processes are killed: is each that was answered in SQL, once?

    make bench-ledger        (or: python -m bench.ledger --requests 10000000 --every 5 --json)

Each request has an id of its own. Every few seconds a worker or the process that ships, in turn, gets SIGKILL and is
replaced. Only whole answers of 200 count as answered: whose connection was cut may have been recorded or not. At the
end the gateway is stopped, `keywright journal ship` ships what is left, and every id is looked for in SQL.
"""

__all__: list[str] = []

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench.growth import processes
from bench.soak import Gateway, stage
from bench.stage import HOST, progress

_CONNECTIONS = 32
_WORKERS = 2
_ANSWER_SECONDS = 30.0
_PAUSE_SECONDS = 0.02


class Callers:
    """Send each request once, and know of which there was a whole answer."""

    def __init__(self, port: int, token: str, requests: int) -> None:
        self._port = port
        self._waiting = iter(range(requests))
        self._tail = f"\r\nAuthorization: Bearer {token}\r\n\r\n"
        self.answered = bytearray(requests)
        self.cut = self.refused = 0
        self._advance: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Until all have been sent."""
        with progress("requests", len(self.answered)) as self._advance:
            async with asyncio.TaskGroup() as group:
                for _ in range(_CONNECTIONS):
                    group.create_task(self._call())

    async def _call(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection(HOST, self._port)
            except OSError:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            try:
                if not await self._use(reader, writer):
                    return
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self.cut += 1
                await asyncio.sleep(_PAUSE_SECONDS)
            finally:
                writer.close()

    async def _use(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Use a connection for as long as it is kept; whether there may be more to send."""
        for number in self._waiting:
            head = f"GET /x HTTP/1.1\r\nHost: h\r\nX-Request-Id: n-{number}{self._tail}"
            async with asyncio.timeout(_ANSWER_SECONDS):
                writer.write(head.encode())
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = answer.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length))
            self._advance()
            if answer[9:12] == b"200":
                self.answered[number] = 1
            else:
                self.refused += 1
            if b"\r\nconnection: close\r\n" in answer:
                return True
        return False


@dataclass(slots=True)
class Killed:
    """How often which process was killed."""

    workers: int = 0
    ledgers: int = 0


def _process(gateway: Gateway, word: str) -> int | None:
    for pid in processes(gateway.pid):
        if pid == gateway.pid:
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            name = Path(f"/proc/{pid}/comm").read_text().strip().encode()
            if word.encode() in {name, *words}:
                return pid
    return None


async def _kill(gateway: Gateway, every: float, killed: Killed) -> None:
    turns = ("kw-worker-0", "admin", "kw-worker-1", "admin")
    turn = 0
    while True:
        await asyncio.sleep(every)
        word = turns[turn % len(turns)]
        turn += 1
        if (pid := _process(gateway, word)) is not None:
            os.kill(pid, signal.SIGKILL)
            killed.ledgers += word == "admin"
            killed.workers += word != "admin"


@dataclass(slots=True)
class Outcome:
    """What was asked, and what was found. `lost` and `twice` are to be 0, and each sum `recorded`."""

    requests: int
    seconds: float = 0.0
    answered: int = 0
    cut: int = 0
    refused: int = 0
    workers_killed: int = 0
    ledgers_killed: int = 0
    shipped_at_the_end: int = 0
    recorded: int = 0
    lost: int = 0
    twice: int = 0
    sums: dict[str, int] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        """Whether it is as promised."""
        return not self.lost and not self.twice and set(self.sums.values()) == {self.recorded}


async def _load(gateway: Gateway, callers: Callers, every: float, killed: Killed) -> None:
    killing = asyncio.ensure_future(_kill(gateway, every, killed))
    try:
        await callers.run()
    finally:
        killing.cancel()
        await asyncio.wait([killing])


def _ship(folder: Path) -> int:
    words = ("-m", "admin.cli", "journal", "ship", "--json", "-c", str(folder / "keywright.yaml"))
    done = subprocess.run([sys.executable, "-P", *words], stdout=subprocess.PIPE, check=True)
    return int(json.loads(done.stdout)["records"])


def _look(folder: Path, answered: bytearray, outcome: Outcome) -> None:
    found = bytearray(len(answered))
    with contextlib.closing(sqlite3.connect(folder / "keywright.sqlite3")) as database:
        rows = "SELECT request_id, status FROM usage_records"
        for name, status in database.execute(rows):
            outcome.recorded += 1
            number = int(name.removeprefix("n-"))
            outcome.twice += found[number] > 0
            # Only an answer of 200 that nobody got whole may be here without having been counted.
            found[number] = 1 if status == 200 else 2
        for step in (60, 3600, 86_400):
            for kind, condition in (
                ("keys", "key_id != ''"),
                ("accounts", "key_id = '' AND account_id != ''"),
                ("gateway", "key_id = '' AND account_id = ''"),
            ):
                ((total,),) = database.execute(
                    f"SELECT sum(requests) FROM usage_rollups WHERE step_seconds = ? AND {condition}",  # noqa: S608
                    (step,),
                )
                outcome.sums[f"{kind}, {step} s"] = total or 0
        ((outcome.sums["uses of the secret"],),) = database.execute(
            "SELECT sum(count) FROM secret_uses"
        )
    outcome.lost = sum(
        1 for was, is_there in zip(answered, found, strict=True) if was and not is_there
    )


def _run(folder: Path, options: argparse.Namespace) -> Outcome:
    killed, outcome = Killed(), Outcome(options.requests)
    began = time.monotonic()
    with stage(folder, _WORKERS) as (gateway, port, token):
        callers = Callers(port, token, options.requests)
        uvloop.run(_load(gateway, callers, options.every, killed))
        outcome.seconds = round(time.monotonic() - began, 1)
    outcome.workers_killed, outcome.ledgers_killed = killed.workers, killed.ledgers
    outcome.answered, outcome.cut = sum(callers.answered), callers.cut
    outcome.refused = callers.refused
    outcome.shipped_at_the_end = _ship(folder)
    _look(folder, callers.answered, outcome)
    return outcome


def _table(outcome: Outcome) -> Table:
    table = Table(title=f"{outcome.requests:,} requests in {outcome.seconds:g} s")
    table.add_column("")
    table.add_column("", justify="right")
    for words, count in (
        ("answered whole", outcome.answered),
        ("connections cut, and another status than 200", outcome.cut + outcome.refused),
        ("workers killed", outcome.workers_killed),
        ("ledgers killed", outcome.ledgers_killed),
        ("left to ship at the end", outcome.shipped_at_the_end),
        ("records in SQL", outcome.recorded),
        *((f"requests in sums of {name}", total) for name, total in outcome.sums.items()),
        ("answered and not in SQL", outcome.lost),
        ("twice in SQL", outcome.twice),
    ):
        table.add_row(words, f"{count:,}")
    return table


def main() -> int:
    """Run it. Returns 0 if nothing was lost and nothing counted twice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000_000)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between kills (5)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kw-ledger-") as name:
        outcome = _run(Path(name), options)
    if options.json:
        sys.stdout.write(json.dumps(asdict(outcome), indent=2) + "\n")
    else:
        Console().print(_table(outcome))
    return 0 if outcome.is_exact else 1


if __name__ == "__main__":
    sys.exit(main())

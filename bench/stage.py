"""What a benchmark stands on: keys in SQL, a gateway on a processor of its own, an upstream behind it."""

__all__ = [
    "HOST",
    "SPAWN",
    "cached_key",
    "cpu_seconds",
    "free_port",
    "make_tokens",
    "processors",
    "progress",
    "run_gateway",
    "run_origin",
    "store_keys",
    "store_unproved_keys",
    "wait_for",
]

import asyncio
import contextlib
import multiprocessing
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import insert

from admin.stores.migrate import migrate
from gateway.core import token
from gateway.core.credential import Credential, Pepper
from gateway.core.keys import Account, ApiAccess, Environment, Key, KeyStatus, KeyType
from gateway.ports import CachedKey
from gateway.stores.places import database_url
from gateway.stores.secret_hash import CostClass, hash_token
from gateway.stores.sql_engine import open_engine, write_transaction
from gateway.stores.tables import accounts, keys
from gateway.stores.tables import secrets as key_secrets

HOST = "127.0.0.1"
SPAWN = multiprocessing.get_context("spawn")

_ACCOUNT = "acc_" + "0" * 20
_ACCOUNT_NAME = "Bench"
_PLAN = "bench"
_SCOPE = "read-only"
_VERSION = 1
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
_START_SECONDS = 30.0
_INSERT_ROWS = 1000
_SECRET_ID_AT = slice(len("sk_live_"), len("sk_live_") + token.SECRET_ID_LENGTH)


class Advance:
    """Moves a progress bar on, but draws little: the processor belongs to the clients."""

    def __init__(self, progress: Progress, total: int, what: str) -> None:
        """A bar of its own."""
        self._progress = progress
        self._task = progress.add_task(what, total=total)
        self._done = 0
        self._step = max(1, total // 50)
        self._total = total

    def __call__(self) -> None:
        """One more is done."""
        self._done += 1
        if self._done % self._step == 0 or self._done == self._total:
            self._progress.update(self._task, completed=self._done, refresh=True)


@contextlib.contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    columns = (TextColumn("{task.description:24}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as progress:
        yield Advance(progress, total, what)


def make_tokens(count: int) -> list[str]:
    return [
        token.compose(KeyType.SECRET, Environment.LIVE, _base62(12), _base62(32))
        for _ in range(count)
    ]


def _base62(length: int) -> str:
    return "".join(secrets.choice(token.ALPHABET) for _ in range(length))


def store_keys(folder: Path, tokens: Sequence[str]) -> None:
    with progress("hashing", len(tokens)) as advance, ThreadPoolExecutor() as pool:
        hashes: list[str] = []
        for text in pool.map(lambda each: hash_token(each.encode(), CostClass.GENERATED), tokens):
            hashes.append(text)
            advance()
    asyncio.run(_insert(database_url(None, folder), tokens, hashes))


def store_unproved_keys(folder: Path, tokens: Sequence[str]) -> None:
    """Without their hashes, which take long: such a key is served only as long as Redis has a `cached_key` of it."""
    asyncio.run(_insert(database_url(None, folder), tokens, ["-"] * len(tokens)))


def cached_key(number: int, text: str, pepper: Pepper) -> CachedKey:
    """What Redis holds of the stored key with this number once it has been used."""
    key = Key(
        id=_key_id(number),
        name=_key_name(number),
        account=Account(_ACCOUNT, _ACCOUNT_NAME, _PLAN, ApiAccess.APPROVED),
        type=KeyType.SECRET,
        environment=Environment.LIVE,
        status=KeyStatus.ACTIVE,
        scopes=(_SCOPE,),
        secret_id=_secret_id(text),
        # As SQL counts it: the key's own and its account's. With any other it would be forgotten at the next look.
        version=2 * _VERSION,
    )
    return CachedKey(key, Credential(text).digest(pepper))


async def _insert(url: str, tokens: Sequence[str], hashes: Sequence[str]) -> None:
    await migrate(url)
    times = {"created_us": 0, "updated_us": 0}
    account = {"id": _ACCOUNT, "name": _ACCOUNT_NAME, "plan": _PLAN, "status": "active"}
    key = {
        "account_id": _ACCOUNT,
        "type": "sk",
        "environment": "live",
        "status": "active",
        "scopes": [_SCOPE],
        "addresses": [],
        "origins": [],
        "limits": [],
        "metadata": {},
        "version": _VERSION,
    }
    key_rows, secret_rows = [], []
    for number, (text, token_hash) in enumerate(zip(tokens, hashes, strict=True)):
        key_id = _key_id(number)
        key_rows.append({"id": key_id, "name": _key_name(number), **key, **times})
        secret = {"key_id": key_id, "token_hash": token_hash, "cost_class": "generated"}
        secret_rows.append({"id": _secret_id(text), "created_us": 0, **secret})
    engine = open_engine(url)
    try:
        async with write_transaction(engine, "fill", None) as connection:
            row = {**account, "api_access": "approved", "version": _VERSION, **times}
            await connection.execute(insert(accounts).values(row))
            for start in range(0, len(key_rows), _INSERT_ROWS):
                some = slice(start, start + _INSERT_ROWS)
                await connection.execute(insert(keys), key_rows[some])
                await connection.execute(insert(key_secrets), secret_rows[some])
    finally:
        await engine.dispose()


def _key_id(number: int) -> str:
    return f"key_{number:020d}"


def _key_name(number: int) -> str:
    return f"bench {number}"


def _secret_id(text: str) -> str:
    return text[_SECRET_ID_AT]


def processors() -> tuple[set[int], set[int]]:
    """One for the gateway, one for those who ask; the same when there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return {available[0]}, {available[-1]}


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def run_gateway(config: Path, port: int, processors: set[int], log: Path) -> Iterator[int]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gateway", "-c", str(config)],
            stdout=output,
            stderr=output,
            preexec_fn=lambda: os.sched_setaffinity(0, processors),  # noqa: PLW1509 -- no threads yet
        )
    try:
        wait_for(port, process, log)
        _move_valkey(process.pid, os.sched_getaffinity(0))
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port)):
            return
        time.sleep(0.02)
    raise SystemExit(f"the gateway did not start:\n{log.read_text()}")


def _move_valkey(gateway: int, processors: set[int]) -> None:
    """The gateway's only child has inherited its processor."""
    for child in Path(f"/proc/{gateway}/task/{gateway}/children").read_text().split():
        os.sched_setaffinity(int(child), processors)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Origin(asyncio.Protocol):
    """Answers every request head with the same few bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._seen = b""

    def data_received(self, data: bytes) -> None:
        *heads, self._seen = (self._seen + data).split(b"\r\n\r\n")
        self._transport.write(_ANSWER * len(heads))


def _serve_origin(ready: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_Origin, HOST, 0, backlog=1024)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


@contextlib.contextmanager
def run_origin() -> Iterator[int]:
    mine, its = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve_origin, args=(its,), daemon=True)
    process.start()
    try:
        yield int(mine.recv())
    finally:
        process.terminate()
        process.join()

"""A real Valkey for the tests: one shared per xdist worker, and one of its own for a test that breaks it."""

__all__ = [
    "ValkeyServer",
    "own_valkey",
    "redis_store",
    "running_valkey",
    "valkey_server",
    "valkey_url",
]

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from gateway.stores.redis_client import RedisStore
from gateway.stores.valkey import server_binary

_START_SECONDS = 10.0


class ValkeyServer:
    """One server on a unix socket in a folder of its own, which a test may kill, freeze and start again."""

    def __init__(self, folder: Path, *options: str) -> None:
        """`options` are further command line words, as `--maxmemory 1mb`."""
        self._socket = folder / "v.sock"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self._socket.unlink(missing_ok=True)
        words = [str(server_binary()), "--port", "0", "--unixsocket", str(self._socket)]
        words += ["--save", "", "--dir", str(self._folder), "--loglevel", "warning"]
        words += ["--enable-debug-command", "local", *self._options]
        with (self._folder / "valkey.log").open("wb") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        give_up_at = time.monotonic() + _START_SECONDS
        while True:
            try:
                self.command("PING")
            except redis.ConnectionError:
                assert self._process.poll() is None, (self._folder / "valkey.log").read_text()
                assert time.monotonic() < give_up_at, "Valkey does not answer"
                time.sleep(0.01)
            else:
                return

    def command(self, *words: str | float | bytes) -> Any:  # noqa: ANN401 -- whatever it answers
        """Run one command over a connection of its own."""
        with redis.Redis(unix_socket_path=str(self._socket), socket_timeout=5) as client:
            return client.execute_command(*words)  # type: ignore[no-untyped-call, unused-ignore]

    def kill(self) -> None:
        """As by the OOM killer: nothing is said, nothing is saved."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Connections are accepted by the kernel, and nothing comes."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        os.kill(self.pid, signal.SIGCONT)


@contextlib.contextmanager
def running_valkey(*options: str) -> Iterator[ValkeyServer]:
    """A server with further command line words, as long as the block."""
    # Not pytest's tmp_path: its names grow with the test's and soon exceed a socket path.
    with tempfile.TemporaryDirectory(prefix="kw-") as folder:
        server = ValkeyServer(Path(folder), *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """The worker's shared server; a test that changes its settings or kills it takes `own_valkey`."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: ValkeyServer) -> str:
    """The URL of an empty server; nobody else uses it meanwhile."""
    valkey_server.command("FLUSHALL")
    valkey_server.command("SCRIPT", "FLUSH")
    return valkey_server.url


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server for this test alone, to be killed, frozen and reconfigured at will."""
    with running_valkey() as server:
        yield server


@pytest.fixture
async def redis_store(valkey_url: str) -> AsyncIterator[RedisStore]:
    """The gateway's client, on an empty server; its deadline is wide enough for a busy machine."""
    async with RedisStore.open(valkey_url, deadline_seconds=10.0) as store:
        yield store

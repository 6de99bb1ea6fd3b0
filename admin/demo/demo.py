"""The demo: an upstream, a gateway before it, an account with three keys; all of it gone at the end."""

__all__ = ["Demo", "Place", "Prepare", "Ready", "run"]

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from admin.demo.config import (
    HOST,
    DemoKey,
    Example,
    Ports,
    Prepared,
    config_text,
    examples,
)
from admin.demo.processes import Child
from gateway.core.errors import KeywrightError, Misuse
from gateway.tasks import Crew

_START_SECONDS = 20.0
_POLL_SECONDS = 0.05
_STOP_SECONDS = 8.0

Prepare = Callable[[Path], Awaitable[Prepared]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo may be: its two ports (0: any that is free), and its folder (None: one that is removed)."""

    port: int
    admin_port: int
    data_dir: Path | None


@dataclass(frozen=True, slots=True)
class Ready:
    """What there is to tell once everything runs."""

    ports: Ports
    folder: Path
    keys: Sequence[DemoKey]
    examples: Sequence[Example]
    set_up: str | None = field(default=None, repr=False)

    @property
    def proxy_url(self) -> str:
        """Where the gateway listens."""
        return f"http://{HOST}:{self.ports.proxy}"

    @property
    def admin_url(self) -> str:
        """Where its admin listener is."""
        return f"http://{HOST}:{self.ports.admin}"

    @property
    def set_up_url(self) -> str | None:
        """Where the console is set up; None when it is already."""
        return None if self.set_up is None else f"{self.admin_url}/set-up/{self.set_up}"


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo needs from whoever starts it.

    `prepare` makes the database, the account, the keys and a set-up link for a configuration file; `step` is told
    what happens; `ready` is told once, when the commands can be tried.
    """

    prepare: Prepare
    step: Callable[[str], None]
    ready: Callable[[Ready], None]


async def run(demo: Demo, place: Place) -> None:
    """Run until SIGINT, SIGTERM or SIGHUP. Raises Misuse for a port or folder that cannot be had.

    Raises KeywrightError when a part does not start, or ends by itself.
    """
    with (
        _ended_by_signals(lambda: demo.step("stopping")),
        _folder(place.data_dir) as folder,
        contextlib.ExitStack() as reserved,
    ):
        proxy = _reserve(reserved, place.port, "--port")
        admin = _reserve(reserved, place.admin_port, "--admin-port")
        async with _upstream(folder) as (upstream, upstream_port):
            ports = Ports(proxy, admin, upstream_port)
            demo.step(f"a small DNS API listens on {HOST}:{upstream_port}")
            config = folder / "keywright.yaml"
            config.write_text(config_text(ports, folder), encoding="utf-8")
            prepared = await demo.prepare(config)
            keys = prepared.keys
            demo.step(f"a database, an account and {len(keys)} keys are in {folder}")
            reserved.close()
            async with _gateway(config) as gateway:
                await _until_ready(admin, gateway)
                demo.step(
                    f"the gateway listens on {HOST}:{proxy}, its admin listener on {HOST}:{admin}"
                )
                secrets = {key.name: key.secret for key in keys}
                demo.ready(Ready(ports, folder, keys, examples(ports, secrets), prepared.set_up))
                await _until_one_ends([upstream, gateway])


@contextlib.contextmanager
def _ended_by_signals(on_first: Callable[[], None]) -> Iterator[None]:
    """End the block at the first signal; what comes after that cannot disturb the tidying up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    was_signalled = False

    def end() -> None:
        nonlocal was_signalled
        if task is not None and not was_signalled:
            was_signalled = True
            on_first()
            task.cancel()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, end)
    try:
        yield
    except asyncio.CancelledError:
        if task is None or not was_signalled or task.uncancel():
            raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    if wanted is None:
        with tempfile.TemporaryDirectory(
            prefix="keywright-demo-", ignore_cleanup_errors=True
        ) as made:
            yield Path(made)
        return
    folder = wanted.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Misuse(
            f"cannot make the folder {folder} ({error.strerror}); choose another with --data-dir"
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Misuse(f"cannot write to the folder {folder}; choose another with --data-dir")
    yield folder


def _reserve(reserved: contextlib.ExitStack, wanted: int, option: str) -> int:
    """Hold the port `wanted` (0: any that is free) until the gateway takes it over. Raises Misuse."""
    try:
        server = reserved.enter_context(socket.create_server((HOST, wanted)))
    except OSError as error:
        raise Misuse(
            f"port {wanted} on {HOST} cannot be had ({os.strerror(error.errno or 0)});"
            f" stop what listens there, or choose another with {option}"
        ) from None
    port: int = server.getsockname()[1]
    return port


@contextlib.asynccontextmanager
async def _upstream(folder: Path) -> AsyncIterator[tuple[Child, int]]:
    """The upstream, and the port that it listens on."""
    arguments = ["-P", "-m", "admin.demo.upstream", "0"]
    child = await Child.start("the upstream", arguments, folder / "upstream.log", is_heard=True)
    try:
        yield child, int(await child.first_line(_START_SECONDS))
    finally:
        await child.stop(_STOP_SECONDS)


@contextlib.asynccontextmanager
async def _gateway(config: Path) -> AsyncIterator[Child]:
    arguments = ["-P", "-m", "gateway.serve", "-c", str(config), "--control-plane", "admin"]
    child = await Child.start("the gateway", arguments, config.with_name("gateway.log"))
    try:
        yield child
    finally:
        await child.stop(_STOP_SECONDS)


async def _until_ready(admin_port: int, gateway: Child) -> None:
    """Return when the gateway says that it is. Raises KeywrightError if it ends, or takes too long."""
    try:
        async with asyncio.timeout(_START_SECONDS), aiohttp.ClientSession() as session:
            while not await _says_ok(session, f"http://{HOST}:{admin_port}/readyz"):
                gateway.check()
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise KeywrightError(f"the gateway was not ready within {_START_SECONDS:g} s") from None


async def _says_ok(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.ok
    except aiohttp.ClientError:
        return False


async def _until_one_ends(children: Sequence[Child]) -> None:
    """Raise KeywrightError once a child has ended, which none should."""
    async with Crew() as crew:
        ends = [crew.start(child.name, child.wait()) for child in children]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for child in children:
        child.check()

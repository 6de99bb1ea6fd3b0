"""The process that runs the others: the private Valkey, the workers, the control plane beside them.

It serves nobody itself, and holds no store, so that little can happen to it. When it is killed its
children get a signal from the kernel and end in order.
"""

__all__ = ["Plan", "supervise"]

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from gateway.clock import SystemClock
from gateway.ports import Clock
from gateway.serve.child import StartFailed
from gateway.serve.post import Post
from gateway.serve.sockets import socket_folder
from gateway.settings import Settings
from gateway.stores.valkey import PrivateValkey
from gateway.tasks import Crew

log = structlog.get_logger(__name__)

# A worker writes what is left of its usage after it has drained.
_WORKER_EXTRA_SECONDS: Final = 15.0
_CONTROL_PLANE_SECONDS: Final = 15.0
_AT_ONCE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: `control_plane` is the name of its module, None for none; children get `variables`."""

    config: Path | None
    control_plane: str | None
    variables: Mapping[str, str]


async def supervise(settings: Settings, plan: Plan) -> bool:
    """Run until SIGTERM or SIGINT, then drain; a second signal ends the wait. Whether all ended in order.

    Raises StartFailed when a process does not come up at its first start, and Misuse for what stands in the
    way of starting any.
    """
    stop, impatient = asyncio.Event(), asyncio.Event()
    with _signals(stop, impatient):
        async with contextlib.AsyncExitStack() as stack:
            folder = stack.enter_context(socket_folder(settings.data_dir))
            if settings.redis.url is None:
                valkey = await stack.enter_async_context(PrivateValkey(settings.data_dir))
                crew = await stack.enter_async_context(Crew())
                _ = crew.start("valkey", valkey.run())
            house = _House(settings, plan, folder, SystemClock())
            return await house.run(stop, impatient)


@contextlib.contextmanager
def _signals(stop: asyncio.Event, impatient: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def heard() -> None:
        (impatient if stop.is_set() else stop).set()

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, heard)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class _House:
    """The posts, and the order in which they come and go."""

    def __init__(self, settings: Settings, plan: Plan, folder: Path, clock: Clock) -> None:
        self._settings = settings
        self._drain_seconds = settings.listen.drain_deadline_seconds + _WORKER_EXTRA_SECONDS
        config = () if plan.config is None else ("-c", str(plan.config))
        # The control plane ships usage for all; without one, the workers agree on one of them.
        ledger = () if plan.control_plane is None else ("--journal-only",)
        # A list: several workers share the proxy's port, and each has a socket of its own.
        sockets = [folder / "worker-0.sock"]
        self._workers = [
            Post(
                socket.stem,
                ("-P", "-m", "gateway", *config, *ledger, "--supervised", str(socket)),
                _with_port(plan.variables, "KEYWRIGHT_LISTEN__PORT", settings.listen.port),
                clock,
            )
            for socket in sockets
        ]
        self._control_planes = [
            Post(
                "control-plane",
                ("-P", "-m", module, *config, *(f"--worker={socket}" for socket in sockets)),
                _with_port(plan.variables, "KEYWRIGHT_ADMIN__PORT", settings.admin.port),
                clock,
            )
            for module in (plan.control_plane,)
            if module is not None
        ]

    @property
    def _posts(self) -> Sequence[Post]:
        return (*self._workers, *self._control_planes)

    async def run(self, stop: asyncio.Event, impatient: asyncio.Event) -> bool:
        try:
            await self._start(stop)
        except BaseException:
            await _stop(self._posts, _AT_ONCE_SECONDS)
            raise
        if not stop.is_set():
            log.info("listening", **self._addresses())
            async with Crew() as crew:
                for post in self._posts:
                    _ = crew.start(post.name, post.keep())
                _ = await stop.wait()
        return await self._stop(impatient)

    async def _start(self, stop: asyncio.Event) -> None:
        """Start all at once. Returns when they listen, or at a signal; raises the first StartFailed."""
        async with Crew() as crew:
            signalled = crew.start("signal", _wait(stop))
            waiting = {crew.start(post.name, post.start()) for post in self._posts}
            while waiting and not stop.is_set():
                done, _ = await asyncio.wait(
                    {*waiting, signalled}, return_when=asyncio.FIRST_COMPLETED
                )
                waiting -= done
                self._raise_first_failure()

    def _raise_first_failure(self) -> None:
        failures: list[StartFailed] = [post.failure for post in self._posts if post.failure]
        if failures:
            raise failures[0]

    def _addresses(self) -> dict[str, str]:
        faces = {"proxy": self._workers, "admin": self._control_planes}
        return {face: posts[0].address for face, posts in faces.items() if posts}

    async def _stop(self, impatient: asyncio.Event) -> bool:
        log.info("stopping")
        async with Crew() as crew:
            _ = crew.start("hurry", _hurried(impatient, self._workers))
            is_in_order = await _stop(self._workers, self._drain_seconds)
        # Only now: until the last request is through it tells how the drain goes on.
        is_in_order &= await _stop(self._control_planes, _CONTROL_PLANE_SECONDS)
        log.info("stopped")
        return is_in_order


async def _stop(posts: Sequence[Post], deadline_seconds: float) -> bool:
    return all(await asyncio.gather(*(post.stop(deadline_seconds) for post in posts)))


async def _wait(event: asyncio.Event) -> None:
    _ = await event.wait()


async def _hurried(impatient: asyncio.Event, posts: Sequence[Post]) -> None:
    _ = await impatient.wait()
    for post in posts:
        post.terminate()


def _with_port(
    variables: Mapping[str, str], name: str, configured: int
) -> Callable[[str], Mapping[str, str]]:
    """The environment of a process: one that replaces another listens where that did, chosen or not."""

    def environment(address: str) -> Mapping[str, str]:
        if configured or not address:
            return variables
        return {**variables, name: address.rpartition(":")[2]}

    return environment

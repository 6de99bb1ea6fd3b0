"""All processes of a gateway but the private Valkey, and the order in which they come and go."""

__all__ = ["Bindings", "House", "Plan"]

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from gateway.ports import Clock
from gateway.serve.binding import Binding
from gateway.serve.child import StartFailed
from gateway.serve.configuration import InForce
from gateway.serve.post import Launch, Post
from gateway.serve.starter import Starter
from gateway.tasks import Crew

log = structlog.get_logger(__name__)

_WORKER: Final = "gateway"
# A worker closes what is left after it has drained.
_WORKER_EXTRA_SECONDS: Final = 15.0
_CONTROL_PLANE_SECONDS: Final = 15.0
_AT_ONCE_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: so many `workers`, and `control_plane`, the name of its module; None for none.

    Children get `variables`.
    """

    config: Path | None
    control_plane: str | None
    variables: Mapping[str, str]
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Bindings:
    """Where workers and control plane listen."""

    proxy: Binding
    admin: Binding


class House:
    """The posts."""

    def __init__(
        self, plan: Plan, folder: Path, bindings: Bindings, now: InForce, clock: Clock
    ) -> None:
        """Nothing runs yet. Sockets for the control plane to ask workers on lie in `folder`."""
        self._plan = plan
        self._paths = [folder / f"worker-{number}.sock" for number in range(plan.workers)]
        self._bindings = bindings
        self._starter = starter = Starter(_WORKER, plan.variables)
        self._workers = [
            Post(path.stem, launch, starter, bindings.proxy, clock)
            for path, launch in zip(self._paths, self._worker_launches(now), strict=True)
        ]
        self._control_planes = [
            Post("control-plane", launch, starter, bindings.admin, clock)
            for launch in self._control_plane_launches(now)
        ]

    def _worker_launches(self, now: InForce) -> list[Launch]:
        # The control plane ships usage for all; without one, the workers agree on one of them.
        ledger = () if self._plan.control_plane is None else ("--journal-only",)
        words = (*now.arguments, *ledger, "--supervised")
        seconds = now.settings.listen.drain_deadline_seconds + _WORKER_EXTRA_SECONDS
        return [Launch(_WORKER, (*words, str(path)), seconds) for path in self._paths]

    def _control_plane_launches(self, now: InForce) -> list[Launch]:
        if self._plan.control_plane is None:
            return []
        workers = (f"--worker={path}" for path in self._paths)
        file = () if self._plan.config is None else (f"--reload-from={self._plan.config}",)
        words = (*now.arguments, *file, *workers)
        return [Launch(self._plan.control_plane, words, _CONTROL_PLANE_SECONDS)]

    @property
    def _posts(self) -> Sequence[Post]:
        return (*self._workers, *self._control_planes)

    async def start(self, stop: asyncio.Event) -> None:
        """Start all at once. Returns when they listen, or at `stop`; raises the first StartFailed."""
        try:
            await self._start(stop)
            if not stop.is_set():
                # Only now: it would take time from those that callers wait for.
                await self._starter.prepare()
        except BaseException:
            await self._starter.dismiss()
            _ = await _stop(self._posts, _AT_ONCE_SECONDS)
            raise

    async def _start(self, stop: asyncio.Event) -> None:
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

    def keep(self, crew: Crew) -> None:
        """From now on `crew` sees to it that each place is filled."""
        log.info("listening", **self._addresses())
        for post in self._posts:
            _ = crew.start(post.name, post.keep())

    def _addresses(self) -> dict[str, str]:
        admin = {"admin": self._bindings.admin.address} if self._control_planes else {}
        return {"proxy": self._bindings.proxy.address, **admin}

    async def replace_all(self, now: InForce) -> StartFailed | None:
        """Replace one process after the other, so that no request is dropped; None when all are.

        When one does not come up, those that were replaced become again what they were.
        """
        # What it has imported may not be what lies on disk by now.
        await self._starter.dismiss()
        failure = await self._replace_all(now)
        await self._starter.prepare()
        return failure

    async def _replace_all(self, now: InForce) -> StartFailed | None:
        launches = (*self._worker_launches(now), *self._control_plane_launches(now))
        done: list[tuple[Post, Launch]] = []
        for post, launch in zip(self._posts, launches, strict=True):
            before = post.launch
            failure = await post.replace(launch)
            if failure is not None:
                log.error("replacement_failed", process=post.name, text=str(failure))
                await _put_back(done)
                return failure
            log.info("process_renewed", process=post.name)
            done.append((post, before))
        return None

    async def stop(self, impatient: asyncio.Event) -> bool:
        """Drain and end all; whether all ended in order. `impatient` ends the wait."""
        await self._starter.dismiss()
        async with Crew() as crew:
            _ = crew.start("hurry", _hurried(impatient, self._workers))
            is_in_order = await _stop(self._workers)
        # Only now: until the last request is through it tells how the drain goes on.
        is_in_order &= await _stop(self._control_planes)
        return is_in_order


async def _put_back(done: Sequence[tuple[Post, Launch]]) -> None:
    for post, before in done:
        if post.launch == before:
            continue
        failure = await post.replace(before)
        if failure is not None:
            log.error("replacement_failed", process=post.name, text=str(failure))


async def _stop(posts: Sequence[Post], deadline_seconds: float | None = None) -> bool:
    return all(await asyncio.gather(*(post.stop(deadline_seconds) for post in posts)))


async def _wait(event: asyncio.Event) -> None:
    _ = await event.wait()


async def _hurried(impatient: asyncio.Event, posts: Sequence[Post]) -> None:
    _ = await impatient.wait()
    for post in posts:
        post.terminate()

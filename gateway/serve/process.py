"""One worker as a process: starts, serves until told to stop, drains."""

__all__ = ["run"]

import asyncio
import gc
import signal
from collections.abc import Coroutine

from gateway.app.assembly import Supervised, assembled
from gateway.settings import Settings
from gateway.tasks import Crew

_YOUNG_OBJECTS = 50_000
_COLLECTIONS = 20


async def run(
    settings: Settings, *, supervised: Supervised | None = None, ships: bool = True
) -> None:
    """Serve until SIGTERM or SIGINT, then drain. A second signal ends the wait.

    With `supervised`, a supervisor runs what workers share; it `ships` usage to SQL unless another process does.
    Raises Misuse, with words for the operator, when it cannot start.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    hurry = asyncio.Event()

    def heard() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, heard)
    async with assembled(settings, supervised=supervised, ships=ships) as worker:
        await worker.start()
        _calm_garbage_collection()
        await stop.wait()
        await _drain(worker.stop(), hurry)


def _calm_garbage_collection() -> None:
    """What exists by now stays, and what a request makes is freed by its last reference.

    With the defaults a tenth of a busy worker's time went into looking for cycles (docs/performance.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, _COLLECTIONS, _COLLECTIONS)


async def _drain(drained: Coroutine[None, None, None], hurry: asyncio.Event) -> None:
    async with Crew() as crew:
        draining = crew.start("drain", drained)
        impatient = crew.start("hurry", _heard(hurry))
        _ = await asyncio.wait({draining, impatient}, return_when=asyncio.FIRST_COMPLETED)


async def _heard(event: asyncio.Event) -> None:
    _ = await event.wait()

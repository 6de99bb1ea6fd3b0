"""What the control plane does by itself, again and again."""

__all__ = ["go_round"]

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.core.errors import StoreError

log = structlog.get_logger(__name__)


async def go_round(
    once: Callable[[], Awaitable[object]], interval_seconds: float, waiting: str
) -> None:
    """Do it, wait `interval_seconds`, and again, for as long as it is left to.

    A round that a store did not answer is left to the next one, and the log says `waiting`.
    """
    while True:
        try:
            _ = await once()
        except StoreError as error:
            log.warning(waiting, cause=str(error))
        await asyncio.sleep(interval_seconds)

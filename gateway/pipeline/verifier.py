"""argon2 beside the event loop: a bounded pool with a bounded queue (design §3)."""

__all__ = ["Verifier"]

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from gateway.core.errors import Overloaded

# How far the threads stand back. At 15 the event loop has the processor when it wants it, and the
# threads still get a thirtieth of one that is never idle (bench/warm.py).
_NICENESS = 15


class Verifier:
    """Checks tokens against their hashes in a few threads; what cannot even queue is turned away.

    A flood of unknown keys costs what the threads can do and no more, and never the event loop's time:
    on Linux the threads give way to it, so that known keys are not slowed on a machine with one processor.
    """

    def __init__(
        self, verify: Callable[[str, bytes], bool], *, threads: int = 2, waiting_max: int = 256
    ) -> None:
        """`verify(token_hash, token_bytes)` blocks, and says whether they belong together."""
        self._verify = verify
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_give_way)
        self._places = threading.BoundedSemaphore(threads + waiting_max)

    async def verify(self, token_hash: str, token_bytes: bytes) -> bool:
        """Whether the token belongs to the hash. Raises Overloaded, at once, if the queue is full."""
        if not self._places.acquire(blocking=False):
            raise Overloaded("the queue of keys to verify is full")
        work = self._pool.submit(self._verify, token_hash, token_bytes)
        # Not when the caller stops waiting: the thread is busy until the work is done.
        work.add_done_callback(self._leave)
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Give up what is queued; what runs ends by itself. Nothing can be verified afterwards."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _: Future[bool]) -> None:
        self._places.release()


def _give_way() -> None:
    """Lower the calling thread's priority. Elsewhere than on Linux that would be the whole process's."""
    if sys.platform == "linux":
        os.nice(_NICENESS)

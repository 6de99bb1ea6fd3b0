"""Slow hashes for many values: in two threads that give way to everything else, so that memory stays bounded."""

__all__ = ["SlowHashes"]

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from gateway.stores.secret_hash import CostClass, hash_token

# Each takes 64 MiB while it runs.
_THREADS = 2
# As the gateway's own argon2 threads stand back.
_NICENESS = 15


class SlowHashes:
    """argon2id of class `imported`. What is asked for together is done two at a time."""

    def __init__(
        self, hash_token: Callable[[bytes, CostClass], str] = hash_token, threads: int = _THREADS
    ) -> None:
        """`hash_token` blocks for a tenth of a second; the threads start with the first value."""
        self._hash_token = hash_token
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="import", initializer=_give_way)

    async def of(self, values: Sequence[str]) -> list[str]:
        """A hash for each value, in order. Raises Overloaded when there is no memory.

        Whoever stops waiting gives up those that have not begun.
        """
        loop = asyncio.get_running_loop()
        return await asyncio.gather(
            *(loop.run_in_executor(self._pool, self._one, value) for value in values)
        )

    def close(self) -> None:
        """Give up what has not begun. Nothing can be hashed afterwards."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, value: str) -> str:
        return self._hash_token(value.encode(), CostClass.IMPORTED)


def _give_way() -> None:
    """Lower the calling thread's priority. Elsewhere than on Linux that would be the whole process's."""
    if sys.platform == "linux":
        os.nice(_NICENESS)

"""What the C library does with memory that was given back to it."""

__all__ = ["give_back_large_blocks"]

import ctypes

_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE_BYTES = 1024 * 1024


def give_back_large_blocks() -> None:
    """From now on blocks of a mebibyte and more go back to the system as soon as they are free.

    A ledger reads files of some MiB and writes batches of as many, in several threads, all day. By itself glibc takes
    the first such block that is freed for a sign that there will be more, and from then on keeps them in its heaps, of
    which it has eight for each processor: they fill up with holes, and the process grows for an hour or so.
    Where there is another C library, nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_ARENA_MAX, 2)

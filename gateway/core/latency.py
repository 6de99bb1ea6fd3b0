"""How long requests took, as a sketch: quantiles within one percent, of any number of requests, from any workers.

A duration is counted in the bin that DDSketch's logarithmic mapping gives it. In bytes a sketch is a row of pairs
(bin, count), which may name a bin more than once: so **one sketch behind another is both merged**, and a database
merges two by putting their bytes together.
"""

__all__ = ["BYTES_MAX", "EMPTY", "Latency", "bin_of", "compact", "packed"]

import math
import struct
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import accumulate
from typing import Final, Self

RELATIVE_ACCURACY: Final = 0.01

EMPTY: Final = b""
# What is longer is worth compacting: most of it are bins that it has already.
BYTES_MAX: Final = 2048

_PAIR: Final = struct.Struct("<HH")
_LOW: Final = 0xFFFF
# Of a pair whose bin has this bit the count is in units of 65,536.
_HIGH_BIN: Final = 0x8000
_GAMMA: Final = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY)
_MULTIPLIER: Final = 1 / math.log(_GAMMA)


def bin_of(duration_us: int) -> int:
    """The bin of a duration; what took less than a microsecond counts as one."""
    return math.ceil(math.log(duration_us) * _MULTIPLIER) if duration_us > 1 else 0


def packed(counts: Mapping[int, int]) -> bytes:
    """The bytes of a sketch with these counts by bin."""
    pack = _PAIR.pack
    parts = []
    for number, count in counts.items():
        if count & _LOW:
            parts.append(pack(number, count & _LOW))
        if count > _LOW:
            parts.append(pack(number | _HIGH_BIN, min(count >> 16, _LOW)))
    return b"".join(parts)


def compact(data: bytes) -> bytes:
    """The same sketch, with each bin once. Raises ValueError for bytes that are no sketch."""
    return Latency.from_bytes(data).to_bytes()


class Latency:
    """Durations, counted."""

    def __init__(self) -> None:
        """None so far."""
        self._counts: dict[int, int] = {}

    @classmethod
    def from_bytes(cls, *parts: bytes) -> Self:
        """What is in all these sketches together. Raises ValueError for bytes that are no sketch."""
        merged = cls()
        counts = merged._counts
        try:
            for number, count in _PAIR.iter_unpack(b"".join(parts)):
                counts[number] = counts.get(number, 0) + count
        except struct.error:
            raise ValueError("a sketch of latencies has an odd length") from None
        for number in [each for each in counts if each & _HIGH_BIN]:
            low = number & ~_HIGH_BIN
            counts[low] = counts.get(low, 0) + (counts.pop(number) << 16)
        return merged

    def to_bytes(self) -> bytes:
        """The sketch in bytes, each bin once, in order."""
        return packed(dict(sorted(self._counts.items())))

    def add(self, duration_seconds: float, count: int = 1) -> None:
        """Count `count` requests that took so long."""
        number = bin_of(round(duration_seconds * 1_000_000))
        self._counts[number] = self._counts.get(number, 0) + count

    def merge(self, other: "Latency") -> None:
        """Count what `other` has, too."""
        for number, count in other._counts.items():
            self._counts[number] = self._counts.get(number, 0) + count

    @property
    def count(self) -> int:
        """How many requests there are."""
        return sum(self._counts.values())

    def quantiles(self, shares: Iterable[float]) -> list[float | None]:
        """Seconds within which each share (0 to 1) of the requests ended, as DDSketch says; None without any."""
        ordered = sorted(self._counts.items())
        ends = list(accumulate(count for _, count in ordered))
        if not ends:
            return [None for _ in shares]
        # Its own search goes through the bins once for each share, and a chart has hundreds of points.
        bins = (ordered[bisect_right(ends, share * (ends[-1] - 1))][0] for share in shares)
        return [_value_us(number) / 1_000_000 for number in bins]


@cache
def _value_us(number: int) -> float:
    """What a duration in this bin is taken for."""
    # Here, because a worker writes sketches and never reads one.
    from ddsketch.mapping import LogarithmicMapping  # noqa: PLC0415

    return float(LogarithmicMapping(RELATIVE_ACCURACY).value(number))

"""What is measured: a central case, and others that differ from it in one thing each."""

__all__ = [
    "CENTRAL",
    "GATEWAY",
    "ONE_WORKER",
    "TWO_WORKERS",
    "Body",
    "Case",
    "Part",
    "Series",
    "star",
]

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Final

GATEWAY: Final = "keywright"
ONE_WORKER: Final = "keywright, 1 worker"
TWO_WORKERS: Final = "keywright, 2 workers"


class Body(Enum):
    """What the upstream answers: the path that leads there, and its length."""

    EMPTY = ("/empty", 0)
    SMALL = ("/small", 1024)
    LARGE = ("/large", 102_400)

    @property
    def path(self) -> str:
        """Without a slash at its end."""
        return self.value[0]

    @property
    def length(self) -> int:
        """In bytes."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Case:
    """One load. `keys` are how many distinct ones are used; None: as many as there are.

    Cold: the first use of each key by a process that has just been started, with nothing in Redis. Fresh: each
    request has a path and a request id of its own.
    """

    name: str
    connections: int = 32
    body: Body = Body.SMALL
    keys: int | None = 1
    is_cold: bool = False
    is_fresh: bool = False


class Part(StrEnum):
    """What of it can be asked for by itself."""

    SIDE_BY_SIDE = "side-by-side"
    VARIATIONS = "variations"
    COLD = "cold"
    WORKERS = "workers"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Series:
    """One case, and who is measured on it, in this order."""

    part: Part
    case: Case
    subjects: tuple[str, ...]

    @property
    def is_paced(self) -> bool:
        """Whether latency is measured at a fixed rate, too, beside a client that asks the upstream itself."""
        return self.part is Part.SIDE_BY_SIDE

    @property
    def is_apart(self) -> bool:
        """Whether they have a processor of their own."""
        return self.part is not Part.WORKERS


CENTRAL: Final = Case("32 connections, 1 KiB, 1 key, warm")

_PEERS: Final = (
    *("nginx", "haproxy", "nginx-lua-local", "nginx-lua-redis", "caddy"),
    "naive-aiohttp",
)
# The one that does the same work, and the one that is written in the same way.
_NEAREST: Final = ("nginx-lua-redis", "naive-aiohttp")
_VARIATIONS: Final = (
    replace(CENTRAL, name="1 connection", connections=1),
    replace(CENTRAL, name="256 connections", connections=256),
    replace(CENTRAL, name="no body", body=Body.EMPTY),
    replace(CENTRAL, name="100 KiB", body=Body.LARGE),
    replace(CENTRAL, name="many keys", keys=None),
    replace(CENTRAL, name="no request like another", is_fresh=True),
)
_COLD: Final = replace(CENTRAL, name="many keys, cold", keys=None, is_cold=True)
_SHARED: Final = replace(CENTRAL, name="all on the same processors")


def star(missing: Collection[str] = (), parts: Collection[Part] = tuple(Part)) -> Sequence[Series]:
    """What is measured in each round of these parts, without those who are missing."""
    ours = (GATEWAY, "keywright-aiohttp", "keywright-exact")
    series = (
        Series(Part.SIDE_BY_SIDE, CENTRAL, (*ours, *_PEERS)),
        *(Series(Part.VARIATIONS, case, (GATEWAY, *_NEAREST)) for case in _VARIATIONS),
        Series(Part.COLD, _COLD, (GATEWAY,)),
        Series(Part.WORKERS, _SHARED, (ONE_WORKER, TWO_WORKERS)),
    )
    return [
        replace(each, subjects=tuple(name for name in each.subjects if name not in missing))
        for each in series
        if each.part in parts
    ]

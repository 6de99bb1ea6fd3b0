"""How much memory each process of a gateway takes, and how it grows."""

__all__ = ["Memory", "own_kib", "processes"]

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_SAMPLE_SECONDS = 1.0


def processes(pid: int) -> Iterator[int]:
    """This one, and all that it has started."""
    yield pid
    with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from processes(int(child))


def _name(pid: int, supervisor: int) -> str:
    if pid == supervisor:
        return "supervisor"
    folder = Path(f"/proc/{pid}")
    try:
        name = (folder / "comm").read_text().strip()
        words = (folder / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return "ended"
    # Workers, standby and Valkey have names of their own, once they have been loaded.
    if not name.startswith("python"):
        return name.removeprefix("kw-")
    return "control plane" if b"admin" in words else "starting"


def own_kib(pid: int) -> int:
    """Without pages of files: those of the journal are the kernel's to keep or to drop."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))


def _memory_mib(supervisor: int) -> dict[str, float]:
    """Each process, the private Valkey among them."""
    return {_name(pid, supervisor): own_kib(pid) / 1024 for pid in processes(supervisor)}


Sample = tuple[float, dict[str, float]]


@dataclass(slots=True)
class Memory:
    """Samples (seconds, MiB of each process) that were taken while nothing was being replaced."""

    samples: list[Sample] = field(default_factory=list)
    is_quiet: bool = True

    async def watch(self, supervisor: int, until: float) -> None:
        """Take one every second until then."""
        while time.monotonic() < until:
            if self.is_quiet:
                self.samples.append((time.monotonic(), _memory_mib(supervisor)))
            await asyncio.sleep(_SAMPLE_SECONDS)

    def seen(self) -> dict[str, tuple[float, float]]:
        """First and last of each process that was there at the end."""
        first, last = self.samples[0][1], self.samples[-1][1]
        return {
            name: (round(first.get(name, 0.0), 1), round(value, 1)) for name, value in last.items()
        }

    def slopes_per_hour(self) -> dict[str, float]:
        """Of each process, by least squares through the last third."""
        first, end = self.samples[0][0], self.samples[-1][0]
        last = [sample for sample in self.samples if sample[0] > end - (end - first) / 3]
        slopes = {}
        for name in last[-1][1]:
            points = [(at, values[name]) for at, values in last if name in values]
            slopes[name] = round(3600 * _slope(points), 1)
        return slopes


def _slope(points: Sequence[tuple[float, float]]) -> float:
    if len(points) < 2:
        return 0.0
    mean_at = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    spread = sum((at - mean_at) ** 2 for at, _ in points)
    return sum((at - mean_at) * (value - mean) for at, value in points) / spread

"""A file in the data folder that says that a gateway runs there, who it is, and how its last order went.

It is locked for as long as its process lives, so that a process id is never taken for somebody else's: the
kernel itself says who holds the lock. Several gateways may share a folder, each with a file of its own.
"""

__all__ = ["Presence", "Report", "report_in", "running"]

import contextlib
import fcntl
import json
import os
import struct
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

_PREFIX: Final = "serve-"
_SUFFIX: Final = ".pid"
_DRAFT: Final = ".serve-"
# struct flock: l_type, l_whence, l_start, l_len, l_pid.
_FLOCK: Final = struct.Struct("hhqqi4x")
_REPORT_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Report:
    """How many orders to replace processes a gateway has carried out, and what went wrong with the last."""

    pid: int
    orders: int = 0
    failure: str = ""


class Presence:
    """The file of this process."""

    def __init__(self, descriptor: int) -> None:
        """Made by `declared`."""
        self._descriptor = descriptor
        self._report = Report(os.getpid())
        self._write()

    @classmethod
    @contextlib.contextmanager
    def declared(cls, data_dir: Path) -> Iterator[Self]:
        """Present for as long as the block. The folder is made if it is not there."""
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _ = list(running(data_dir))  # removes what killed ones have left
        descriptor, draft = tempfile.mkstemp(_SUFFIX, _DRAFT, data_dir)
        file = data_dir / Path(draft).name.removeprefix(".")
        try:
            # Locked before it has its name: nobody may find it unlocked. It must not be closed before the
            # end, nor opened again by this process: that would drop the lock.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            present = cls(descriptor)
            Path(draft).rename(file)
            yield present
        finally:
            file.unlink(missing_ok=True)
            os.close(descriptor)

    def carried_out(self, failure: str = "") -> None:
        """Say that an order has been carried out, or why it was not."""
        self._report = Report(self._report.pid, self._report.orders + 1, failure)
        self._write()

    def _write(self) -> None:
        line = json.dumps(asdict(self._report)).encode()[: _REPORT_BYTES - 1] + b"\n"
        os.pwrite(self._descriptor, line, 0)
        os.ftruncate(self._descriptor, len(line))


def running(data_dir: Path) -> Iterator[tuple[int, Path]]:
    """Each gateway that runs on this folder: its process id (0: one that this process cannot see) and its file."""
    for file in sorted(data_dir.glob(f"{_PREFIX}*{_SUFFIX}")):
        with contextlib.suppress(OSError):  # somebody else's, or gone meanwhile
            pid = _holder(file)
            if pid is None:
                file.unlink()
            else:
                yield pid, file


def _holder(file: Path) -> int | None:
    with file.open("rb+") as opened:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(opened, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else pid


def report_in(file: Path) -> Report | None:
    """What the gateway of this file says; None when it cannot be read just now."""
    try:
        said = json.loads(file.read_bytes())
        return Report(int(said["pid"]), int(said["orders"]), str(said["failure"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None

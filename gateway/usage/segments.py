"""A worker's folder in the journal: its segment files, who holds it, and how far it has been shipped.

    data_dir/journal/<worker>/00000000.kwj    segments, numbered upwards; a living worker has the next one ready
                              place           how far the ledger has come

Whoever writes into a folder holds a lock on it for life, which the kernel takes away from the dead.
"""

__all__ = [
    "Hold",
    "Place",
    "make_segment",
    "read_place",
    "remove_place",
    "segment_numbers",
    "segment_path",
    "segments_bytes",
    "waiting_bytes",
    "worker_folders",
    "write_place",
]

import contextlib
import fcntl
import mmap
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

_SUFFIX: Final = ".kwj"
_PLACE_FILE: Final = "place"
_PLACE: Final = struct.Struct("<8sQQqI")
_PLACE_MARK: Final = b"KWPLACE1"


class Place(NamedTuple):
    """The next byte to ship, and the number that the entry there should have; -1 if that is not known."""

    segment: int
    offset: int
    sequence: int


class Hold:
    """A folder that nobody else holds, for as long as this process lives or until `release`."""

    def __init__(self, descriptor: int) -> None:
        """`descriptor` is the folder's, locked."""
        self._descriptor = descriptor

    @classmethod
    def take(cls, folder: Path) -> Self | None:
        """The hold on `folder`; None when another has it. Raises OSError."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Make `folder` and hold it. Raises OSError."""
        while True:
            folder.mkdir(mode=0o700, exist_ok=True)
            # The ledger may have taken it, empty and held by nobody, for one that was left, and removed it.
            with contextlib.suppress(FileNotFoundError):
                if (hold := cls.take(folder)) is not None and hold._is_of(folder):
                    return hold

    def _is_of(self, folder: Path) -> bool:
        is_same = False
        with contextlib.suppress(FileNotFoundError):
            is_same = os.path.samestat(os.fstat(self._descriptor), folder.stat())
        if not is_same:
            self.release()
        return is_same

    def release(self) -> None:
        """Let others have it; once more does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def worker_folders(root: Path) -> Sequence[Path]:
    """The folders in the journal's, by name."""
    try:
        with os.scandir(root) as found:
            return sorted(Path(one.path) for one in found if one.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return ()


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"{number:08d}{_SUFFIX}"


def segment_numbers(folder: Path) -> Sequence[int]:
    """Which segments there are, the oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return ()
    stems = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def segments_bytes(root: Path) -> int:
    """How large all segments of all workers are."""
    total = 0
    for folder in worker_folders(root):
        for number in segment_numbers(folder):
            with contextlib.suppress(FileNotFoundError):
                total += segment_path(folder, number).stat().st_size
    return total


def waiting_bytes(root: Path) -> int:
    """How much of all segments the ledger has not come to yet, zeros at their ends included."""
    total = 0
    for folder in worker_folders(root):
        place = read_place(folder) or Place(0, 0, 0)
        for number in segment_numbers(folder):
            with contextlib.suppress(FileNotFoundError):
                size = segment_path(folder, number).stat().st_size
                total += size * (number >= place.segment) - place.offset * (number == place.segment)
    return total


def make_segment(path: Path, size: int) -> mmap.mmap:
    """A new segment, all zeros, mapped. Raises OSError when there is no room for the whole of it.

    Only now can the disk be full: each block is given out here, so that writing to the map cannot fail.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
        return mmap.mmap(descriptor, size)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def read_place(folder: Path) -> Place | None:
    """How far the ledger has come; None if it has not begun, or if that cannot be read."""
    try:
        data = (folder / _PLACE_FILE).read_bytes()
    except FileNotFoundError:
        return None
    if len(data) != _PLACE.size:
        return None
    mark, segment, offset, sequence, checksum = _PLACE.unpack(data)
    if mark != _PLACE_MARK or checksum != zlib.crc32(data[:-4]):
        return None
    return Place(segment, offset, sequence)


def write_place(folder: Path, place: Place) -> None:
    """Remember how far the ledger has come. Raises OSError."""
    data = _PLACE.pack(_PLACE_MARK, *place, 0)[:-4]
    data += zlib.crc32(data).to_bytes(4, "little")
    descriptor = os.open(folder / _PLACE_FILE, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # In one piece: a kill leaves the old one or the new one, and a loss of power one that is not believed.
        os.pwrite(descriptor, data, 0)
    finally:
        os.close(descriptor)


def remove_place(folder: Path) -> None:
    """Forget how far the ledger has come. Raises OSError."""
    (folder / _PLACE_FILE).unlink(missing_ok=True)

"""A folder for the sockets of one supervisor, which others may not enter and whose path is short enough.

It lies in the data folder, or where there is room when that is too deep. What a killed supervisor has
left is removed by the next one.
"""

__all__ = ["socket_folder"]

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from gateway.core.errors import Misuse

# sockaddr_un.sun_path holds 108 bytes on Linux, one of them the closing zero.
_PATH_BYTES_MAX: Final = 107
_PREFIX: Final = "keywright-run-"
_LOCK: Final = "lock"
_LONGEST_NAME: Final = "worker-999.sock"
# What `mkdtemp` adds to a prefix.
_RANDOM_LENGTH: Final = 8


@contextlib.contextmanager
def socket_folder(data_dir: Path, *, elsewhere: Sequence[Path] | None = None) -> Iterator[Path]:
    """An empty folder of mode 0700, removed at the end of the block. Raises Misuse when none can be made.

    `elsewhere` are the places for when the data folder will not do; None: the machine's temporary ones.
    """
    places = [data_dir.resolve(), *(_temporary() if elsewhere is None else elsewhere)]
    for place in places:
        if not _has_room(place):
            continue
        _sweep(place)
        with contextlib.suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
            break
    else:
        raise Misuse(
            "No folder for sockets can be made: all of these are too deep or may not be written: "
            f"{', '.join(map(str, places))}. Choose a shorter data_dir."
        )
    with _locked(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _temporary() -> Sequence[Path]:
    with contextlib.suppress(FileNotFoundError):
        return (Path(tempfile.gettempdir()), Path("/dev/shm"))  # noqa: S108 -- mkdtemp's folders are our own
    return (Path("/dev/shm"),)  # noqa: S108


def _has_room(place: Path) -> bool:
    longest = place / (_PREFIX + "x" * _RANDOM_LENGTH) / _LONGEST_NAME
    return len(os.fsencode(longest)) <= _PATH_BYTES_MAX


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which says that its supervisor lives."""
    # Locked before it has its name: nobody may find it unlocked.
    draft = folder / f".{_LOCK}"
    with draft.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.rename(folder / _LOCK)
        yield


def _sweep(place: Path) -> None:
    """Remove the folders of supervisors that no longer live."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, or removed meanwhile
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)

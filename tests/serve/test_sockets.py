"""The folder of a supervisor's sockets."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.errors import Misuse
from gateway.serve.sockets import socket_folder

NAME = "worker-0.sock"


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose name leaves room for that of a socket, which pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="kw-") as folder:
        yield Path(folder)


def _can_be_bound(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder / NAME))
    return True


def test_it_is_for_this_user_alone_and_goes_with_its_supervisor(short_path: Path) -> None:
    """Nobody else may enter the folder, and nothing of it is left."""
    with socket_folder(short_path) as folder:
        assert folder.parent == short_path
        assert folder.stat().st_mode & 0o077 == 0
        assert _can_be_bound(folder)

    assert list(short_path.iterdir()) == []


@pytest.mark.parametrize("depth", [60, 90, 200])
def test_a_deep_data_folder_is_no_obstacle(short_path: Path, depth: int) -> None:
    """However long the path of the data folder, sockets find a place where the kernel takes their names."""
    deep = short_path / ("d" * depth)
    deep.mkdir()

    with socket_folder(deep) as folder:
        assert _can_be_bound(folder)
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_a_data_folder_that_is_not_there_yet(short_path: Path) -> None:
    """The first start makes its data folder later; the sockets do not need it."""
    with socket_folder(short_path / "later") as folder:
        assert _can_be_bound(folder)


def test_a_place_that_cannot_be_had_is_told(short_path: Path) -> None:
    """When neither the data folder nor another place will do, the message names them and what to change."""
    deep = short_path / ("d" * 150)
    refused = pytest.raises(Misuse, match=r"Choose a shorter data_dir\.$")

    with refused as told, socket_folder(deep, elsewhere=[short_path / "nowhere"]):
        pass

    assert str(deep) in str(told.value)


def _left_by_a_killed_one(place: Path) -> Path:
    """As after kill -9: the kernel has dropped the lock, and the files are there."""
    dies = (
        "import os, pathlib, sys\n"
        "from gateway.serve.sockets import socket_folder\n"
        "with socket_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    print(folder, flush=True)\n"
        "    os._exit(9)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", dies, str(place)], stdout=subprocess.PIPE, text=True, check=False
    ).stdout
    folder = Path(said.strip())
    (folder / NAME).touch()
    return folder


def test_what_a_killed_supervisor_left_is_removed_by_the_next(short_path: Path) -> None:
    """Folders do not pile up; that of a supervisor that lives is left alone."""
    left = _left_by_a_killed_one(short_path)
    assert left.exists()

    with socket_folder(short_path) as first, socket_folder(short_path) as second:
        assert not left.exists()
        assert first.exists()
        assert second.exists()
        assert first != second

"""Where peppers come from, and what is said when they cannot be had."""

import concurrent.futures
import json
import multiprocessing
import stat
from pathlib import Path

import pytest

from gateway.core.errors import Misuse
from gateway.stores.peppers import FILE_NAME, load

LONG = "correct horse battery staple, twice over"
OTHER = "another pepper of more than enough letters"
ENTRY = {"id": "aaaa1111", "value": "ab" * 32}
OLDER = {"id": "bbbb2222", "value": "cd" * 32}


def _file(folder: Path, content: object, mode: int = 0o600) -> Path:
    path = folder / FILE_NAME
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def test_the_first_start_makes_a_pepper_that_stays(tmp_path: Path) -> None:
    """A restart finds the same pepper, in a file that only its owner may read, in folders made for it."""
    folder = tmp_path / "var" / "keywright"

    made = load(folder, None)

    assert load(folder, None) == made
    assert len(made.current.value) == 32
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    assert [entry.name for entry in folder.iterdir()] == [FILE_NAME]


def test_two_installations_have_different_peppers(tmp_path: Path) -> None:
    """A digest from one installation is worth nothing in another."""
    assert load(tmp_path / "a", None).current != load(tmp_path / "b", None).current


def _load(folder: Path) -> tuple[str, bytes]:
    current = load(folder, None).current
    return current.id, current.value


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    """Workers racing on the first start never hash under peppers of their own."""
    processes = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(4, mp_context=processes) as pool:
        for number in range(10):
            folders = [tmp_path / str(number)] * 8

            assert len(set(pool.map(_load, folders))) == 1


def test_older_peppers_are_kept_for_older_digests(tmp_path: Path) -> None:
    """A change of pepper does not make the digests before it unreadable."""
    _file(tmp_path, {"current": "bbbb2222", "peppers": [ENTRY, OLDER]})

    peppers = load(tmp_path, None)

    assert peppers.current.id == "bbbb2222"
    assert [pepper.id for pepper in peppers.older] == ["aaaa1111"]
    assert peppers.older[0].value == b"\xab" * 32


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        pytest.param({"current": "aaaa1111", "peppers": [ENTRY]}, 0o640, "chmod 600", id="group"),
        pytest.param({"current": "aaaa1111", "peppers": [ENTRY]}, 0o604, "chmod 600", id="world"),
        pytest.param("", 0o600, "remove it", id="empty"),
        pytest.param('{"current": "aaaa1111", "pep', 0o600, "remove it", id="cut-off"),
        pytest.param([], 0o600, "remove it", id="a-list"),
        pytest.param("[" * 60_000, 0o600, "remove it", id="bottomless"),
        pytest.param({"current": "aaaa1111"}, 0o600, "remove it", id="no-peppers"),
        pytest.param({"current": "x", "peppers": [ENTRY]}, 0o600, "remove it", id="no-current"),
        pytest.param(
            {"current": "a", "peppers": [{"id": "a", "value": "ab" * 31}]},
            0o600,
            "remove it",
            id="too-short",
        ),
        pytest.param(
            {"current": "a", "peppers": [{"id": "a", "value": "no hex at all" * 9}]},
            0o600,
            "remove it",
            id="not-hex",
        ),
        pytest.param(
            {"current": "a", "peppers": [{"id": "a", "value": 7}]}, 0o600, "remove it", id="number"
        ),
    ],
)
def test_an_unsafe_or_damaged_file_is_refused(
    tmp_path: Path, content: object, mode: int, says: str
) -> None:
    """The operator is told which file, and what to do; the file is left as it was, and not quoted."""
    path = _file(tmp_path, content, mode)
    before = path.read_bytes()

    with pytest.raises(Misuse) as caught:
        load(tmp_path, None)

    told = str(caught.value)
    assert str(path) in told
    assert says in told
    assert ENTRY["value"] not in told
    assert caught.value.__context__ is None
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """A wrong data_dir ends in a sentence that names it and the settings that help, not in a stack trace."""
    data_dir = tmp_path / "taken"
    data_dir.touch()

    with pytest.raises(Misuse, match="data_dir") as caught:
        load(data_dir, None)

    assert str(data_dir) in str(caught.value)
    assert "keys.pepper" in str(caught.value)


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    """What is no file is named, and not replaced."""
    (tmp_path / FILE_NAME).mkdir()

    with pytest.raises(Misuse, match=FILE_NAME):
        load(tmp_path, None)


def test_a_pepper_from_the_environment_is_used_alone(tmp_path: Path) -> None:
    """Whoever hands the pepper over finds no second one on disk, and every process gives it the same id."""
    peppers = load(tmp_path / "never", LONG.replace(",", ""))

    assert peppers == load(tmp_path, LONG.replace(",", ""))
    assert peppers.older == ()
    assert not (tmp_path / "never").exists()


def test_several_from_the_environment_are_current_then_older(tmp_path: Path) -> None:
    """The pepper can be changed without a moment at which older digests are unreadable."""
    old = load(tmp_path, OTHER).current

    both = load(tmp_path, f"{'n' * 32} , {OTHER}\n")

    assert both.current.value == b"n" * 32
    assert both.older == (old,)


@pytest.mark.parametrize("text", ["", "short", "x" * 31, f"{'x' * 32},", f"{'x' * 32},short"])
def test_a_weak_pepper_is_refused(tmp_path: Path, text: str) -> None:
    """A pepper that could be guessed is refused with the way to a better one, and is not quoted."""
    with pytest.raises(Misuse, match="openssl rand -hex 32") as caught:
        load(tmp_path, text)

    assert "short" not in str(caught.value)


def test_no_pepper_is_ever_shown(tmp_path: Path) -> None:
    """Settings and objects that hold peppers can be printed."""
    peppers = load(tmp_path, OTHER)

    assert OTHER not in f"{peppers!r} {peppers!s} {peppers.current}"

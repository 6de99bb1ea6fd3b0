"""One file per mistake: `bad/*.yaml`, each with the lines that it must give in comments at its top."""

from pathlib import Path

import pytest

from gateway.settings import SettingsError, load, read

BAD = Path(__file__).parent / "bad"
FILES = sorted(BAD.glob("*.yaml"))
# Stands in the files where a message might repeat a secret.
SECRET = "hunter2"


def _expected(path: Path) -> list[str]:
    lines = path.read_text().splitlines()
    return [line.removeprefix("# expect: ") for line in lines if line.startswith("# expect: ")]


def _told(path: Path) -> list[str]:
    return [str(one).removeprefix(f"{path}:").strip() for one in read(path, {}).problems]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_message(path: Path) -> None:
    """Each mistake is told with its line, its field, and what would be right."""
    expected = _expected(path)

    assert expected
    assert _told(path) == expected


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_secret_and_no_foreign_words(path: Path) -> None:
    """A message repeats no password, and no library's way of speaking."""
    text = "\n".join(_told(path)).lower()

    for word in (SECRET, "pydantic", "input should", "valid dictionary", "traceback", "token"):
        assert word not in text


def test_load_raises_them_all() -> None:
    """Whoever only wants settings gets one exception that has every mistake, one a line."""
    path = BAD / "many_at_once.yaml"

    with pytest.raises(SettingsError) as caught:
        load(path, {})

    assert len(caught.value.problems) == len(_expected(path)) > 10
    assert str(caught.value).splitlines() == [str(one) for one in caught.value.problems]
    assert all(line.startswith(f"{path}:") for line in str(caught.value).splitlines())


def test_every_file_is_wrong_in_one_way() -> None:
    """The files stay examples of a single mistake; only the one that says so has many."""
    several = {"many_at_once", "missing_in_route", "missing_in_limit", "yaml_merge_key"}

    assert {path.stem for path in FILES if len(_expected(path)) > 1} == several

"""Facts about the tree that a reader relies on and nobody would notice breaking."""

import re
import subprocess
from pathlib import Path

import pytest

from hatch_build import MODULES

ROOT = Path(__file__).parents[2]


def tracked() -> list[Path]:
    """Every file that git would commit."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_name_says_nothing() -> None:
    """A room is named after what is in it."""
    empty = re.compile(r"^(utils?|helpers?|common|misc|manager|base)\.py$")

    assert [path for path in tracked() if empty.match(path.name)] == []


@pytest.mark.parametrize(
    "name", ["constraints.txt", "constraints-dev.txt", "constraints-compiled.txt"]
)
def test_lock_file_pins_by_hash_and_names_no_index(name: str) -> None:
    """What is installed is what was tested, wherever it is fetched from."""
    text = (ROOT / name).read_text()
    pins = re.findall(r"^([a-z0-9._-]+)==\S+", text, re.MULTILINE | re.IGNORECASE)
    unhashed = re.findall(r"^[^\s#][^\\\n]*$", text, re.MULTILINE)

    assert len(pins) > 20
    assert unhashed == []
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE)


def test_readme_and_ci_run_the_same_tests() -> None:
    """A green CI means that every test of the reader's own `make test` passes, at the latest when run by itself."""
    assert "make test" in (ROOT / "README.md").read_text()
    assert re.search(
        r"^make test \|\| make test-failed$",
        (ROOT / ".ci/run").read_text(),
        re.MULTILINE,
    )


def test_image_runs_as_nobody_special_and_is_watched() -> None:
    """A break-in through the gateway finds no root, and a hung container is noticed."""
    text = (ROOT / "Dockerfile").read_text()

    assert re.search(r"^USER 1\d{4}", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert "/healthz" in text
    assert text.count("\nFROM ") == 2


def test_what_is_compiled_is_there() -> None:
    """Nothing falls out of what is compiled because it was given another name."""
    assert [name for name in MODULES if not (ROOT / name).is_file()] == []


def test_what_is_compiled_is_not_weakly_referred_to() -> None:
    """Compiled classes know no weak references; whoever makes one to theirs fails, and only when compiled."""
    slots = [name for name in MODULES if "__weakref__" in (ROOT / name).read_text()]

    assert slots == []

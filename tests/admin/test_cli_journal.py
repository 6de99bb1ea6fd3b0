"""`keywright journal`: an operator reads what lies in the journal, and ships what a gateway left."""

import dataclasses
import json
import subprocess
from pathlib import Path

import pytest

from gateway.usage.journal import Journal
from gateway.usage.segments import Hold, segment_path, worker_folders
from tests.fixtures_gateway import CLI, PATIENCE_SECONDS, clean_environment
from tests.usage.shelf import RECORD, cut, numbered, refused


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a configuration, an empty database, and a journal of three requests and a refusal."""
    (tmp_path / "keywright.yaml").write_text(f"data_dir: {tmp_path / 'data'}\n")
    assert run(tmp_path, "migrate").returncode == 0
    lost: list[int] = []
    journal = Journal(tmp_path / "data" / "journal", "w_1", on_lost=lost.append)
    for number in range(3):
        journal.record(numbered(number))
    journal.record(refused(60))
    journal.close()
    assert not lost
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The real command, in the folder."""
    config = [] if "cat" in words else ["-c", str(folder / "keywright.yaml")]
    return subprocess.run(
        [*CLI, *words, *config],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
    )


def test_a_file_is_shown_as_json_lines(place: Path) -> None:
    """Each entry is a line with all that was recorded; a damaged one is told apart from them."""
    worker = place / "data" / "journal" / "w_1"
    cut(worker, 0, 200, b"\xff")
    done = run(place, "journal", "cat", str(segment_path(worker, 0)))
    lines = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0
    assert lines[0] == {"sequence": 0, **dataclasses.asdict(RECORD), "request_id": "0"}
    assert [line["sequence"] for line in lines] == [0, 2, 3]
    assert lines[2]["refused"] == [{"minute": 1, "outcome": "missing_key", "total": 1}]
    assert done.stderr == "keywright: 128 bytes from byte 128 on are no entry; skipped\n"


@pytest.mark.parametrize("name", ["missing.kwj", "."])
def test_what_is_no_file_is_told(tmp_path: Path, name: str) -> None:
    """A slip in the name is a sentence, and the exit code of misuse."""
    done = run(tmp_path, "journal", "cat", str(tmp_path / name))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"keywright: {tmp_path}")


def test_what_was_left_is_shipped(place: Path) -> None:
    """After the command all of it is in the database, and the journal is empty; once more, nothing happens."""
    done = [run(place, "journal", "ship") for _ in range(2)]

    assert [one.stdout for one in done] == ["Shipped 3 records.\n", "Shipped 0 records.\n"]
    assert not worker_folders(place / "data" / "journal")


def test_damage_is_told(place: Path) -> None:
    """The operator hears how much of what was left could not be read."""
    cut(place / "data" / "journal" / "w_1", 0, 200, b"\xff")
    done = run(place, "journal", "ship", "--json")

    assert json.loads(done.stdout) == {"records": 2, "damaged": 1}


def test_a_running_gateways_journal_is_left_to_it(place: Path) -> None:
    """Two that ship the same would be in each other's way."""
    hold = Hold.take(place / "data" / "journal")
    done = run(place, "journal", "ship")

    assert hold is not None
    hold.release()
    assert done.returncode == 2
    assert "A gateway is running on this data folder" in done.stderr


def test_without_a_database_nothing_is_lost(place: Path) -> None:
    """While SQL is away the command says so, and what is in the journal stays there."""
    (place / "data" / "keywright.sqlite3").rename(place / "away")
    failed = run(place, "journal", "ship")
    (place / "away").rename(place / "data" / "keywright.sqlite3")

    assert failed.returncode in {1, 2}
    assert failed.stderr.startswith("keywright: ")
    assert run(place, "journal", "ship").stdout == "Shipped 3 records.\n"

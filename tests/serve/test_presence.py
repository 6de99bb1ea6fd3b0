"""How commands find the gateway of a data folder."""

import subprocess
import sys
from pathlib import Path

from gateway.presence import report_in, running

DECLARES = (
    "import pathlib, sys\n"
    "from gateway.presence import Presence\n"
    "with Presence.declared(pathlib.Path(sys.argv[1])) as present:\n"
    "    print('here', flush=True)\n"
    "    for failure in map(str.strip, sys.stdin):\n"
    "        present.carried_out(failure)\n"
    "        print('told', flush=True)\n"
)


def _start(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", DECLARES, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    return process


def test_each_gateway_of_a_folder_is_found_while_it_lives(tmp_path: Path) -> None:
    """By its process id, which the kernel vouches for; afterwards nothing is left."""
    with _start(tmp_path) as first, _start(tmp_path) as second:
        assert {pid for pid, _ in running(tmp_path)} == {first.pid, second.pid}
        first.communicate()
        assert [pid for pid, _ in running(tmp_path)] == [second.pid]
        second.communicate()

    assert list(tmp_path.iterdir()) == []


def test_a_killed_one_is_not_taken_for_a_living_one(tmp_path: Path) -> None:
    """Its file stays, nobody holds its lock, and it is removed."""
    with _start(tmp_path) as process:
        process.kill()
    assert len(list(tmp_path.iterdir())) == 1

    assert list(running(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_it_says_how_an_order_went(tmp_path: Path) -> None:
    """Whoever gave the order reads that it was carried out, or why not; a shorter report leaves nothing of a longer."""
    with _start(tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ((_, file),) = running(tmp_path)
        reports = [report_in(file)]
        for failure in ("a long reason", ""):
            process.stdin.write(failure + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "told\n"
            reports.append(report_in(file))
        process.communicate()

    told = [(each.pid, each.orders, each.failure) for each in reports if each is not None]
    assert told == [(process.pid, 0, ""), (process.pid, 1, "a long reason"), (process.pid, 2, "")]


def test_no_folder_no_gateway(tmp_path: Path) -> None:
    """A data folder that is not there yet is no mistake."""
    assert list(running(tmp_path / "none")) == []

"""A process that handles large batches stays as large as one of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures_gateway import clean_environment

# Large blocks between small ones that stay, as batches are between what a process remembers. Prints MiB that remain.
PROGRAM = """
import re, sys
from pathlib import Path
from gateway.memory import give_back_large_blocks

def own():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

if sys.argv[1] == "given back":
    give_back_large_blocks()
b"x" * (4 << 20)
before = own()
large, kept = [], []
for _ in range(30):
    large.append(b"x" * (3 << 20))
    kept.append(b"x" * 10_000)
assert own() - before > 80
large.clear()
print(own() - before)
"""


@pytest.mark.parametrize(("how", "grows"), [("given back", False), ("as it comes", True)])
def test_large_blocks_are_given_back(how: str, grows: bool) -> None:
    """What a batch took is the system's again behind it; without being told so the C library keeps it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        env=clean_environment(),
        check=True,
    )
    assert (int(done.stdout) > 40) is grows

"""`keywright demo`, as a newcomer meets it."""

import asyncio
import json
import os
import re
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

# Generous: the machine may be busy with other tests.
PATIENCE_SECONDS = 60.0


async def _document(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """The JSON document that the demo writes before it goes on running."""
    assert process.stdout is not None
    lines: list[bytes] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not lines or lines[-1] not in {b"}\n", b""}:
            lines.append(await process.stdout.readline())
    document: dict[str, Any] = json.loads(b"".join(lines))
    return document


async def _last_status(client: aiohttp.ClientSession, command: str) -> int:
    """What curl would be answered last for this command line, read as a shell reads it."""
    words = shlex.split(command)
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    headers = [words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H"]
    (url,) = (word for word in words if word.startswith("http"))
    ranged = re.fullmatch(r"(.*)\[(\d+)-(\d+)\]", url)
    first, last = (int(ranged[2]), int(ranged[3])) if ranged else (0, 0)
    status = 0
    for number in range(first, last + 1):
        target = f"{ranged[1]}{number}" if ranged else url
        async with client.request(method, target, headers=dict(headers)) as answer:
            status = answer.status
    return status


def _is_over(process: psutil.Process) -> bool:
    try:
        # Where nothing reaps orphans, one that has ended stays a zombie.
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def _all_over(processes: list[psutil.Process]) -> bool:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all(map(_is_over, processes)):  # noqa: ASYNC110 -- of other processes
            await asyncio.sleep(0.02)
    return True


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose name leaves room for that of a socket, which pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="kw-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
async def test_the_demo_shows_what_it_promises_and_leaves_nothing(
    short_path: Path, number: int
) -> None:
    """Four pasted commands give 200, 403, 401 and 429, the console can be set up, and Ctrl-C stops all of it."""
    began_at = time.monotonic()
    demo = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-P",
            "-m",
            "admin.cli",
            "demo",
            "--port",
            "0",
            "--admin-port",
            "0",
            "--json",
        ),
        cwd=short_path,
        env={**os.environ, "TMPDIR": str(short_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        told = await _document(demo)
        took_seconds = time.monotonic() - began_at
        async with aiohttp.ClientSession() as client:
            seen = [await _last_status(client, each["command"]) for each in told["examples"]]
            async with client.get(f"{told['admin']}/metrics") as answer:
                metrics = await answer.text()
            async with client.get(told["set_up"]) as answer:
                way_in = answer.status, await answer.text()
        started = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(number)
        _, steps = await asyncio.wait_for(demo.communicate(), PATIENCE_SECONDS)
    finally:
        if demo.returncode is None:
            demo.kill()
            await demo.wait()

    assert seen == [each["status"] for each in told["examples"]] == [200, 403, 401, 429]
    assert demo.returncode == 0
    assert way_in[0] == 200
    assert "Set up the console" in way_in[1]
    assert len(started) >= 3
    assert await _all_over(started)
    assert took_seconds < PATIENCE_SECONDS / 2
    assert _names(short_path) == []
    secrets = [key["secret"] for key in told["keys"]]
    assert not any(secret in metrics or secret.encode() in steps for secret in secrets)

"""The demo's parts: its configuration, its commands, its processes."""

import asyncio
import os
import shlex
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from admin.demo.config import DEMO_KEYS, DemoKey, Ports, Prepared, config_text, examples
from admin.demo.demo import Demo, Place, run
from admin.demo.processes import Child
from gateway.core.errors import KeywrightError, Misuse
from gateway.settings import load

PORTS = Ports(proxy=1, admin=2, upstream=3)


def _silent(_: object) -> None:
    return


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def _spoil(config: Path) -> None:
    config.write_text("listen: 3\n", encoding="utf-8")


async def _no_keys(_: Path) -> Prepared:
    return Prepared([DemoKey("key_x", name, "s") for name in DEMO_KEYS], None)


def _has_ended(process: psutil.Process) -> bool:
    try:
        # Where nothing reaps orphans, one that has ended stays a zombie.
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def _is_over(process: psutil.Process) -> bool:
    async with asyncio.timeout(10):
        while not _has_ended(process):  # noqa: ASYNC110 -- of another process
            await asyncio.sleep(0.01)
    return True


def test_the_configuration_is_one(tmp_path: Path) -> None:
    """What the demo writes is a good example of a configuration, whatever its folder is called."""
    odd = tmp_path / 'a "b" # c: \\d'
    file = tmp_path / "keywright.yaml"
    file.write_text(config_text(PORTS, odd), encoding="utf-8")
    settings = load(file, {}, to_serve=True)

    assert settings.data_dir == odd
    assert (settings.listen.port, settings.admin.port) == (1, 2)
    assert settings.upstreams["demo"].targets == ("http://127.0.0.1:3",)
    assert set(DEMO_KEYS) == set(settings.scopes)


def test_the_third_billing_call_cannot_fit(tmp_path: Path) -> None:
    """The command that promises a 429 keeps the promise on the slowest machine."""
    file = tmp_path / "keywright.yaml"
    file.write_text(config_text(PORTS, tmp_path), encoding="utf-8")
    settings = load(file, {})
    (limit,) = settings.plans["starter"].limits
    cost = next(route.cost for route in settings.routes if route.name == "billing")
    seconds_until_it_would = (3 * cost - limit.quota) * limit.window_seconds / limit.quota

    assert 3 * cost > limit.quota >= 2 * cost
    assert seconds_until_it_would >= 10


def test_examples_are_commands() -> None:
    """Each line can be pasted into a shell as it is, and asks for what it says."""
    secrets = {name: f"sk_test_{name}" for name in DEMO_KEYS}
    told = {each.status: shlex.split(each.command) for each in examples(PORTS, secrets)}

    assert list(told) == [200, 403, 401, 429]
    assert all(words[0] == "curl" for words in told.values())
    assert "Authorization: Bearer sk_test_read-only" in told[200]
    assert "Authorization: Bearer sk_test_read-only" in told[403]
    assert told[403][told[403].index("-X") + 1] == "DELETE"
    assert not any("Authorization" in word for word in told[401])
    assert "http://127.0.0.1:1/v1/billing?call=[1-3]" in told[429]


@pytest.mark.parametrize("option", ["--port", "--admin-port"])
async def test_a_busy_port_is_told_before_anything_starts(tmp_path: Path, option: str) -> None:
    """Whoever has something on :8080 already learns which option chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = taken.getsockname()[1]
        place = Place(busy, 0, tmp_path) if option == "--port" else Place(0, busy, tmp_path)
        with pytest.raises(Misuse, match=rf"port {busy} .*; .* choose another with {option}$"):
            await run(Demo(_no_keys, _silent, _silent), place)

    assert _files(tmp_path) == []


async def test_a_folder_that_cannot_be_had(tmp_path: Path) -> None:
    """A folder that cannot be made is named, with the option that chooses another."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(Misuse, match="choose another with --data-dir"):
        await run(Demo(_no_keys, _silent, _silent), Place(0, 0, tmp_path / "file" / "folder"))


async def test_a_gateway_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    """When the gateway ends by itself, its last words are shown and the upstream is stopped too."""

    async def spoils(config: Path) -> Prepared:
        _spoil(config)
        return await _no_keys(config)

    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(KeywrightError, match="the gateway has ended"):
        await run(Demo(spoils, _silent, _silent), Place(0, 0, tmp_path))

    assert set(psutil.Process().children(recursive=True)) <= before


async def test_a_signal_during_the_start_stops_everything(tmp_path: Path) -> None:
    """Ctrl-C works from the first moment on, not only once all is ready."""
    steps: list[str] = []

    async def hangs(_: Path) -> Prepared:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
        return Prepared([], None)

    before = set(psutil.Process().children(recursive=True))
    async with asyncio.timeout(20):
        await run(Demo(hangs, steps.append, _silent), Place(0, 0, tmp_path))

    assert steps[-1] == "stopping"
    assert set(psutil.Process().children(recursive=True)) <= before


async def test_a_process_that_will_not_end_is_made_to(tmp_path: Path) -> None:
    """A child that ignores the polite signal is gone all the same."""
    stubborn = (
        "import signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(flush=True)\n"
        "time.sleep(600)\n"
    )
    child = await Child.start("it", ["-c", stubborn], tmp_path / "log", is_heard=True)
    await child.first_line(20)
    process = psutil.Process(child.pid)
    await child.stop(0.05)

    assert await _is_over(process)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can promise this")
async def test_no_process_outlives_a_killed_demo(tmp_path: Path) -> None:
    """Even `kill -9` of the demo leaves nothing behind that holds a port."""
    starts = (
        "import asyncio, sys, pathlib\n"
        "from admin.demo.processes import Child\n"
        "async def main():\n"
        "    child = await Child.start('it', ['-c', 'import time; time.sleep(600)'], pathlib.Path(sys.argv[1]))\n"
        "    print(child.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    outer = await Child.start(
        "outer", ["-c", starts, str(tmp_path / "inner")], tmp_path / "log", is_heard=True
    )
    inner = psutil.Process(int(await outer.first_line(20)))
    os.kill(outer.pid, signal.SIGKILL)
    await outer.stop(1)

    assert await _is_over(inner)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        pytest.param(
            "raise SystemExit('no such luck')",
            "it has ended; its last words:\n  no such luck",
            id="with-words",
        ),
        pytest.param(
            "raise SystemExit(3)", r"it has ended without a word \(exit code 3\)", id="without"
        ),
    ],
)
async def test_a_child_that_ends_is_explained(tmp_path: Path, code: str, words: str) -> None:
    """What a child had to say is not lost with it."""
    child = await Child.start("it", ["-c", code], tmp_path / "log", is_heard=True)

    with pytest.raises(KeywrightError, match=words):
        await child.first_line(20)

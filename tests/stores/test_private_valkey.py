"""The embedded Valkey: private, alone in its folder, and gone with its gateway."""

import asyncio
import os
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gateway.core.errors import Misuse
from gateway.stores.redis_client import RedisStore
from gateway.stores.valkey import PrivateValkey, private_url
from gateway.tasks import Crew

_RUN_AND_WAIT = """
import asyncio, sys
from pathlib import Path
from gateway.stores.valkey import PrivateValkey
async def main():
    async with PrivateValkey(Path(sys.argv[1])) as valkey:
        print(valkey.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="kw-") as name:
        yield Path(name)


async def wait_until(is_so: Callable[[], bool]) -> None:
    """Poll, with a deadline."""
    give_up_at = time.monotonic() + 8
    while not is_so():
        assert time.monotonic() < give_up_at
        await asyncio.sleep(0.01)


async def test_it_serves_this_user_only(folder: Path) -> None:
    """Nobody else can open the socket, and there is no TCP port to try."""
    async with PrivateValkey(folder) as valkey, RedisStore.open(valkey.url) as store:
        await store.check()
        mode = stat.S_IMODE((folder / "valkey.sock").stat().st_mode)
        listens = psutil.Process(valkey.pid).net_connections(kind="inet")

        assert valkey.url == private_url(folder)
        assert (oct(mode), listens) == ("0o600", [])


async def test_it_leaves_nothing_behind_that_hinders_the_next(folder: Path) -> None:
    """Stopped or killed, the folder can be served again at once, and starts empty."""
    for _ in range(2):
        async with PrivateValkey(folder) as valkey, RedisStore.open(valkey.url) as store:
            assert await store.read("size", "DBSIZE") == 0
            await store.write("set", "SET", "k", "v")
        assert not (folder / "valkey.sock").exists()


async def test_a_path_with_odd_letters(folder: Path) -> None:
    """Blanks, percent signs and umlauts in data_dir reach the server as they are."""
    odd = folder / "my data % ü?"
    async with PrivateValkey(odd) as valkey, RedisStore.open(valkey.url) as store:
        await store.check()

        assert (odd / "valkey.sock").exists()


async def test_two_do_not_share_a_folder(folder: Path) -> None:
    """The second gateway on one data folder is told so, and the first goes on."""
    async with PrivateValkey(folder) as valkey, RedisStore.open(valkey.url) as store:
        with pytest.raises(Misuse, match=r"already served by another Keywright.*data_dir"):
            await PrivateValkey(folder).__aenter__()

        assert await store.read("ping", "PING") == b"PONG"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        pytest.param("d" * 120, "too long for a unix socket", id="path-too-long"),
        pytest.param("file/below", "cannot write to the data folder", id="not-a-folder"),
    ],
)
async def test_a_folder_that_cannot_be_used(folder: Path, name: str, words: str) -> None:
    """The message names the folder and what to do; there is no stack trace to read."""
    (folder / "file").touch()

    with pytest.raises(Misuse, match=rf"{words}.*data_dir"):
        await PrivateValkey(folder / name).__aenter__()


async def test_it_dies_with_a_killed_parent(folder: Path) -> None:
    """kill -9 of the gateway leaves no orphan, and the folder is free again."""
    command = (sys.executable, "-c", _RUN_AND_WAIT, str(folder))
    parent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.communicate()
    await wait_until(lambda: not _is_alive(pid))

    async with PrivateValkey(folder) as valkey, RedisStore.open(valkey.url) as store:
        await store.check()


async def test_a_crashed_server_is_started_again(folder: Path) -> None:
    """The out-of-memory killer's victim comes back, and the client finds it by itself."""
    async with PrivateValkey(folder) as valkey, Crew() as crew:
        _ = crew.start("valkey", valkey.run())
        async with RedisStore.open(valkey.url) as store:
            await store.check()
            first = valkey.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await wait_until(lambda: valkey.pid not in {None, first} and store.is_healthy)

            assert await store.write("set", "SET", "k", "v") == b"OK"


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False

"""Every request that was answered is in SQL, once: whoever is killed under load, and whenever."""

import asyncio
import contextlib
import itertools
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil
import pytest

from tests.fixtures_gateway import Gateway, NewSite, Site, eventually

SECONDS = 2.5
LOST = "keywright_usage_lost_total"


@dataclass
class Callers:
    """Use one key on kept connections, each request under an id of its own, and know what was answered."""

    port: int
    secret: str
    answered: set[str] = field(default_factory=set)
    refused: list[int] = field(default_factory=list)
    is_over: bool = False
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    async def call(self) -> None:
        while not self.is_over:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    await self._ask(reader, writer)
                finally:
                    writer.close()
            await asyncio.sleep(0.005)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self.is_over:
            name = f"n-{next(self._numbers)}"
            writer.write(
                f"GET /pub/x HTTP/1.1\r\nHost: h\r\nX-Request-Id: {name}\r\n"
                f"Authorization: Bearer {self.secret}\r\n\r\n".encode()
            )
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            if head.startswith(b"http/1.1 200"):
                self.answered.add(name)
            else:
                self.refused.append(int(head[9:12]))

    async def run(
        self, seconds: float, meanwhile: Callable[[], object], *, callers: int = 8
    ) -> None:
        """Call for `seconds`, and do something every third of them but the last."""
        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(self.call())
            for _ in range(2):
                await asyncio.sleep(seconds / 3)
                await asyncio.to_thread(meanwhile)
            await asyncio.sleep(seconds / 3)
            self.is_over = True


def recorded(site: Site) -> Counter[str]:
    """How often each request is in SQL."""
    with contextlib.closing(sqlite3.connect(site.data_dir / "keywright.sqlite3")) as database:
        rows = database.execute("SELECT request_id FROM usage_records WHERE status = 200")
        return Counter(name for (name,) in rows)


def uses(site: Site) -> int:
    """How many uses are counted of all secrets."""
    with contextlib.closing(sqlite3.connect(site.data_dir / "keywright.sqlite3")) as database:
        return int(database.execute("SELECT sum(count) FROM secret_uses").fetchone()[0])


def children(gateway: Gateway, word: str) -> list[psutil.Process]:
    """The processes of this gateway that are called so, or have the word in their command line."""
    found = []
    for child in psutil.Process(gateway.process.pid).children():
        with contextlib.suppress(psutil.Error):
            if word in {child.name(), *child.cmdline()}:
                found.append(child)
    return found


def is_ready(gateway: Gateway) -> bool:
    """Whether it says that it is."""
    with contextlib.suppress(OSError):
        return gateway.admin("/readyz").status == 200
    return False


def check(site: Site, callers: Callers) -> None:
    """All that was answered is in SQL once, and the uses that are counted are those."""
    found = recorded(site)

    assert len(callers.answered) > 100
    assert callers.answered - found.keys() == set()
    assert [name for name, count in found.items() if count > 1] == []
    assert uses(site) == sum(found.values())


@pytest.mark.parametrize("who", ["kw-worker-0", "admin"], ids=["worker", "ledger"])
def test_a_killed_process_loses_nothing(new_site: NewSite, who: str) -> None:
    """Workers, or the process that ships, are killed under load and replaced; the end is in order."""
    site: Site = new_site()
    gateway = site.start(whole=True)
    callers = Callers(gateway.port, site.operator.key("pub-only").secret)

    def ended() -> int:
        return len([event for event in gateway.events if event["event"] == "process_ended"])

    def kill() -> None:
        # The one before may not have been replaced yet, where processors are busy.
        eventually(lambda: children(gateway, who), f"{who} to be there")
        for child in children(gateway, who):
            child.kill()

    asyncio.run(callers.run(SECONDS, kill))
    eventually(lambda: ended() >= 2, "both ends to be told")
    eventually(lambda: is_ready(gateway), "the gateway to be whole again")

    assert gateway.stop() == 0
    check(site, callers)
    assert list((site.data_dir / "journal").iterdir()) == []


def test_all_are_killed_at_once(new_site: NewSite) -> None:
    """After a `kill -9` of everything the next start ships what was left."""
    site: Site = new_site(usage={"flush_interval": "5s"})
    gateway = site.start(whole=True)
    callers = Callers(gateway.port, site.operator.key("pub-only").secret)

    def kill() -> None:
        family = psutil.Process(gateway.process.pid).children(recursive=True)
        gateway.process.kill()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    asyncio.run(callers.run(SECONDS, kill))
    gateway.process.wait()
    assert callers.answered - recorded(site).keys(), "nothing was left to ship"
    again = site.start(whole=True)
    eventually(lambda: callers.answered <= recorded(site).keys(), "what was left to be shipped")

    assert again.stop() == 0
    check(site, callers)


@pytest.mark.parametrize("when_full", ["serve", "refuse"])
def test_a_full_journal_does_what_was_chosen(new_site: NewSite, when_full: str) -> None:
    """Where nothing can be recorded requests are served, and the loss is counted; or refused, and none is lost."""
    usage = {
        "segment_size": "64KiB",
        "journal_max": "256KiB",
        "flush_interval": "60s",
        "when_full": when_full,
    }
    site: Site = new_site(usage=usage)
    gateway = site.start()
    callers = Callers(gateway.port, site.operator.key("pub-only").secret)
    began = time.monotonic()

    def is_full() -> bool:
        is_so = bool(callers.refused) or gateway.metrics()[LOST] > 0
        return is_so or time.monotonic() - began > 50

    asyncio.run(callers.run(2, lambda: eventually(is_full, "a full journal")))
    lost = gateway.metrics()[LOST]
    passed_on = len(site.origin.request_lines)

    assert gateway.stop() == 0
    found = recorded(site)
    assert sum(found.values()) + lost == len(callers.answered) == passed_on
    if when_full == "serve":
        assert (callers.refused, lost > 0) == ([], True)
    else:
        assert (set(callers.refused), lost) == ({503}, 0)
    assert "journal_is_full" in {event["event"] for event in gateway.events}

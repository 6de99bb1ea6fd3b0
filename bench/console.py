"""What a page of the console costs when its account has 10,000 keys: time in the server, and bytes.

    make bench-console       (or: python -m bench.console --keys 100000)

Serves the console on a SQLite database with so many keys in one account, signs a member and an admin in, and
gets each page again and again over one connection on this machine. The time is that of the whole answer as
the caller sees it, and the processor time of this process, in which both of them run; the weight is that of
the page itself, and with its style sheets and scripts, which a browser keeps. Nothing is compressed.
"""

__all__: list[str] = []

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import httpx
from rich.console import Console
from rich.table import Table

from admin.console.page import Page
from admin.console.pages import PAGES
from admin.core.caller import Role
from bench.list_data import Counts, fill
from gateway.stores.sql_engine import sqlite_url
from tests.console.stand import House, Person, housed
from tests.doubles import ManualClock

LIMIT_MS = 30.0
LIMIT_BYTES = 60 * 1000
NOW_US = 1_795_250_000_000_000

# As `bench.list_data` numbers them.
FULL_ACCOUNT = "acc_0000000000000000"

_TURNS = 15
_ASSET = re.compile(r'(?:href|src)="(/static/[^"]+)"')
# Pages that answer once, that lead elsewhere, or that wait for somebody.
_LEFT_OUT = re.compile(r"once\}|/tail$")


class Figures(NamedTuple):
    """One page: the median and the slowest answer in milliseconds, the median of processor time for one (caller
    included), its bytes, and those with what it loads."""

    median_ms: float
    processor_ms: float
    slowest_ms: float
    page_bytes: int
    whole_bytes: int


def main() -> int:
    """Run it. Returns 0 if no page is over a limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keys", type=int, default=10_000, help="how many in the account (10000)")
    return asyncio.run(_run(parser.parse_args().keys))


async def _run(keys: int) -> int:
    with tempfile.TemporaryDirectory(prefix="keywright-bench-") as name:
        folder = Path(name)
        url = sqlite_url(folder / "keywright.db")
        await fill(url, Counts(keys, accounts=1, users=10), NOW_US, lambda _: None)
        clock = ManualClock(NOW_US / 1_000_000)
        async with housed(folder, url, "redis://127.0.0.1:9/0", clock=clock) as house:
            full = await house.person(Role.MEMBER, FULL_ACCOUNT)
            over = await _tell(house, "a member of the account", full, keys)
            return 1 if await _tell(house, "an admin", house.admin, keys) + over else 0


async def _tell(house: House, title: str, who: Person, keys: int) -> int:
    table = Table(
        title=f"{title}, {keys:,} keys", caption="ms: median / slowest; bytes: page / with assets"
    )
    for column in ("page", "ms", "processor ms", "bytes"):
        table.add_column(column)
    over = 0
    async with house.browsing(who) as browser:
        ids = await _ids(browser.client, house)
        for path in _paths(PAGES, ids):
            found = await _measured(browser.client, path)
            if found is None:
                continue
            is_over = found.median_ms > LIMIT_MS or found.page_bytes > LIMIT_BYTES
            over += is_over
            table.add_row(
                path if len(path) < 60 else f"{path[:57]}…",
                f"{found.median_ms:.1f} / {found.slowest_ms:.1f}",
                f"{found.processor_ms:.1f}",
                f"{found.page_bytes:,} / {found.whole_bytes:,}",
                style="red" if is_over else None,
            )
    Console(width=120).print(table)
    return over


async def _ids(client: httpx.AsyncClient, house: House) -> dict[str, str]:
    """Ids of things that this visitor sees."""
    page = (await client.get("/keys")).text
    found = re.findall(r'class="name"><a href="/keys/(key_\w+)"', page)
    return {**house.own.ids, "key_id": found[0]}


def _paths(pages: Sequence[Page], ids: dict[str, str]) -> list[str]:
    named = [
        re.sub(r"\{(\w+)\}", lambda place: ids[place[1]], page.path)
        for page in pages
        if page.method == "GET" and _LEFT_OUT.search(page.path) is None
    ]
    return [*named, "/keys?q=billing&state=active", "/keys?sort=name"]


async def _measured(client: httpx.AsyncClient, path: str) -> Figures | None:
    """Nothing for a page that this visitor is not shown."""
    first = await client.get(path)
    if first.status_code != 200:
        return None
    times, processor = [], []
    for _ in range(_TURNS):
        begun, spent = time.perf_counter(), time.process_time()
        _ = await client.get(path)
        times.append((time.perf_counter() - begun) * 1000)
        processor.append((time.process_time() - spent) * 1000)
    loaded = [len((await client.get(asset)).content) for asset in set(_ASSET.findall(first.text))]
    weight = len(first.content)
    return Figures(
        statistics.median(times),
        statistics.median(processor),
        max(times),
        weight,
        weight + sum(loaded),
    )


if __name__ == "__main__":
    sys.exit(main())

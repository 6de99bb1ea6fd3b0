"""Usage in the console: charts, files, and requests as they come in."""

import dataclasses
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.console.usage_charts import WINDOWS, charts, shares, window_of
from admin.wire.usage import FiguresDocument, GroupDocument, PointDocument, UsageReport
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_usage import SqlUsageStore
from tests.console.stand import Browsing, House
from tests.console.test_keys import words
from tests.contracts.test_usage_store import RECORD

FIGURES = {
    "requests": 3,
    "refused": 1,
    "bytes_in": 10,
    "bytes_out": 20,
    "mean_ms": 2.0,
    "p50_ms": 1.5,
    "p95_ms": 3.0,
    "p99_ms": 4.0,
}


def report(**statuses: int) -> UsageReport:
    """A report of one point."""
    at = "2026-01-31T09:00:00Z"
    return UsageReport.model_validate(
        {
            "from": at,
            "to": "2026-01-31T10:00:00Z",
            "step": "hour",
            "totals": FIGURES,
            "series": [{**FIGURES, "at": at, "statuses": statuses}],
            "by_route": [{**FIGURES, "name": "dns"}],
            "by_outcome": [{**FIGURES, "name": "served"}],
            "by_status": [],
        }
    )


def test_charts_tell_done_refused_and_failed_apart() -> None:
    """Each request stands in one bar, by the class of its status."""
    requests, latency = charts(report(**{"2xx": 5, "3xx": 1, "4xx": 2, "5xx": 1}), WINDOWS[1])

    assert "<td>6</td><td>2</td><td>1</td>" in requests
    assert "<td>1.5 ms</td><td>3 ms</td><td>4 ms</td>" in latency


def test_windows_and_groups() -> None:
    """An odd window is the last day; groups come largest first, without what is left out."""
    small, large = (
        GroupDocument.model_validate({**FIGURES, "requests": count, "name": name})
        for count, name in ((1, "small"), (3, "large"))
    )

    assert window_of("hour").step == "minute"
    assert window_of("odd") is window_of(None) is WINDOWS[1]
    assert [(row.name, row.share) for row in shares([small, large])] == [
        ("large", 0.75),
        ("small", 0.25),
    ]
    assert shares([small], left_out=("small",)) == []
    assert PointDocument.model_fields.keys() > FiguresDocument.model_fields.keys()


class Ledger:
    """Records requests with the own account's key, as the gateway does."""

    def __init__(self, house: House, engine: AsyncEngine) -> None:
        self._house = house
        self._store = SqlUsageStore(engine)
        self._sequence = 0

    async def used(self, path: str, status: int = 200, outcome: str = "served") -> None:
        """A request of a minute ago."""
        house = self._house
        record = dataclasses.replace(
            RECORD,
            key_id=house.own.ids["key_id"],
            account_id=house.own.id,
            secret_id=house.own.ids["secret_id"],
            at=house.clock.now() - 60,
            path=path,
            status=status,
            outcome=outcome,
        )
        await self._store.write("w", self._sequence, [record])
        self._sequence += 1


@pytest_asyncio.fixture(loop_scope="session")
async def ledger(house: House, sql_url: str) -> AsyncIterator[Ledger]:
    """On the house's database."""
    engine = open_engine(sql_url)
    yield Ledger(house, engine)
    await engine.dispose()


async def test_requests_are_shown_filtered_and_kept_as_a_file(house: House, ledger: Ledger) -> None:
    """The log, its filter and its file tell the same requests."""
    await ledger.used("/pub/one")
    await ledger.used("/pub/two", 429, "rate_limited")
    key = f"/keys/{house.own.ids['key_id']}"
    async with house.browsing(house.own.member) as browser:
        log = words(await browser.get(f"{key}/requests"))
        refused = words(await browser.get(f"{key}/requests?status=4xx"))
        csv = await browser.get(f"{key}/requests/file?status=4xx&format=csv")
        lines = await browser.get(f"{key}/requests/file?format=jsonl")
        odd = await browser.get(f"{key}/requests?status=odd")
        report = words(await browser.get(f"{key}/usage?window=hour"))

    assert "GET /pub/one" in log
    assert "Rate limit" in log or "Too many requests" in log
    assert "/pub/one" not in refused
    assert "/pub/two" in refused
    assert csv.headers["Content-Disposition"].startswith("attachment")
    assert csv.text.count("\n") == 2
    assert [json.loads(one)["path"] for one in lines.text.splitlines()] == ["/pub/one", "/pub/two"]
    assert odd.status_code == 422
    assert "Requests 2" in report


async def heard(browser: Browsing, path: str) -> AsyncGenerator[str, None]:
    """The lines of a tail, as a browser's EventSource asks for it."""
    headers = {"Accept": "text/event-stream"}
    async with browser.client.stream("GET", path, headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        async for line in answer.aiter_lines():
            yield line


async def test_requests_are_followed_live(house: House, ledger: Ledger) -> None:
    """A request that comes in while somebody looks is told within seconds, and where to go on after it."""
    path = f"/keys/{house.own.ids['key_id']}/requests/tail"
    seen: list[str] = []
    async with house.browsing(house.own.member) as browser, aclosing(heard(browser, path)) as lines:
        async for line in lines:
            seen.append(line)
            if line.startswith("id: ") and len(seen) < 4:
                await ledger.used("/pub/live")
            if line.startswith("data: "):
                break
        plain = await browser.get(path)

    assert json.loads(seen[-1].removeprefix("data: "))["path"] == "/pub/live"
    assert re.fullmatch(r"id: \d+", seen[-3])
    assert plain.status_code == 303


async def test_following_ends_with_the_sign_in(house: House) -> None:
    """Whoever is signed out hears no more."""
    path = f"/keys/{house.own.ids['key_id']}/requests/tail"
    member = house.own.member
    async with house.browsing(member) as browser, aclosing(heard(browser, path)) as lines:
        _ = await anext(lines)
        await house.services.console.sign_ins.end(member.caller, house.own.ids["sign_in_id"])
        rest = [line async for line in lines]
        again = await browser.client.get(path, headers={"Accept": "text/event-stream"})

    assert not [line for line in rest if line.startswith("data: ")]
    assert again.status_code == 401

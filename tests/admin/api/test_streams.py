"""What comes piece by piece: files of requests, and requests as they come in."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from admin.api.streaming import Pace
from admin.core.caller import Role
from admin.wire.streams import STREAMS, Stream
from admin.wire.usage import RequestDocument
from gateway.core.record import UsageRecord
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_usage import SqlUsageStore
from tests.admin.api.stand import ADMIN, ON_ONE_DATABASE, Api, Person, serving
from tests.admin.usage.stand import AT, a_record

QUICK = Pace(per_caller=2, heartbeat_seconds=0.1, ask_again_seconds=0.1)
SECONDS = 20.0


class Event(NamedTuple):
    """What one block of a stream says; a comment's `kind` is empty."""

    id: str
    kind: str
    data: Any


class Desk:
    """An account with a key, whose requests are recorded as they are told."""

    def __init__(self, api: Api, account: str, key: str, ledger: SqlUsageStore) -> None:
        self.api = api
        self.account = account
        self.key = key
        self._ledger = ledger
        self._sequence = 0

    async def record(self, *names: str, **more: Any) -> None:  # noqa: ANN401
        """Requests with these ids, just now."""
        records: list[UsageRecord] = []
        for name in names:
            fields = {"key_id": self.key, "account_id": self.account, **more}
            ago = self.api.services.usage.now - 1 - AT
            records.append(a_record(name, ago, **fields))
        await self._ledger.write("w_1", self._sequence, records)
        self._sequence += len(names)

    @asynccontextmanager
    async def tail(
        self, query: str = "", who: Person | None = None, **headers: str
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """The events of a tail of the key, up to the one that ends it."""
        person = who or self.api.admin
        sent = {
            **person.headers,
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        path = f"/v1/keys/{self.key}/requests/tail{query}"
        async with self.api.client.stream("GET", path, headers=sent) as answer:
            assert answer.status_code == 200, await answer.aread()
            assert answer.headers["Content-Type"] == "text/event-stream"
            yield events(answer)


async def events(answer: httpx.Response) -> AsyncIterator[Event]:
    """What an EventSource would see, and comments."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            data = json.loads(fields["data"]) if "data" in fields else None
            yield Event(fields.get("id", ""), fields.get("event", ""), data)
            fields = {}


async def told(found: AsyncIterator[Event], count: int) -> list[Event]:
    """The next requests that a tail tells."""
    seen: list[Event] = []
    async with asyncio.timeout(SECONDS):
        while len(seen) < count:
            event = await anext(found)
            if event.kind:
                seen.append(event)
    return seen


@pytest.fixture
async def desk(sql_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A served API that looks often, for few at a time."""
    engine = open_engine(sql_url)
    async with serving(tmp_path, sql_url, valkey_url, stream_pace=QUICK) as api:
        account = await api.account()
        key = await api.key(account)
        yield Desk(api, account, key["id"], SqlUsageStore(engine))
    await engine.dispose()


async def test_a_file_holds_every_request_once_oldest_first(desk: Desk) -> None:
    """CSV and JSONL have the same lines, as many as there are requests, however many parts they come in."""
    names = [f"r{number:04}" for number in range(1203)]
    await desk.record(*names)
    path = f"/v1/keys/{desk.key}/requests/export"
    as_csv = await desk.api.ask("GET", path)
    as_json = await desk.api.ask("GET", f"/v1/accounts/{desk.account}/requests/export?format=jsonl")
    rows = list(csv.DictReader(io.StringIO(as_csv.text, newline="")))
    lines = [json.loads(line) for line in as_json.text.splitlines()]

    assert as_csv.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert (
        as_csv.headers["Content-Disposition"] == f'attachment; filename="requests-{desk.key}.csv"'
    )
    assert as_json.headers["Content-Type"] == "application/jsonl"
    assert [row["request_id"] for row in rows] == names
    assert [line["request_id"] for line in lines] == names
    assert list(rows[0]) == list(lines[0]) == list(RequestDocument.model_fields)
    assert rows[0]["path"] == lines[0]["path"]
    assert RequestDocument.model_validate_json(as_json.text.splitlines()[0]).key == desk.key


async def test_a_file_holds_only_what_was_asked_for(desk: Desk) -> None:
    """The words that narrow a list narrow a file, too; a file without lines still has its header."""
    await desk.record("a", status=500)
    await desk.record("b")
    path = f"/v1/keys/{desk.key}/requests/export"
    some = await desk.api.ask("GET", f"{path}?status=5xx&since=1h&format=jsonl")
    none = await desk.api.ask("GET", f"{path}?outcome=none")
    wrong = await desk.api.ask("GET", f"{path}?since=2099-01-01T00:00:00Z")

    assert [json.loads(line)["request_id"] for line in some.text.splitlines()] == ["a"]
    assert none.text.splitlines() == [",".join(RequestDocument.model_fields)]
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")


async def test_a_spreadsheet_computes_nothing(desk: Desk) -> None:
    """What a caller can put into a record is a text in a spreadsheet, whatever it begins with."""
    await desk.record('=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "  =1", "plain")
    answer = await desk.api.ask("GET", f"/v1/keys/{desk.key}/requests/export")
    cells = [row["request_id"] for row in csv.DictReader(io.StringIO(answer.text, newline=""))]

    assert cells == ['\'=HYPERLINK("http://x")', "'+1", "'-1", "'@SUM(A1)", "'  =1", "plain"]


async def test_a_tail_tells_what_comes_in_and_where_it_stopped(desk: Desk) -> None:
    """Requests are told once, in the order in which they came in; whoever comes back misses none."""
    await desk.record("before")
    async with desk.tail() as found:
        first = await anext(found)
        await desk.record("a", "b")
        some = await told(found, 2)
    await desk.record("c")
    await desk.record("d")
    async with desk.tail("?seconds=0", Last_Event_ID=some[-1].id) as found:
        later = [event async for event in found if event.kind]

    assert first.kind == ""
    assert [event.data["request_id"] for event in some] == ["a", "b"]
    assert [event.kind for event in later] == ["request", "request", "end"]
    assert [event.data["request_id"] for event in later[:2]] == ["c", "d"]
    assert later[2].data == {"reason": "time"}


async def test_a_tail_tells_only_what_was_asked_for(desk: Desk) -> None:
    """Other keys' requests are not told, nor those that do not fit."""
    async with desk.tail("?status=5xx") as found:
        await anext(found)
        await desk.record("other", key_id="key_1", status=500)
        await desk.record("good")
        await desk.record("bad", status=502)
        (event,) = await told(found, 1)

    assert event.data["request_id"] == "bad"


@ON_ONE_DATABASE
async def test_a_quiet_tail_shows_that_it_lives(desk: Desk) -> None:
    """Between requests there are comments with the position: a proxy does not take the connection for dead."""
    async with desk.tail() as found, asyncio.timeout(SECONDS):
        beats = [await anext(found) for _ in range(3)]

    assert {(beat.kind, beat.id) for beat in beats} == {("", beats[0].id)}


@ON_ONE_DATABASE
async def test_a_tail_ends_with_its_token(desk: Desk) -> None:
    """Whoever's token is revoked is told no more requests."""
    who = await desk.api.person(Role.MEMBER, desk.account)
    async with desk.tail(who=who) as found:
        await anext(found)
        await desk.api.services.tokens.revoke(ADMIN, who.token_id)
        async with asyncio.timeout(SECONDS):
            last = [event async for event in found][-1]

    assert (last.kind, last.data) == ("end", {"reason": "token"})


@ON_ONE_DATABASE
async def test_a_caller_has_few_at_a_time(desk: Desk) -> None:
    """Nobody can hold any number of connections open; one that was ended makes room."""
    path = f"/v1/keys/{desk.key}/requests/tail?seconds=0"
    async with desk.tail() as one:
        async with desk.tail() as two:
            await anext(one)
            await anext(two)
            refused = await desk.api.ask("GET", path)
            other = await desk.api.ask("GET", path, who=await desk.api.person(Role.ADMIN))
        again = await desk.api.ask("GET", path)
        for _ in range(400):
            if again.status_code != 429:
                break
            await asyncio.sleep(0.05)
            again = await desk.api.ask("GET", path)

    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) >= 1
    assert other.status_code == again.status_code == 200


@ON_ONE_DATABASE
@pytest.mark.parametrize("text", ["x", "-1", "1.5", "9" * 19])
async def test_a_position_of_elsewhere_is_refused(desk: Desk, text: str) -> None:
    """What no tail has given is a mistake."""
    path = f"/v1/keys/{desk.key}/requests/tail?seconds=0"
    answer = await desk.api.ask("GET", path, Last_Event_ID=text)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("one", STREAMS, ids=lambda one: one.name)
async def test_who_belongs_elsewhere_gets_nothing(desk: Desk, one: Stream) -> None:
    """A member of another account is answered as if the key or account were not there, before anything is sent."""
    stranger = await desk.api.person(Role.MEMBER, await desk.api.account("Other"))
    own = await desk.api.person(Role.MEMBER, desk.account)
    ids = {"key_id": desk.key, "account_id": desk.account}
    query = "?seconds=0" if one.is_endless else ""
    path = one.path.format_map(ids) + query
    nothing = one.path.format_map({"key_id": "key_x", "account_id": "acc_x"}) + query
    hidden, missing = [await desk.api.ask("GET", each, who=stranger) for each in (path, nothing)]
    head = await desk.api.ask("HEAD", path, who=own)
    options = await desk.api.ask("OPTIONS", path, who=own)

    assert (hidden.status_code, missing.status_code) == (404, 404)
    assert hidden.json()["code"] == missing.json()["code"] == "not_found"
    assert (await desk.api.ask("GET", path, who=own)).status_code == 200
    assert (head.status_code, head.content) == (200, b"")
    assert (options.status_code, options.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")


@ON_ONE_DATABASE
async def test_a_tail_does_not_hold_up_the_end(
    sql_url: str, valkey_url: str, tmp_path: Path
) -> None:
    """A control plane that is to end tells those who look, and ends."""
    async with httpx.AsyncClient(timeout=30) as client:
        async with serving(tmp_path, sql_url, valkey_url) as api:
            key = await api.key(await api.account())
            path = f"{api.url}/v1/keys/{key['id']}/requests/tail"
            request = client.build_request("GET", path, headers=api.admin.headers)
            answer = await client.send(request, stream=True)
            found = events(answer)
            await anext(found)
        async with asyncio.timeout(SECONDS):
            last = [event async for event in found][-1]

    assert (last.kind, last.data) == ("end", {"reason": "shutdown"})

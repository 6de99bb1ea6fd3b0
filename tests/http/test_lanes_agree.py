"""Both lanes give the same answers: generated conversations, told to one and to the other (design §11)."""

import asyncio
import dataclasses
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from gateway.http.bounds import ClientBounds
from tests.http import stand
from tests.http.stand import Answer, Client, Origin, proxy

BOUNDS = ClientBounds(header_bytes=2000, target_bytes=500, body_bytes=70_000, linger_seconds=0.05)
FRAMING = {"content-length", "transfer-encoding", "date"}

tokens = st.text(st.sampled_from("abcXYZ019-"), min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)
names = st.one_of(
    tokens.map(lambda text: f"X-{text}"),
    st.sampled_from(
        [
            "Accept",
            "Connection",
            "Cookie",
            "Expect",
            "Forwarded",
            "Keep-Alive",
            "TE",
            "Upgrade",
            "X-Forwarded-For",
            "X-Keywright-Account",
            "X-Request-Id",
            "traceparent",
            "x_odd",
        ]
    ),
)
field_values = st.one_of(
    values,
    st.sampled_from(
        ["close", "keep-alive", "100-continue", "websocket", "X-a, close", "trailers", "200-ok"]
    ),
)
bodies = st.one_of(
    st.just(b""), st.binary(max_size=300), st.integers(0, 80_000).map(lambda size: b"b" * size)
)


class Asked(NamedTuple):
    """A request: its first line, what follows, and what the upstream says to it."""

    line: bytes
    rest: bytes
    is_to_head: bool
    answer: bytes

    @property
    def data(self) -> bytes:
        """All of it."""
        return self.line + self.rest


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Mostly ordinary ones."""
    method = draw(
        st.sampled_from(["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW", "TRACE"])
    )
    path = draw(
        st.sampled_from(["/api/x", "/api/x?q=a%2Fb", "/none", "/api/../x", "/api/%00", "*"])
    )
    version = draw(st.sampled_from(["HTTP/1.1"] * 8 + ["HTTP/1.0", "HTTP/2.0"]))
    key = draw(st.sampled_from(["good-key"] * 6 + ["bad-key", ""]))
    lines = ["", "Host: h.example"]
    if key:
        lines.append(f"Authorization: Bearer {key}")
    extra = draw(st.lists(st.tuples(names, field_values), max_size=4))
    lines += [f"{name}: {value}" for name, value in extra]
    body = draw(bodies)
    framing = draw(st.sampled_from(["length", "length", "chunked", "both", "none"]))
    if framing in {"length", "both"} and (body or draw(st.booleans())):
        lines.append(f"Content-Length: {len(body)}")
    if framing in {"chunked", "both"}:
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    if framing == "none":
        body = b""
    fields = "\r\n".join(lines) + "\r\n\r\n"
    line = f"{method} {path} {version}".encode()
    return Asked(line, fields.encode() + body, method == "HEAD", draw(answers(method)))


@st.composite
def conversations(draw: st.DrawFn) -> list[Asked]:
    """Requests on one connection; often one says again what the one before said, and so does the upstream."""
    asked = draw(st.lists(requests(), min_size=1, max_size=4))
    for at in range(1, len(asked)):
        before = asked[at - 1]
        if draw(st.booleans()):
            asked[at] = asked[at]._replace(rest=before.rest)
        if draw(st.booleans()) and asked[at].is_to_head == before.is_to_head:
            asked[at] = asked[at]._replace(answer=before.answer)
        if draw(st.booleans()):
            asked[at] = asked[at]._replace(line=before.line, is_to_head=before.is_to_head)
    return asked


@st.composite
def answers(draw: st.DrawFn, method: str) -> bytes:
    """What an upstream says: sound, or not."""
    status = draw(st.sampled_from([200, 200, 201, 204, 304, 404, 500, 799]))
    lines = [f"HTTP/1.1 {status} Whatever"]
    extra = draw(st.lists(st.tuples(names, values), max_size=3))
    lines += [f"{name}: {value}" for name, value in extra if name not in {"Upgrade", "Connection"}]
    body = draw(st.one_of(st.just(b""), st.binary(max_size=200), st.just(b"a" * 100_000)))
    kind = draw(st.sampled_from(["length", "length", "chunked", "close", "garbage"]))
    if kind == "garbage":
        return b"this is not HTTP\r\n\r\n"
    if method == "HEAD" or status in {204, 304}:
        return "\r\n".join([*lines, "", ""]).encode()
    if kind == "length":
        lines.append(f"Content-Length: {len(body)}")
    elif kind == "chunked":
        lines.append("Transfer-Encoding: chunked")
        body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
    else:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + body


async def converse(asked: list[Asked], *, is_pipelined: bool) -> dict[str, Any]:
    """Everything that can be seen of these requests on one connection."""
    given_answers = [one.answer for one in asked]

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await origin.next_head(reader)
            await drop_body(head, reader)
            said = given_answers[min(len(origin.heads), len(asked)) - 1]
            writer.write(said)
            await writer.drain()
            if b"Connection: close" in said or not is_framed(said, head):
                return

    async with (
        Origin(talk) as origin,
        proxy(origin.url, bounds=BOUNDS, is_host_preserved=True) as gate,
    ):
        async with await gate.connect() as client:
            seen = await ask_all(client, asked, is_pipelined=is_pipelined)
        await stand.eventually(lambda: gate.listener.connection_count == 0)
        return {
            "answers": seen,
            "origin": origin.heads,
            "records": [
                dataclasses.replace(one, at=0.0, duration_seconds=0.0) for one in gate.records
            ],
        }


def is_framed(said: bytes, head: bytes) -> bool:
    """Whether one can tell where this answer ends before the connection does."""
    fields = said.partition(b"\r\n\r\n")[0]
    is_empty = head.startswith(b"HEAD") or fields[9:12] in {b"204", b"304"}
    return said.startswith(b"HTTP/") and (
        is_empty or b"Content-Length:" in fields or b"Transfer-Encoding:" in fields
    )


async def ask_all(client: Client, asked: list[Asked], *, is_pipelined: bool) -> list[Any]:
    """The answers as far as they come."""
    seen: list[Any] = []
    if is_pipelined:
        client.send(b"".join(one.data for one in asked))
    for one in asked:
        if not is_pipelined:
            client.send(one.data)
        try:
            answer = await client.answer(is_to_head=one.is_to_head)
            while answer.status == 100:
                answer = await client.answer(is_to_head=one.is_to_head)
        except (asyncio.IncompleteReadError, ConnectionError):
            seen.append("ended")
            break
        seen.append(plain(answer))
        if "close" in answer.values("Connection") or not answer.is_whole:
            break
    return seen


def plain(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes, bool]:
    """An answer without what may differ: how its body is framed, and the second."""
    fields = [(name, value) for name, value in answer.fields if name.lower() not in FRAMING]
    # What a broken-off answer had of its body is a matter of time.
    return answer.status, fields, answer.body if answer.is_whole else b"", answer.is_whole


async def drop_body(head: bytes, reader: asyncio.StreamReader) -> None:
    """Read what the gateway sends, and forget it."""
    lowered = head.lower()
    if b"transfer-encoding:" in lowered:
        await reader.readuntil(b"0\r\n\r\n")
    elif b"content-length:" in lowered:
        length = lowered.partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))


# It chooses the lanes itself.
@pytest.mark.parametrize("lane", ["express"], indirect=True)
@pytest.mark.usefixtures("lane")
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(asked=conversations(), is_pipelined=st.booleans())
async def test_both_lanes_say_the_same(
    monkeypatch: pytest.MonkeyPatch, asked: list[Asked], is_pipelined: bool
) -> None:
    """Status, fields, body, what the upstream saw, and the usage record are the same."""
    note(f"{asked!r}")
    seen = {}
    for is_express in (True, False):
        with monkeypatch.context() as chosen:
            chosen.setattr(stand, "IS_EXPRESS", is_express)
            seen[is_express] = await converse(asked, is_pipelined=is_pipelined)

    assert seen[True] == seen[False]

"""What the upstream gets, and what comes back: byte for byte, less what must not cross."""

import pytest

from tests.http.stand import answer, proxy

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HEAD = b"Host: api.example\r\nAuthorization: Bearer good-key\r\n"


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(b"/api/a%20c%3Fd%26e;f=g,h@i:j%C3%A9", id="escapes"),
        pytest.param(b"/api/q?a=1&a=2&b=%2B+%26&c=&d", id="query"),
        pytest.param(b"/api/q?/../x", id="dots-in-the-query"),
        pytest.param(b"/api/q?", id="empty-query"),
        pytest.param(b"/api/", id="trailing-slash"),
    ],
)
async def test_target_is_forwarded_byte_for_byte(target: bytes) -> None:
    """What was authorised is what the upstream sees: nothing is quoted, unquoted or tidied."""
    async with answer(OK) as origin, proxy(origin.url) as gate:
        await gate.ask(b"GET " + target + b" HTTP/1.1\r\n" + HEAD + b"\r\n")

        assert origin.lines()[0] == b"GET " + target + b" HTTP/1.1"


async def test_fields_keep_their_order_their_case_and_their_bytes() -> None:
    """Equal names, names that differ in case only, and bytes that are no UTF-8 all arrive as sent."""
    sent = [b"X-A: 1", b"x-a: 2", b"X-B: \xff\xfe", b"X-A: 3", b"Accept-Encoding: zstd"]
    async with answer(OK) as origin, proxy(origin.url) as gate:
        await gate.ask(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n".join(sent) + b"\r\n\r\n")
        lines = origin.lines()

        assert [line for line in lines if line in sent] == sent


async def test_nothing_is_added_but_what_the_design_names() -> None:
    """The upstream learns who asks and whence, and no more: no credential, no field of the client library."""
    async with answer(OK) as origin, proxy(origin.url) as gate:
        await gate.ask(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n")

        names = {line.partition(b":")[0] for line in origin.lines()[1:]}
        assert names == {
            b"Host",
            b"X-Forwarded-For",
            b"X-Forwarded-Proto",
            b"X-Forwarded-Host",
            b"X-Request-Id",
            b"X-Keywright-Key-Id",
            b"X-Keywright-Account",
            b"X-Keywright-Scopes",
            b"X-Keywright-Environment",
        }


@pytest.mark.parametrize(
    ("is_preserved", "expected"),
    [pytest.param(True, b"api.example", id="preserved"), pytest.param(False, None, id="target")],
)
async def test_host_is_the_targets_or_the_clients(
    is_preserved: bool, expected: bytes | None
) -> None:
    """Virtual hosts behind the gateway work, and those that need their own name get that."""
    async with answer(OK) as origin, proxy(origin.url, is_host_preserved=is_preserved) as gate:
        await gate.ask(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n")

        expected = expected or origin.url.removeprefix("http://").encode()
        assert origin.lines()[1] == b"Host: " + expected


async def test_answers_fields_come_back_as_they_are() -> None:
    """Several Set-Cookie, an encoded body and the upstream's own Server field reach the client untouched."""
    fields = (
        b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: theirs\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n"
    )
    async with (
        answer(b"HTTP/1.1 200 Fine\r\n" + fields + b"\r\nabc") as origin,
        proxy(origin.url) as gate,
    ):
        found = await gate.ask(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n")

        assert found.values("Set-Cookie") == ["a=1", "b=2"]
        assert (found.value("Server"), found.value("Content-Encoding")) == ("theirs", "gzip")
        assert found.body == b"abc"


async def test_answer_tells_limits_and_request_id() -> None:
    """Each answer says what is left of the limit, and the id that finds it in the logs."""
    async with answer(OK) as origin, proxy(origin.url) as gate:
        found = await gate.ask(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"X-Request-Id: mine\r\n\r\n")

        assert found.value("X-Request-Id") == "mine"
        assert found.value("RateLimit-Policy") == '"default";q=1000;w=60'
        assert found.value("RateLimit") == '"default";r=940;t=4'
        assert b"X-Request-Id: mine" in origin.lines()


async def test_redirects_are_the_clients_business() -> None:
    """A redirect is passed on, not followed: only the client's key may open what it points to."""
    moved = b"HTTP/1.1 302 Found\r\nLocation: /api/y\r\nContent-Length: 0\r\n\r\n"
    async with answer(moved) as origin, proxy(origin.url) as gate:
        found = await gate.ask(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n")

        assert (found.status, found.value("Location")) == (302, "/api/y")
        assert len(origin.heads) == 1


async def test_one_callers_cookie_is_not_sent_for_the_next() -> None:
    """The gateway keeps no cookies: what an upstream sets belongs to the caller who gets it."""
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: s=1; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with (
        answer(cookie) as origin,
        proxy(origin.url.replace("127.0.0.1", "localhost")) as gate,
    ):
        await gate.ask(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n")
        await gate.ask(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n")

        assert not [line for line in origin.lines() if line.lower().startswith(b"cookie")]


async def test_connections_to_the_upstream_are_used_again() -> None:
    """Ten requests in a row cost one connection."""
    async with answer(OK) as origin, proxy(origin.url) as gate:
        for _ in range(10):
            await gate.ask(b"GET /api/x HTTP/1.1\r\n" + HEAD + b"\r\n")

        assert (len(origin.heads), origin.connections) == (10, 1)

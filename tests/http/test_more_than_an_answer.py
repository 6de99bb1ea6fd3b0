"""What an upstream sends beyond its answer never becomes another caller's answer."""

import pytest

from tests.http.stand import Answer, answer, proxy

GET = b"GET /api/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer good-key\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON"


@pytest.mark.parametrize("first", [OK, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize(
    "more",
    [
        pytest.param(POISON, id="a-whole-answer"),
        pytest.param(POISON[:20], id="part-of-one"),
        pytest.param(b"x", id="a-byte"),
        pytest.param(POISON + POISON[:5], id="one-and-a-part"),
    ],
)
async def test_what_comes_behind_an_answer_is_dropped(first: bytes, more: bytes) -> None:
    """No request is answered with it: each gets its own answer, or at worst a 502; the third gets its own."""
    async with (
        answer(first + more, OK) as origin,
        proxy(origin.url) as gate,
        await gate.connect() as client,
    ):
        seen: list[Answer] = []
        for _ in range(3):
            client.send(GET)
            seen.append(await client.answer())

        assert seen[-1].body == b"ok"
        assert {(one.status, one.body if one.status == 200 else b"") for one in seen} <= {
            (200, b"ok"),
            (502, b""),
        }


async def test_interim_answers_are_dropped() -> None:
    """1xx answers that the client did not ask for stay behind; the real one follows."""
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    async with (
        answer(early + OK, OK) as origin,
        proxy(origin.url) as gate,
        await gate.connect() as client,
    ):
        for _ in range(2):
            client.send(GET)
            assert (await client.answer()).body == b"ok"

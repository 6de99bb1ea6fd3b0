"""In whichever place a key was sent: it opens the way, and nothing of it goes along, is recorded or logged."""

import base64
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from gateway.core.places import Places
from gateway.core.token import SECRET_ID_LENGTH
from tests.http.stand import Origin, Proxy, answer, proxy
from tests.pipeline.world import World, plain_key, token_for

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PLACES = Places(("X-API-Key", "apikey"), "X-API-Secret")
TOKEN = token_for(plain_key())
API_KEY = plain_key().secret_id
API_SECRET = TOKEN[8 + SECRET_ID_LENGTH : -6]
VALUE = "legacy value/+1"
IN_QUERY = "legacy%20value%2F%2B1"


def basic(text: str) -> str:
    """`text` as base64."""
    return base64.b64encode(text.encode()).decode()


SECRETS = (TOKEN, API_SECRET, basic(f"{API_KEY}:{API_SECRET}"), basic(TOKEN)[:20], VALUE, IN_QUERY)


@asynccontextmanager
async def gate() -> AsyncIterator[tuple[Proxy, Origin]]:
    """A real admission that knows one key by its token and another by an imported value."""
    world = World(query_parameters=("api_key",), accepts_imported=True)
    world.issue()
    world.bring(VALUE, 2)
    async with (
        answer(OK) as origin,
        proxy(origin.url, judge=world.admission, places=PLACES) as shell,
    ):
        yield shell, origin


WAYS = [
    pytest.param("/v1/dns/x", [f"Authorization: Bearer {TOKEN}"], "/v1/dns/x", id="bearer"),
    pytest.param(
        "/v1/dns/x",
        [f"Authorization: Basic {basic(f'{API_KEY}:{API_SECRET}')}"],
        "/v1/dns/x",
        id="basic-pair",
    ),
    pytest.param(
        "/v1/dns/x", [f"authorization: basic {basic(f'{TOKEN}:')}"], "/v1/dns/x", id="basic-whole"
    ),
    pytest.param("/v1/dns/x?a", [f"x-api-key: {TOKEN}"], "/v1/dns/x?a", id="header"),
    pytest.param("/v1/dns/x", [f"ApiKey: {TOKEN}"], "/v1/dns/x", id="another-header"),
    pytest.param(
        "/v1/dns/x",
        [f"X-API-Key: {API_KEY}", f"X-API-Secret: {API_SECRET}"],
        "/v1/dns/x",
        id="header-pair",
    ),
    pytest.param(
        "/v1/dns/x",
        [f"X-API-Key: {TOKEN}", "Authorization: Negotiate TlRMTVNTUA=="],
        "/v1/dns/x",
        id="beside-another-scheme",
    ),
    pytest.param(
        "/v1/dns/x",
        [f"Authorization: Bearer {TOKEN}", f"X_API_Key: {TOKEN}", f"X.API.Secret: {API_SECRET}"],
        "/v1/dns/x",
        id="beside-odd-spellings",
    ),
    pytest.param(f"/v1/dns/x?api_key={TOKEN}", [], "/v1/dns/x", id="query"),
    pytest.param(
        f"/v1/dns/x?a=%2f&api%5Fkey={TOKEN.replace('_', '%5f')}&&b=+",
        [],
        "/v1/dns/x?a=%2f&&b=+",
        id="query-encoded",
    ),
    pytest.param("/v1/dns/x", [f"Authorization: Bearer {VALUE}"], "/v1/dns/x", id="imported"),
    pytest.param(f"/v1/dns/x?api_key={IN_QUERY}&a", [], "/v1/dns/x?a", id="imported-in-query"),
]


@pytest.mark.parametrize(("target", "fields", "forwarded"), WAYS)
async def test_nothing_of_the_key_goes_along(
    target: str, fields: list[str], forwarded: str
) -> None:
    """The upstream gets the request as sent, cold or warm, less the credential in every form of it."""
    log = io.StringIO()
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(log))
    try:
        async with gate() as (shell, origin):
            head = [f"GET {target} HTTP/1.1", "Host: api.example", "Accept: */*", *fields, "", ""]
            got = [await shell.ask("\r\n".join(head).encode()) for _ in range(2)]
            record = await shell.recorded(2)
            sent = [head.decode("latin-1") for head in origin.heads]
    finally:
        structlog.reset_defaults()
    written = f"{sent}{shell.records}{got}{log.getvalue()}"

    assert [one.status for one in got] == [200, 200]
    assert (record.outcome, record.path) == ("served", "/v1/dns/x")
    assert not [secret for secret in (*SECRETS, "Negotiate") if secret in written]
    for one in sent:
        assert one.startswith(f"GET {forwarded} HTTP/1.1\r\n")
        assert "\r\nAccept: */*\r\n" in one
        names = {line.partition(":")[0].lower() for line in one.split("\r\n")[1:]}
        assert not names & {"authorization", "x-api-key", "apikey", "x-api-secret", "x_api_key"}


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        pytest.param(
            "/v1/dns/x",
            [f"Authorization: Bearer {TOKEN}", f"apikey: {TOKEN}"],
            400,
            id="bearer-and-header",
        ),
        pytest.param(
            "/v1/dns/x", [f"X-API-Key: {TOKEN}", f"apikey: {TOKEN}"], 400, id="two-headers"
        ),
        pytest.param("/v1/dns/x", [f"X-API-Secret: {API_SECRET}"], 400, id="secret-alone"),
        pytest.param(
            f"/v1/dns/x?api_key={TOKEN}", [f"X-API-Key: {TOKEN}"], 400, id="query-and-header"
        ),
        pytest.param("/v1/dns/x", [f"X-API-Key: {API_KEY}"], 401, id="api-key-alone"),
        pytest.param(
            "/v1/dns/x", [f"X-API-Key: {API_KEY}", "X-API-Secret: wrong"], 401, id="short-secret"
        ),
        pytest.param(
            "/v1/dns/x",
            [f"Authorization: Basic {API_KEY}:{API_SECRET}"],
            400,
            id="basic-not-encoded",
        ),
        pytest.param(f"/v1/dns/x?apikey={TOKEN}", [], 401, id="another-parameter"),
    ],
)
async def test_a_refusal_repeats_nothing(target: str, fields: list[str], status: int) -> None:
    """What was wrong with it is told in general words, and the upstream hears nothing of it."""
    async with gate() as (shell, origin):
        head = [f"GET {target} HTTP/1.1", "Host: api.example", *fields, "", ""]
        got = await shell.ask("\r\n".join(head).encode())
        record = await shell.recorded()

    assert got.status == status
    assert not origin.heads
    assert not [secret for secret in (*SECRETS, API_KEY) if secret in f"{got}{record}"]


async def test_an_api_can_have_these_headers_itself() -> None:
    """Where no header carries keys, X-API-Key and X-API-Secret are fields like any other."""
    async with answer(OK) as origin, proxy(origin.url, places=Places((), "X-API-Secret")) as shell:
        head = b"GET /api/x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer good-key\r\n"
        await shell.ask(head + b"X-API-Key: theirs\r\nX-API-Secret: theirs\r\n\r\n")

        assert {b"X-API-Key: theirs", b"X-API-Secret: theirs"} <= set(origin.lines())

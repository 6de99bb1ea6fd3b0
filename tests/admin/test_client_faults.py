"""How the client meets refusals, lost connections and busy servers; and that its token shows up nowhere."""

import asyncio
import io
import logging
import socket
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from admin.client import ApiError, AsyncClient, Client, ClientError, Patience, Unreachable
from admin.client.call import Call
from admin.client.calls.accounts import update_account
from admin.client.calls.key_life import delete_key, revoke_key
from admin.client.calls.keys import show_key, update_key
from admin.client.faults import FieldError
from admin.client.patience import pause_seconds
from tests.admin.samples import KEY
from tests.admin.wire_server import Fault, WireServer, drop, problem, text

TOKEN = "kwadmin_" + "0123456789abcdef" * 3
IMPATIENT = Patience(repeats=0)


class Pauses:
    """Waits no time, and remembers how long it should have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)

    def waited(self, seconds: float) -> None:
        self.seconds.append(seconds)


def patience(chance: float = 0.5) -> Patience:
    """The usual one, with a chance that is none."""
    return Patience(chance=lambda: chance)


async def twice(kind: type[Client | AsyncClient], url: str, pauses: Pauses) -> None:
    """Make two keys that are alike."""
    if kind is AsyncClient:
        async with AsyncClient(url, token=TOKEN, patience=patience(), sleep=pauses) as client:
            for _ in range(2):
                await client.keys.create(account="acc_1", name="ci")
        return
    with Client(url, token=TOKEN, patience=patience(), sleep=pauses.waited) as waiting:
        for _ in range(2):
            await asyncio.to_thread(waiting.keys.create, account="acc_1", name="ci")


@pytest.mark.parametrize("fault", [drop, problem(503)], ids=["lost", "unavailable"])
@pytest.mark.parametrize("kind", [Client, AsyncClient])
async def test_a_post_is_repeated_as_the_same_request(
    kind: type[Client | AsyncClient], fault: Fault
) -> None:
    """When an answer is lost on the way, the key that was made comes with the repetition, and is made once."""
    pauses = Pauses()
    async with WireServer().open() as server:
        server.fail(fault)
        await twice(kind, server.url, pauses)
        keys = [asked.headers["Idempotency-Key"] for asked in server.asked]
        bodies = [asked.body for asked in server.asked]

    assert len(keys) == 3
    assert keys[0] == keys[1] != keys[2]
    assert bodies[0] == bodies[1]
    assert pauses.seconds == [0.125]


async def test_a_program_may_name_its_own_request() -> None:
    """A program that was restarted gets the key that it made before, if it kept the request's name."""
    async with WireServer().open() as server, AsyncClient(server.url, token=TOKEN) as client:
        await client.keys.create(account="acc_1", name="ci", idempotency_key="deploy-42")
        (asked,) = server.asked

    assert asked.headers["Idempotency-Key"] == "deploy-42"


async def test_only_a_post_names_itself() -> None:
    """What the API does not need is not sent."""
    async with WireServer().open() as server, AsyncClient(server.url, token=TOKEN) as client:
        await client.keys.show("key_1")
        await client.keys.update("key_1", name="x", if_match=7)
        shown, changed = server.asked

    assert "Idempotency-Key" not in shown.headers
    assert "Idempotency-Key" not in changed.headers
    assert changed.headers["If-Match"] == '"7"'


async def test_a_server_says_when_to_come_back() -> None:
    """A busy server is left alone for as long as it asks, and not one moment less."""
    pauses = Pauses()
    async with (
        WireServer().open() as server,
        AsyncClient(server.url, token=TOKEN, patience=patience(), sleep=pauses) as client,
    ):
        server.fail(problem(503, Retry_After="2"), problem(429, Retry_After="1"))
        await client.keys.show("key_1")

    assert pauses.seconds == [2.125, 1.125]


async def test_patience_ends() -> None:
    """A program is told that nothing works, rather than waiting for ever."""
    pauses = Pauses()
    async with (
        WireServer().open() as server,
        AsyncClient(server.url, token=TOKEN, patience=patience(), sleep=pauses) as client,
    ):
        server.fail(*[problem(503)] * 9)
        with pytest.raises(ApiError) as caught:
            await client.keys.show("key_1")
        asked = len(server.asked)

    assert caught.value.status == 503
    assert asked == 4
    assert pauses.seconds == [0.125, 0.25, 0.5]


async def test_a_long_wait_is_the_programs_to_decide() -> None:
    """Nobody waits an hour without knowing; how long it would be is said."""
    pauses = Pauses()
    async with (
        WireServer().open() as server,
        AsyncClient(server.url, token=TOKEN, sleep=pauses) as client,
    ):
        server.fail(problem(503, Retry_After="3600"))
        with pytest.raises(ApiError) as caught:
            await client.keys.show("key_1")

    assert caught.value.retry_after == 3600
    assert pauses.seconds == []


async def test_a_change_that_may_have_been_made_is_not_made_again() -> None:
    """A conditional change is not repeated blindly: its own success would look like somebody else's."""
    async with (
        WireServer().open() as server,
        AsyncClient(server.url, token=TOKEN, patience=Patience(pause=0)) as client,
    ):
        server.fail(drop)
        with pytest.raises(Unreachable) as caught:
            await client.keys.update("key_1", name="x", if_match=7)
        asked = len(server.asked)

    assert asked == 1
    assert caught.value.was_sent
    assert str(caught.value).endswith("; what was asked may have been done")


LOST = Unreachable("http://x", "reset", was_sent=True)
REFUSED = Unreachable("http://x", "refused", was_sent=False)
BUSY = ApiError(503, "x", "x")
BEHIND_A_PROXY = ApiError(502, "x", "x")
WRONG = ApiError(409, "x", "x")
FAULTY = ApiError(500, "x", "x")


@pytest.mark.parametrize(
    ("call", "repeated_after"),
    [
        pytest.param(show_key("key_1"), {LOST, REFUSED, BUSY, BEHIND_A_PROXY}, id="look"),
        pytest.param(
            revoke_key("key_1", if_match=2), {LOST, REFUSED, BUSY, BEHIND_A_PROXY}, id="act"
        ),
        pytest.param(
            update_account("acc_1", name="x"), {LOST, REFUSED, BUSY, BEHIND_A_PROXY}, id="change"
        ),
        pytest.param(
            update_key("key_1", name="x", if_match=2), {REFUSED, BUSY}, id="conditional-change"
        ),
        pytest.param(delete_key("key_1"), {REFUSED, BUSY}, id="delete"),
    ],
)
def test_what_is_repeated(call: Call[Any], repeated_after: set[ClientError]) -> None:
    """A call is repeated when it cannot have been done, or may be done twice; a refusal is final."""
    faults = {LOST, REFUSED, BUSY, BEHIND_A_PROXY, WRONG, FAULTY}
    found = {fault for fault in faults if pause_seconds(call, fault, 0, patience()) is not None}

    assert found == repeated_after


async def test_a_problem_is_told_with_all_its_parts() -> None:
    """A program sees what is wrong, where, and under which request the server's log has it."""
    async with WireServer().open() as server, AsyncClient(server.url, token=TOKEN) as client:
        server.fail(problem(422, Retry_After="7"))
        with pytest.raises(ApiError) as caught:
            await client.keys.create(account="acc_1", name="ci")
    error = caught.value

    assert (error.status, error.code, error.detail) == (422, "sample", "This is what is wrong.")
    assert error.errors == (FieldError("limits.0.quota", "too large"),)
    assert error.request_id == "req-1"
    assert error.retry_after == 7
    assert str(error) == "This is what is wrong. (422 sample, request req-1)"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(text(200, "<html>"), "Is this its address", id="another-service"),
        pytest.param(text(200, "{}"), "Is this its address", id="another-document"),
        pytest.param(text(404, "<html>"), "The server answered 404 Not Found.", id="page"),
        pytest.param(text(500, "[1]"), "The server answered 500", id="list"),
        pytest.param(text(301, ""), "The server answered 301", id="elsewhere"),
        pytest.param(text(500, "[" * 100_000), "The server answered 500", id="deep"),
        pytest.param(text(555, ""), "The server answered 555.", id="unheard-of"),
    ],
)
async def test_what_is_no_admin_api_is_told_as_that(fault: Fault, words: str) -> None:
    """Whoever mistypes the address learns so, and gets no half-read document."""
    async with (
        WireServer().open() as server,
        AsyncClient(server.url, token=TOKEN, patience=IMPATIENT) as client,
    ):
        server.fail(fault)
        with pytest.raises(ApiError) as caught:
            await client.keys.show("key_1")

    assert caught.value.code == "unexpected_answer"
    assert words in caught.value.detail


async def test_a_newer_server_is_understood() -> None:
    """A field that this release does not know breaks no program."""

    async def newer(_: web.Request) -> web.StreamResponse:
        document = KEY.model_dump(mode="json")
        document["secrets"][0]["colour"] = "green"
        return web.json_response({**document, "shape": "round"})

    async with WireServer().open() as server, AsyncClient(server.url, token=TOKEN) as client:
        server.fail(newer)
        key = await client.keys.show("key_1")

    assert key == KEY


def test_a_refused_connection_is_told_apart() -> None:
    """A server that is not there is no answer, and nothing was done."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with (
            Client(url, token=TOKEN, patience=Patience(pause=0)) as client,
            pytest.raises(Unreachable) as caught,
        ):
            client.keys.show("key_1")

    assert not caught.value.was_sent
    assert url in str(caught.value)


async def test_silence_ends() -> None:
    """A server that takes a request and says nothing holds nobody up for longer than they wanted."""

    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    async with (
        WireServer().open() as server,
        AsyncClient(server.url, token=TOKEN, timeout=0.2, patience=IMPATIENT) as client,
    ):
        server.fail(silent)
        began = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            await client.keys.show("key_1")

    assert time.monotonic() - began < 5
    assert caught.value.was_sent
    assert caught.value.cause == "read timeout"


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8081",
        "ftp://host",
        "http://",
        "http://me:secret@host",
        "http://host/?a=1",
        "http://host\n",
        "http://[::",
        "",
    ],
)
def test_an_address_is_one_of_an_api(url: str) -> None:
    """A mistyped address is told at once, without a password that may be in it."""
    if url.endswith("\n"):
        assert repr(Client(url, token=TOKEN)) == "Client('http://host')"
        return
    with pytest.raises(ValueError, match="is written as") as caught:
        Client(url, token=TOKEN)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "kwadmin_ü"])
def test_a_token_is_one_that_a_header_can_carry(token: str) -> None:
    """A token that was copied wrong is told before it is sent, and not repeated."""
    with pytest.raises(ValueError, match="The token is none") as caught:
        Client("http://host", token=token)

    assert "ü" not in str(caught.value)


async def test_a_path_in_the_address_stays() -> None:
    """An API behind a proxy's path is reached there."""
    async with (
        WireServer().open() as server,
        AsyncClient(f"{server.url}/v1/keys/..", token=TOKEN) as client,
    ):
        with pytest.raises(ApiError) as caught:
            await client.me()

    assert caught.value.status == 404


@pytest.mark.parametrize("id_", ["", ".", ".."])
def test_what_names_nothing_is_not_asked_for(id_: str) -> None:
    """An empty variable in a script never becomes a request for something else."""
    client = Client("http://localhost", token=TOKEN)
    with pytest.raises(ValueError, match="is not an id"):
        client.keys.revoke(id_)


async def test_an_id_stays_one_part_of_the_path() -> None:
    """Whatever somebody calls an id, it is asked for, and nothing else."""
    async with WireServer().open() as server, AsyncClient(server.url, token=TOKEN) as client:
        await client.keys.show("../accounts/a?b#c")
        (asked,) = server.asked

    assert asked.path == "/v1/keys/..%2Faccounts%2Fa%3Fb%23c"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that anybody logs, at any level."""
    written = io.StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


async def trace_of(client: AsyncClient, token: SecretStr) -> str:
    """The trace of a call that fails, with every variable of every frame."""
    with pytest.raises(ClientError) as caught:
        await client.verify(token=token, path="/")
    found = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    return "".join(found.format())


async def test_the_token_shows_up_nowhere(logged: io.StringIO) -> None:
    """No log, no representation and no trace, with every variable in it, has the token or what was verified."""
    hidden = SecretStr("sk_live_hidden")
    async with (
        WireServer().open() as server,
        AsyncClient(server.url, token=TOKEN, patience=IMPATIENT) as client,
    ):
        server.fail(problem(401), drop, text(200, "{}"))
        shown = [await trace_of(client, hidden) for _ in range(3)]
        with Client(server.url, token=TOKEN) as waiting:
            await asyncio.to_thread(waiting.me)
        shown += [repr(each) for each in (client, vars(client), waiting, vars(waiting))]
    everything = logged.getvalue() + "".join(shown)

    assert "/v1/verify" in everything
    assert TOKEN not in everything
    assert TOKEN.removeprefix("kwadmin_") not in everything
    assert hidden.get_secret_value() not in everything

"""Webhooks against receivers and name servers that mean no good, or do not work."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiohttp import web

from admin.core.notices.outcome import Done, Parcel
from admin.core.notices.places import NetworkRules
from admin.senders.guarded import LookUp
from admin.senders.webhook import WebhookSender
from tests.admin.notices.certificates import Authority
from tests.admin.notices.stand import ON_THIS_MACHINE, Receiver

PUBLIC = NetworkRules()
PATIENT = 20.0
SHORT = 0.5


def parcel(url: str) -> Parcel:
    """Something to send there."""
    return Parcel(
        id="dlv_1",
        kind="key.revoked",
        severity="warning",
        title="Key ci was revoked",
        text="It was.",
        body="{}",
        at=1_800_000_000.0,
        url=url,
        secrets=("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",),
    )


def always(*addresses: str) -> LookUp:
    """A name server that says the same of every name."""
    return lambda _host: addresses


class Changing:
    """A name server that says something else each time it is asked (DNS rebinding)."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    def __call__(self, _host: str) -> Sequence[str]:
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture
async def deaf() -> AsyncIterator[str]:
    """The URL of a server that takes connections, and never says a word."""
    hold = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hold.wait()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    hold.set()
    server.close()
    await server.wait_closed()


async def raw(answer: bytes, *, resets: bool = False) -> asyncio.Server:
    """A server that answers so, whatever it is asked, and hangs up."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if resets:
            writer.transport.abort()
            return
        writer.write(answer)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(speak, "127.0.0.1", 0)


def url_of(server: asyncio.Server) -> str:
    """Where it is."""
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


@pytest.mark.parametrize(
    "addresses",
    [
        pytest.param(("127.0.0.1",), id="loopback"),
        pytest.param(("::1",), id="loopback-6"),
        pytest.param(("169.254.169.254",), id="metadata"),
        pytest.param(("10.0.0.5", "192.168.1.1"), id="private"),
        pytest.param(("::ffff:127.0.0.1",), id="mapped"),
        pytest.param(("64:ff9b::7f00:1",), id="nat64"),
    ],
)
async def test_a_name_that_leads_inside_is_not_connected_to(
    receiver: Receiver, addresses: tuple[str, ...]
) -> None:
    """A public name with an address on the inside gets nobody in."""
    url = receiver.url.replace("127.0.0.1", "hooks.example.com")
    async with WebhookSender(
        PUBLIC, deadline_seconds=PATIENT, threads=1, look_up=always(*addresses)
    ) as sender:
        outcome = await sender.send(parcel(url))

    assert outcome.done is Done.FAILED
    assert outcome.detail.startswith("Its address is not public")
    assert receiver.got == []


async def test_an_address_in_the_url_is_looked_at_when_it_is_connected_to(
    receiver: Receiver,
) -> None:
    """An address that no name server is asked about gets nobody in either, whatever was saved."""
    async with WebhookSender(PUBLIC, deadline_seconds=PATIENT, threads=1) as sender:
        outcomes = [
            await sender.send(parcel(receiver.url.replace("127.0.0.1", host)))
            for host in ("127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]")
        ]

    assert [outcome.done for outcome in outcomes] == [Done.FAILED] * 5
    assert receiver.got == []


async def test_a_name_that_means_something_else_by_then_gets_nobody_in(receiver: Receiver) -> None:
    """What was public when the channel was made, and at the last attempt, is looked at again at this one."""
    port = receiver.url.split(":")[2]
    # At first an address that is allowed, and where nobody listens; then the machine itself.
    rules = NetworkRules(["127.7.7.0/24"])
    look_up = Changing(["127.7.7.7"], ["127.0.0.1"])
    async with WebhookSender(rules, deadline_seconds=PATIENT, threads=1, look_up=look_up) as sender:
        first = await sender.send(parcel(f"http://hooks.example.com:{port}"))
        second = await sender.send(parcel(f"http://hooks.example.com:{port}"))

    assert first.detail == "It could not be connected to."
    assert second.detail.startswith("Its address is not public")
    assert receiver.got == []


async def test_of_many_addresses_only_the_allowed_are_connected_to(receiver: Receiver) -> None:
    """One address on the inside among others does not help, and does not harm."""
    port = receiver.url.split(":")[2]
    look_up = always("169.254.169.254", "10.0.0.1", "127.0.0.1")
    async with WebhookSender(
        ON_THIS_MACHINE, deadline_seconds=PATIENT, threads=1, look_up=look_up
    ) as sender:
        outcome = await sender.send(parcel(f"http://hooks.example.com:{port}"))

    assert outcome.done is Done.DELIVERED
    assert receiver.got[0].headers["Host"].startswith("hooks.example.com")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(receiver: Receiver, status: int) -> None:
    """A receiver cannot send us anywhere else."""
    receiver.will(status, headers={"Location": receiver.url + "/inside"})
    async with WebhookSender(ON_THIS_MACHINE, deadline_seconds=PATIENT, threads=1) as sender:
        outcome = await sender.send(parcel(receiver.url))

    assert (outcome.done, outcome.status) == (Done.FAILED, status)
    assert [got.path for got in receiver.got] == ["/hook"]


async def test_a_receiver_that_hangs_is_given_up(deaf: str) -> None:
    """Nobody waits longer than the deadline."""
    async with WebhookSender(ON_THIS_MACHINE, deadline_seconds=SHORT, threads=1) as sender:
        outcome = await sender.send(parcel(deaf))

    assert outcome.detail == "There was no answer within 0.5 seconds."


async def test_a_name_server_that_hangs_holds_up_nobody_else(receiver: Receiver) -> None:
    """A look-up that never ends costs its own attempt, and leaves other threads free."""
    stuck = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look_up(host: str) -> Sequence[str]:
        if host == "slow.example.com":
            asyncio.run_coroutine_threadsafe(stuck.wait(), loop).result(30)
        return ["127.0.0.1"]

    slow = receiver.url.replace("127.0.0.1", "slow.example.com")
    quick = receiver.url.replace("127.0.0.1", "quick.example.com")
    async with WebhookSender(
        ON_THIS_MACHINE, deadline_seconds=PATIENT, threads=2, look_up=look_up
    ) as sender:
        waiting = asyncio.gather(sender.send(parcel(slow)))
        outcome = await sender.send(parcel(quick))
        was_waiting = not waiting.done()
        stuck.set()
        await waiting

    assert outcome.done is Done.DELIVERED
    assert was_waiting


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hello\r\n\r\n", id="no-http"),
        pytest.param(b"HTTP/1.1 200\x00OK\r\n\r\n", id="nul"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", id="endless-field"),
    ],
)
async def test_what_is_no_answer_is_a_failure(answer: bytes) -> None:
    """A receiver that speaks something else is told of in words of ours."""
    server = await raw(answer)
    async with WebhookSender(ON_THIS_MACHINE, deadline_seconds=PATIENT, threads=1) as sender:
        outcome = await sender.send(parcel(url_of(server)))
    server.close()

    assert outcome.done is Done.FAILED
    assert outcome.detail.startswith("The connection broke")


async def test_a_reset_is_a_failure() -> None:
    """A receiver that hangs up in the middle is tried again."""
    server = await raw(b"", resets=True)
    async with WebhookSender(ON_THIS_MACHINE, deadline_seconds=PATIENT, threads=1) as sender:
        outcome = await sender.send(parcel(url_of(server)))
    server.close()

    assert outcome.done is Done.FAILED


async def test_an_endless_answer_is_not_read_to_its_end(receiver: Receiver) -> None:
    """What a receiver says beyond its status costs neither memory nor time."""
    written = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        answer = web.StreamResponse(headers={"Content-Encoding": "gzip"})
        await answer.prepare(request)
        try:
            while written < 100_000_000:
                await answer.write(b"x" * 65536)
                written += 65536
        except (ConnectionError, asyncio.CancelledError):
            pass
        return answer

    receiver.answers.append(endless)
    async with WebhookSender(ON_THIS_MACHINE, deadline_seconds=PATIENT, threads=1) as sender:
        outcome = await sender.send(parcel(receiver.url))

    assert outcome.done is Done.DELIVERED
    assert written < 50_000_000


async def test_cookies_and_certificates(receiver: Receiver, tmp_path: Path) -> None:
    """A receiver is told nothing that another attempt was given, and is believed only with a good certificate."""
    receiver.will(204, headers={"Set-Cookie": "a=b"})
    authority = Authority(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(authority.certificate, authority.key)
    runner = web.AppRunner(_app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_side).start()
    url = f"https://localhost:{runner.addresses[0][1]}/"
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    look_up = always("127.0.0.1")
    async with WebhookSender(
        ON_THIS_MACHINE, deadline_seconds=PATIENT, threads=1, look_up=look_up
    ) as sender:
        await sender.send(parcel(receiver.url))
        await sender.send(parcel(receiver.url))
        unknown = await sender.send(parcel(url))
    async with WebhookSender(
        ON_THIS_MACHINE, deadline_seconds=PATIENT, threads=1, tls=trusting, look_up=look_up
    ) as sender:
        known = await sender.send(parcel(url))
        other = await sender.send(parcel(url.replace("localhost", "hooks.example.com")))
    await runner.cleanup()

    assert "Cookie" not in receiver.got[1].headers
    assert unknown.detail.startswith("A TLS connection could not be made")
    assert known.done is Done.DELIVERED
    assert other.detail.startswith("A TLS connection could not be made")


def _app() -> web.Application:
    async def taken(_request: web.Request) -> web.Response:
        return web.Response(status=200)

    app = web.Application()
    app.router.add_post("/", taken)
    return app

"""Chat and push services through Apprise, whose connections are looked at, too."""

import json
import socket
import subprocess
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.notices.channel_words import ChannelKind
from admin.core.notices.outcome import Done, Parcel
from admin.core.notices.places import NetworkRules
from admin.senders.chat import ChatSender
from admin.senders.fenced import fence_this_thread
from admin.services.channel_rules import ChannelRules
from admin.services.channels import ChannelChange, NewChannel
from gateway.core.errors import Misuse
from gateway.stores.notification_tables import channels, deliveries
from gateway.stores.tables import audit_entries
from tests.admin.notices.stand import ON_THIS_MACHINE, Receiver, Stand
from tests.admin.world import OPERATOR, World

ON_ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
SECONDS = 20.0
# Apprise imports it when it loads itself.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def parcel(url: str) -> Parcel:
    """Something to tell there."""
    return Parcel(
        id="dlv_1",
        kind="key.revoked",
        severity="warning",
        title="Key ci was revoked",
        text="ada revoked it.",
        body="{}",
        at=1_800_000_000.0,
        secrets=(url,),
    )


@pytest.fixture
async def chat() -> AsyncIterator[ChatSender]:
    """A sender that may connect to this machine."""
    sender = ChatSender(ON_THIS_MACHINE, ["json"], deadline_seconds=SECONDS, threads=2)
    yield sender
    sender.close()


def service(receiver: Receiver, more: str = "") -> str:
    """The receiver as Apprise writes it: a service that takes JSON."""
    return receiver.url.replace("http://", "json://") + more


async def test_a_service_is_told(chat: ChatSender, receiver: Receiver) -> None:
    """What happened arrives with its title and how much it matters."""
    outcome = await chat.send(parcel(service(receiver)))
    told = json.loads(receiver.got[0].body)

    assert outcome.done is Done.DELIVERED
    assert (told["title"], told["message"], told["type"]) == (
        "Key ci was revoked",
        "ada revoked it.",
        "warning",
    )


async def test_a_service_on_the_inside_is_not_connected_to(receiver: Receiver) -> None:
    """Whoever names a host in a chat service's URL gets no further than with a webhook."""
    sender = ChatSender(NetworkRules(), ["json"], deadline_seconds=SECONDS, threads=1)
    outcomes = [
        await sender.send(parcel(service(receiver).replace("127.0.0.1", host)))
        for host in ("127.0.0.1", "localhost", "127.1")
    ]
    sender.close()

    assert [each.done for each in outcomes] == [Done.FAILED] * 3
    assert receiver.got == []


async def test_redirects_are_not_followed_whatever_the_url_asks_for(
    chat: ChatSender, receiver: Receiver
) -> None:
    """A service cannot send us anywhere else."""
    receiver.will(302, headers={"Location": receiver.url + "/inside"})
    outcome = await chat.send(parcel(service(receiver, "?redirect=yes&verify=no&retry=5")))

    assert outcome.done is Done.FAILED
    assert [got.path for got in receiver.got] == ["/hook"]


async def test_a_service_that_is_not_allowed_any_more_is_not_told(receiver: Receiver) -> None:
    """What the operator takes out of the configuration is over, also for channels that are there."""
    sender = ChatSender(ON_THIS_MACHINE, ["slack"], deadline_seconds=SECONDS, threads=1)
    outcome = await sender.send(parcel(service(receiver)))
    sender.close()

    assert outcome.done is Done.FAILED
    assert receiver.got == []


def test_nothing_leads_around_the_fence() -> None:
    """In a fenced thread neither a socket nor a process gets anywhere; elsewhere both do."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()

        def connect() -> str:
            with socket.socket() as one:
                one.connect(address)
            return "connected"

        def datagram() -> str:
            with socket.socket(type=socket.SOCK_DGRAM) as one:
                one.sendto(b"x", address)
            return "sent"

        def local() -> str:
            with socket.socket(socket.AF_UNIX) as one:
                one.connect("/run/some.sock")
            return "connected"

        def process() -> str:
            return str(subprocess.run(["true"], check=False).returncode)

        attempts = (connect, datagram, local, process)
        with ThreadPoolExecutor(
            1, initializer=fence_this_thread, initargs=(NetworkRules(),)
        ) as fenced:
            faults = [type(fenced.submit(each).exception()) for each in attempts]

        assert faults == [PermissionError] * 4
        assert (connect(), datagram(), process()) == ("connected", "sent", "0")


@ON_ONE_DATABASE
async def test_the_url_of_a_service_is_a_secret(
    sql_engine: AsyncEngine, receiver: Receiver
) -> None:
    """It stands in no view, no row and no audit entry, and can be changed."""
    chat = ChatSender(ON_THIS_MACHINE, ["json"], deadline_seconds=SECONDS, threads=1)
    rules = ChannelRules(ON_THIS_MACHINE, chat_schemes=("json",))
    stand = Stand(sql_engine, {ChannelKind.CHAT: chat}, rules=rules)
    url = service(receiver, "/of-this-channel")
    channel, shown = await stand.channels.create(
        OPERATOR, NewChannel(kind="chat", name="team", url=url, severity="info")
    )
    await stand.channels.change(OPERATOR, channel.id, ChannelChange(url=url + "-anew"))
    await stand.tell()
    await stand.deliver()
    chat.close()
    world = World(sql_engine)
    kept = [
        str(row._asdict())
        for table in (channels, deliveries, audit_entries)
        for row in await world.rows(table)
    ]

    assert shown is None
    assert channel.url == "json://…"
    assert [got.path for got in receiver.got] == ["/hook/of-this-channel-anew"]
    assert all("of-this-channel" not in text for text in kept)


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("schemes", "url"),
    [
        pytest.param((), "json://127.0.0.1/", id="none-is-allowed"),
        pytest.param(("slack",), "json://127.0.0.1/", id="another-is-allowed"),
        pytest.param(("slack",), "slack://nonsense", id="not-understood"),
        pytest.param(("xmpp",), "xmpp://user:pass@example.com", id="cannot-be-fenced"),
        pytest.param(("json",), "json://", id="no-host"),
        pytest.param(("json",), "", id="nothing"),
        pytest.param(("json",), "json://127.0.0.1/\r\nX: y", id="line-break"),
    ],
)
async def test_what_cannot_be_is_told_without_repeating_it(
    sql_engine: AsyncEngine, schemes: tuple[str, ...], url: str
) -> None:
    """A URL that is wrong is refused when it is saved; it may be a secret all the same."""
    rules = ChannelRules(ON_THIS_MACHINE, chat_schemes=schemes)
    stand = Stand(sql_engine, {}, rules=rules)
    with pytest.raises(Misuse) as caught:
        await stand.channels.create(OPERATOR, NewChannel(kind="chat", name="team", url=url))

    assert "nonsense" not in str(caught.value)

"""Channels as their owners handle them: who may, what cannot be, and that secrets stay secret."""

import dataclasses
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Role
from admin.core.faults import Changed, Conflict, NotAllowed, NotFound
from admin.core.notices.places import NetworkRules
from admin.core.notices.severity import Severity
from admin.core.page import PageRequest
from admin.services.accounts import AccountView
from admin.services.channel_rules import ChannelRules
from admin.services.channels import ChannelChange, NewChannel
from admin.stores.inbox import Notices
from gateway.core.credential import Pepper, Peppers
from gateway.core.errors import Misuse
from gateway.stores.notification_tables import (
    channels,
    deliveries,
    delivery_attempts,
    inbox_notices,
    inbox_reads,
)
from gateway.stores.tables import audit_entries, events, idempotency
from tests.admin.notices.stand import EVERYTHING, Receiver, Stand, sending
from tests.admin.world import OPERATOR, PEPPERS, World, caller_of

HOOK = "https://hooks.example.com/keywright"
DAY = 86_400.0


@pytest.fixture
def closed(sql_engine: AsyncEngine) -> Stand:
    """As it is without configuration: no http, no networks, no mail server, no chat services."""
    return Stand(sql_engine, {}, rules=ChannelRules(NetworkRules(), channels_max=3))


def new(**more: Any) -> NewChannel:  # noqa: ANN401 -- fields of NewChannel
    """A webhook, but for what is said."""
    return NewChannel(**{"kind": "webhook", "name": "desk", "url": HOOK, **more})


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://hooks.example.com/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://169.254.169.254/latest/meta-data"},
        {"url": None},
        {"url": HOOK, "recipients": ["ada@example.com"]},
        {"kind": "email", "url": None, "recipients": ["ada@example.com"]},
        {"kind": "pigeon"},
        {"name": ""},
        {"name": "sk_live_" + "a" * 50},
        {"events": ()},
        {"events": ["key"]},
        {"events": ["*"] * 1 + [f"a.b{'c' * n}" for n in range(60)]},
        {"severity": "grave"},
    ],
    ids=str,
)
async def test_what_cannot_be_a_channel_is_told(closed: Stand, wrong: dict[str, Any]) -> None:
    """A mistake is told when the channel is made, not by silence."""
    with pytest.raises(Misuse):
        await closed.channels.create(OPERATOR, new(**wrong))


async def test_a_change_is_looked_at_as_a_new_channel_is(closed: Stand) -> None:
    """What could not be made cannot be come by in two steps either."""
    channel, _ = await closed.channels.create(OPERATOR, new())
    for wrong in (
        ChannelChange(url="https://[::1]/"),
        ChannelChange(recipients=["ada@example.com"]),
        ChannelChange(events=["nonsense"]),
        ChannelChange(status="off"),
    ):
        with pytest.raises(Misuse):
            await closed.channels.change(OPERATOR, channel.id, wrong)

    same = await closed.channels.change(OPERATOR, channel.id, ChannelChange(name="desk"))
    assert same.version == 1
    changed = await closed.channels.change(
        OPERATOR, channel.id, ChannelChange(name="other", severity="critical"), expected=1
    )
    assert (changed.name, changed.severity, changed.version) == ("other", "critical", 2)
    with pytest.raises(Changed):
        await closed.channels.delete(OPERATOR, channel.id, expected=1)


async def test_there_is_room_for_so_many(closed: Stand, account: AccountView) -> None:
    """One account cannot fill the place with channels; another has its own room."""
    for _ in range(3):
        await closed.channels.create(OPERATOR, new(account_id=account.id))
    with pytest.raises(Conflict):
        await closed.channels.create(OPERATOR, new(account_id=account.id))

    assert (await closed.channels.create(OPERATOR, new())).secret is not None


async def test_members_handle_the_channels_of_their_account(
    sql_engine: AsyncEngine, closed: Stand, account: AccountView
) -> None:
    """A member makes and changes channels of their account, a viewer looks, and nobody sees another's."""
    other = await World(sql_engine).accounts.create(OPERATOR, "Bo")
    member, viewer = (caller_of(role, account.id) for role in (Role.MEMBER, Role.VIEWER))
    stranger = caller_of(Role.MEMBER, other.id)
    channel, _ = await closed.channels.create(member, new())
    await closed.channels.create(OPERATOR, new())

    assert channel.account_id == account.id
    assert [c.id for c in (await closed.channels.list(viewer, EVERYTHING)).items] == [channel.id]
    assert (await closed.channels.list(stranger, EVERYTHING)).items == ()
    assert (await closed.channels.list(viewer, EVERYTHING, other.id)).items == ()
    with pytest.raises(NotAllowed):
        await closed.channels.create(viewer, new())
    with pytest.raises(NotFound):
        await closed.channels.create(member, new(account_id=other.id))
    for attempt in (
        closed.channels.show(stranger, channel.id),
        closed.channels.change(stranger, channel.id, ChannelChange(name="x")),
        closed.channels.rotate(stranger, channel.id),
        closed.channels.delete(stranger, channel.id),
        closed.deliveries.test(stranger, channel.id),
        closed.deliveries.list(stranger, channel.id, EVERYTHING),
    ):
        with pytest.raises(NotFound):
            await attempt


async def test_a_secret_is_told_once_and_kept_sealed(
    sql_engine: AsyncEngine, closed: Stand
) -> None:
    """Who reads the database reads no secret, and a lost answer can be had again for ten minutes."""
    asker = caller_of(Role.ADMIN, key="once")
    first = await closed.channels.create(asker, new())
    again = await closed.channels.create(asker, new())
    rotated = await closed.channels.rotate(OPERATOR, first.channel.id)
    world = World(sql_engine)
    kept = [
        str(row._asdict())
        for table in (channels, deliveries, audit_entries, events, idempotency)
        for row in await world.rows(table)
    ]

    assert first == again
    assert first.secret is not None
    assert rotated.secret not in {None, first.secret}
    assert len(await world.rows(channels)) == 1
    for secret in (first.secret, rotated.secret):
        assert secret is not None
        assert all(secret[6:] not in text for text in kept)
    assert first.secret not in repr(first)


async def test_a_sealed_secret_is_bound_to_its_channel(
    sql_engine: AsyncEngine, stand: Stand, receiver: Receiver
) -> None:
    """Who can write to the database cannot give one channel the secret of another."""
    mine, _ = await stand.webhook(receiver.url)
    theirs, _ = await stand.webhook(receiver.url)
    row = await stand.row(theirs.id)
    await World(sql_engine).put(channels, sealed=row.sealed)
    await stand.tell()
    await stand.deliver()

    (failed,) = await stand.log(mine.id)
    assert "Rotate it" in (failed.detail or "")
    assert len(receiver.got) == 1


async def test_secrets_move_to_a_new_pepper(sql_engine: AsyncEngine, receiver: Receiver) -> None:
    """An operator may change the pepper, and throw the old one away once housekeeping has run."""
    async with sending() as senders:
        before = Stand(sql_engine, senders)
        channel, _ = await before.webhook(receiver.url)
        await before.channels.rotate(OPERATOR, channel.id, DAY)
        newer = Pepper("p2", b"of these tests, too" * 3)
        between = Stand(
            sql_engine,
            senders,
            clock=before.clock,
            peppers=Peppers(newer, older=(PEPPERS.current,)),
        )
        await between.keeping.once()
        after = Stand(sql_engine, senders, clock=before.clock, peppers=Peppers(newer))
        await after.tell()
        await after.deliver()

        assert (await after.row(channel.id)).pepper_id == "p2"
        assert len(receiver.got[0].headers["webhook-signature"].split()) == 2


async def test_the_inbox_is_read_by_each_for_themselves(
    stand: Stand, sql_engine: AsyncEngine, account: AccountView
) -> None:
    """What one has read, a colleague still finds unread; nobody sees another account's notices."""
    other = await World(sql_engine).accounts.create(OPERATOR, "Bo")
    ada, bo = caller_of(Role.MEMBER, account.id), caller_of(Role.MEMBER, other.id)
    colleague = dataclasses.replace(ada, id="usr_colleague")
    for kind in ("key.revoked", "key.created", "key.disabled", "access.disabled"):
        await stand.tell(kind, account.id)
    await stand.tell("key.revoked", other.id)
    await stand.deliver()
    seen, unread = await stand.inbox.list(ada, Notices(), EVERYTHING)

    assert [each.kind for each in seen.items] == ["access.disabled", "key.disabled", "key.revoked"]
    assert (unread, [each.is_read for each in seen.items]) == (3, [False] * 3)
    assert await stand.inbox.read(ada, [seen.items[0].sequence, 10**6]) == 2
    critical = await stand.inbox.list(colleague, Notices(severity=Severity.CRITICAL), EVERYTHING)
    assert [each.is_read for each in critical.page.items] == [False]
    theirs = (await stand.inbox.list(bo, Notices(), EVERYTHING)).page.items
    assert await stand.inbox.read(ada, [theirs[0].sequence]) == 2
    assert await stand.inbox.read(ada, up_to=seen.items[0].sequence) == 0
    assert await stand.inbox.read(ada, up_to=0) == 0
    assert await stand.inbox.unread(colleague) == 3
    assert await stand.inbox.unread(OPERATOR) == 4
    assert (await stand.inbox.list(ada, Notices(other.id), EVERYTHING)).page.items == ()
    left = await stand.inbox.list(colleague, Notices(is_unread=True), PageRequest(2))
    behind = await stand.inbox.list(
        colleague, Notices(is_unread=True), PageRequest(2, left.page.next_cursor)
    )
    assert len(left.page.items) + len(behind.page.items) == 3


async def test_what_is_old_is_forgotten(
    stand: Stand, sql_engine: AsyncEngine, receiver: Receiver
) -> None:
    """After their time notices, deliveries and attempts are gone; what is younger, or still waits, stays."""
    world = World(sql_engine)
    channel, _ = await stand.webhook(receiver.url)
    paused, _ = await stand.webhook(receiver.url)
    receiver.will(204, 500)
    await stand.tell()
    await stand.deliver()
    await stand.inbox.read(OPERATOR, [1])
    for each in (channel, paused):
        await stand.channels.change(OPERATOR, each.id, ChannelChange(status="paused"))
    stand.clock.advance(2 * DAY)
    await stand.keeping.once()
    states = sorted(
        (each.state, each.detail or "")
        for each in [*(await stand.log(channel.id)), *(await stand.log(paused.id))]
    )
    stand.clock.advance(29 * DAY)
    await stand.tell()
    await stand.deliver()
    await stand.keeping.once()

    assert [state for state, _ in states] == ["delivered", "failed"]
    assert states[1][1].startswith("Its time was over")
    assert await world.rows(deliveries) == []
    assert await world.rows(delivery_attempts) == []
    assert await world.rows(inbox_reads) == []
    assert [row.sequence for row in await world.rows(inbox_notices)] == [2]


async def test_old_events_are_forgotten_once_they_were_looked_at(
    stand: Stand, sql_engine: AsyncEngine
) -> None:
    """What is older than is kept goes, but nothing that is still to be planned; numbers go on behind it."""
    for _ in range(3):
        await stand.tell()
    await stand.deliver()
    stand.clock.advance(31 * DAY)
    await stand.tell()
    await stand.deliver()
    await stand.tell()
    world = World(sql_engine)

    async def numbers() -> list[int]:
        return sorted(row.sequence for row in await world.rows(events))

    await stand.keeping.once()
    looked_at = await numbers()
    stand.clock.advance(31 * DAY)
    await stand.keeping.once()
    unseen = await numbers()
    await stand.deliver()
    await stand.keeping.once()
    await stand.tell()

    assert looked_at == [4, 5]
    assert unseen == [5]
    assert await numbers() == [6]


async def test_events_from_before_are_old_news(sql_engine: AsyncEngine, stand: Stand) -> None:
    """The dispatcher begins where it is told to, and looks at each event once."""
    for _ in range(3):
        await stand.tell()
    await stand.deliver()
    await stand.deliver()

    assert len(await World(sql_engine).rows(inbox_notices)) == 3
    await stand.later(20)
    assert (stand.tally.behind, stand.tally.pending) == (0, 0)

"""From an event to a receiver that checks the signature with the public library."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from admin.core.faults import Conflict
from admin.core.notices.channel_words import DeliveryState
from admin.services.accounts import AccountView
from admin.services.channels import ChannelChange
from admin.stores.inbox import Notices
from tests.admin.notices.stand import EVERYTHING, Receiver, Stand
from tests.admin.world import OPERATOR

HOUR, DAY = 3600.0, 86_400.0


async def test_an_event_arrives_signed(stand: Stand, receiver: Receiver) -> None:
    """Who has the secret can tell that it is ours, and reads what happened, when, and how much it matters."""
    channel, secret = await stand.webhook(receiver.url)
    await stand.tell("key.revoked", by="ada")
    await stand.deliver()

    (got,) = receiver.got
    assert secret is not None
    document = Webhook(secret).verify(got.body, dict(got.headers))
    assert document["type"] == "key.revoked"
    assert datetime.fromisoformat(document["timestamp"]).tzinfo is UTC
    assert document["data"]["severity"] == "warning"
    assert document["data"]["title"] == "Key ci was revoked"
    assert document["data"]["facts"] == {"name": "ci", "by": "ada"}
    (delivery,) = await stand.log(channel.id)
    assert (delivery.state, delivery.attempts, delivery.status) == ("delivered", 1, 204)
    assert delivery.id == got.id


async def test_nobody_else_can_make_such_a_message(stand: Stand, receiver: Receiver) -> None:
    """A changed body, and another's secret, are told from what we sent."""
    _, secret = await stand.webhook(receiver.url)
    _, other = await stand.webhook(receiver.url)
    assert secret is not None
    assert other is not None
    await stand.tell()
    await stand.deliver()

    headers = dict(receiver.got[0].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(receiver.got[0].body + b" ", headers)
    fitting = 0
    for each in (secret, other):
        try:
            Webhook(each).verify(receiver.got[0].body, headers)
            fitting += 1
        except WebhookVerificationError:
            pass
    assert fitting == 1


async def test_each_event_is_told_once_and_in_order(stand: Stand, receiver: Receiver) -> None:
    """A receiver that is well gets every event once, in the order in which they happened."""
    await stand.webhook(receiver.url)
    for number in range(25):
        await stand.tell(number=number)
    await stand.deliver()
    await stand.later(DAY)

    numbers = [json.loads(got.body)["data"]["facts"]["number"] for got in receiver.got]
    assert numbers == list(range(25))


async def test_events_go_where_they_are_wanted(
    stand: Stand, receiver: Receiver, account: AccountView
) -> None:
    """A channel gets its own account's events, of the kinds and severities that it asked for; the operator's, all."""
    own = receiver.url + "/own"
    await stand.webhook(receiver.url + "/operator")
    await stand.webhook(own, account.id, events=["key.*"], severity="warning")
    await stand.tell("key.revoked", account.id)
    await stand.tell("key.created", account.id)
    await stand.tell("user.disabled", account.id)
    await stand.tell("key.revoked", "acc_another")
    await stand.tell(
        "quota.exceeded", account.id, severity="critical", title="Used up", text="All."
    )
    await stand.deliver()

    kinds = {
        path: [json.loads(got.body)["type"] for got in receiver.got if got.path == path]
        for path in ("/hook/operator", "/hook/own")
    }
    assert kinds["/hook/own"] == ["key.revoked"]
    assert len(kinds["/hook/operator"]) == 5


async def test_a_failed_delivery_is_tried_again_under_its_id(
    stand: Stand, receiver: Receiver
) -> None:
    """A receiver that was down for a while gets it all the same, and can tell that it is the same."""
    channel, _ = await stand.webhook(receiver.url)
    receiver.will(500, 404, 503)
    await stand.tell()
    await stand.deliver()
    for seconds in (2, 5, 40, 150):
        await stand.later(seconds)

    assert len(receiver.got) == 4
    assert len({got.id for got in receiver.got}) == 1
    assert len({got.body for got in receiver.got}) == 1
    (delivery,) = await stand.log(channel.id)
    shown, attempts = await stand.deliveries.show(OPERATOR, delivery.id)
    assert (shown.state, shown.attempts) == (DeliveryState.DELIVERED, 4)
    assert [each.status for each in attempts] == [500, 404, 503, 204]
    assert [each.number for each in attempts] == [1, 2, 3, 4]
    view = await stand.channels.show(OPERATOR, channel.id)
    assert (view.failures, view.failing_since) == (0, None)


async def test_nothing_is_tried_before_its_time(stand: Stand, receiver: Receiver) -> None:
    """A receiver in trouble is not hit again at once."""
    await stand.webhook(receiver.url)
    receiver.always(500)
    await stand.tell()
    await stand.deliver()
    for _ in range(3):
        await stand.later(1)

    assert len(receiver.got) == 1


async def test_retry_after_is_respected(stand: Stand, receiver: Receiver) -> None:
    """A receiver that asks for ten minutes is sent nothing at all for ten minutes."""
    await stand.webhook(receiver.url)
    receiver.will(429, headers={"Retry-After": "600"})
    await stand.tell(number=1)
    await stand.deliver()
    await stand.later(300)
    await stand.tell(number=2)
    await stand.later(295)
    before = len(receiver.got)
    await stand.later(10)

    assert before == 1
    assert len(receiver.got) == 3


async def test_a_delivery_is_given_up_after_a_day(stand: Stand, receiver: Receiver) -> None:
    """What nobody takes is tried about ten times in 24 hours, then it stands in the log as failed."""
    channel, _ = await stand.webhook(receiver.url)
    receiver.always(500)
    await stand.tell()
    await stand.until_nothing_waits(channel.id)

    (delivery,) = await stand.log(channel.id)
    assert delivery.state is DeliveryState.FAILED
    assert delivery.finished_at is not None
    assert DAY - HOUR <= delivery.finished_at - delivery.created_at <= DAY + HOUR
    assert 9 <= len(receiver.got) <= 12


async def test_one_event_that_a_receiver_cannot_take_holds_up_no_other(
    stand: Stand, receiver: Receiver
) -> None:
    """A receiver that breaks over one message gets the next ones."""
    await stand.webhook(receiver.url)
    receiver.will(500)
    await stand.tell(number=1)
    await stand.tell(number=2)
    await stand.deliver()
    await stand.later(2)

    numbers = [json.loads(got.body)["data"]["facts"]["number"] for got in receiver.got]
    assert numbers == [1, 2]


async def test_gone_is_gone(stand: Stand, receiver: Receiver, account: AccountView) -> None:
    """A receiver that answers 410 is never sent anything again, and its account is told."""
    channel, _ = await stand.webhook(receiver.url, account.id)
    await stand.webhook(receiver.url + "/operator", events=["channel.*"])
    receiver.will(410)
    await stand.tell(account_id=account.id)
    await stand.deliver()
    await stand.tell(account_id=account.id)
    await stand.later(DAY)

    view = await stand.channels.show(OPERATOR, channel.id)
    assert (view.status, view.version) == ("off", 2)
    assert "410" in (view.reason or "")
    assert [got.path for got in receiver.got] == ["/hook", "/hook/operator"]
    told = json.loads(receiver.got[-1].body)
    assert told["type"] == "channel.switched_off"
    assert told["data"]["facts"]["channel"] == channel.id
    notices = (await stand.inbox.list(OPERATOR, Notices(), EVERYTHING)).page.items
    assert "channel.switched_off" in {each.kind for each in notices}


async def test_a_channel_that_only_fails_is_switched_off_and_can_come_back(
    stand: Stand, receiver: Receiver
) -> None:
    """After days without a single success nothing more is tried, until somebody has mended it."""
    channel, _ = await stand.webhook(receiver.url)
    receiver.always(500)
    for _ in range(4):
        await stand.tell()
        await stand.until_nothing_waits(channel.id)
    view = await stand.channels.show(OPERATOR, channel.id)
    tried = len(receiver.got)

    assert view.status == "off"
    assert tried >= 20
    assert stand.tally.switched_off == 1
    with pytest.raises(Conflict):
        await stand.deliveries.test(OPERATOR, channel.id)
    receiver.usual = None
    await stand.channels.change(OPERATOR, channel.id, ChannelChange(status="active"))
    await stand.tell(number=99)
    await stand.deliver()
    assert json.loads(receiver.got[-1].body)["data"]["facts"].get("number") == 99
    mended = await stand.channels.show(OPERATOR, channel.id)
    assert (mended.status, mended.reason, mended.failures) == ("active", None, 0)


async def test_a_trial_is_sent_as_everything_is(stand: Stand, receiver: Receiver) -> None:
    """Whoever presses the button sees whether notifications arrive, and what went wrong if not."""
    channel, secret = await stand.webhook(receiver.url, severity="critical")
    receiver.will(500)
    failed = await stand.deliveries.test(OPERATOR, channel.id)
    await stand.deliver()
    stand.clock.advance(10)
    passed = await stand.deliveries.test(OPERATOR, channel.id)
    await stand.deliver()

    assert secret is not None
    assert Webhook(secret).verify(receiver.got[-1].body, dict(receiver.got[-1].headers))
    states = [
        (await stand.deliveries.show(OPERATOR, each.id)).delivery for each in (failed, passed)
    ]
    assert [each.state for each in states] == ["failed", "delivered"]
    assert states[0].detail == "The receiver answered 500."
    assert len(receiver.got) == 2


async def test_what_was_sent_can_be_sent_again(stand: Stand, receiver: Receiver) -> None:
    """A receiver that lost something gets it once more, under its id; not while it is still being tried."""
    channel, _ = await stand.webhook(receiver.url)
    receiver.will(500)
    await stand.tell()
    await stand.deliver()
    (delivery,) = await stand.log(channel.id)
    with pytest.raises(Conflict):
        await stand.deliveries.replay(OPERATOR, delivery.id)
    await stand.later(60)
    again = await stand.deliveries.replay(OPERATOR, delivery.id)
    await stand.deliver()

    assert again.state is DeliveryState.PENDING
    assert len(receiver.got) == 3
    assert len({got.id for got in receiver.got}) == 1
    _, attempts = await stand.deliveries.show(OPERATOR, delivery.id)
    assert [each.number for each in attempts] == [1, 2, 3]


async def test_a_new_secret_signs_beside_the_old_one_for_a_while(
    stand: Stand, receiver: Receiver
) -> None:
    """A receiver can change to the new secret without missing anything; afterwards the old one is worth nothing."""
    channel, old = await stand.webhook(receiver.url)
    rotated = await stand.channels.rotate(OPERATOR, channel.id, 600)
    assert old is not None
    assert rotated.secret is not None
    await stand.tell()
    await stand.deliver()
    during = receiver.got[-1]
    await stand.later(601)
    await stand.tell()
    await stand.deliver()
    after = receiver.got[-1]

    for secret in (old, rotated.secret):
        assert Webhook(secret).verify(during.body, dict(during.headers))
    assert len(after.headers["webhook-signature"].split()) == 1
    # The library looks at its own clock: ours is ten minutes ahead of it.
    signed = Webhook(rotated.secret).sign(
        after.id,
        datetime.fromtimestamp(int(after.headers["webhook-timestamp"]), UTC),
        after.body.decode(),
    )
    assert after.headers["webhook-signature"] == signed


async def test_a_paused_channel_is_sent_what_waited_when_it_goes_on(
    stand: Stand, receiver: Receiver
) -> None:
    """A pause loses nothing that was on its way; what happens in it is not sent."""
    channel, _ = await stand.webhook(receiver.url)
    receiver.will(500)
    await stand.tell(number=1)
    await stand.deliver()
    await stand.channels.change(OPERATOR, channel.id, ChannelChange(status="paused"))
    await stand.tell(number=2)
    await stand.later(60)
    paused = len(receiver.got)
    await stand.channels.change(OPERATOR, channel.id, ChannelChange(status="active"))
    await stand.deliver()

    numbers = [json.loads(got.body)["data"]["facts"]["number"] for got in receiver.got]
    assert paused == 1
    assert numbers == [1, 1]

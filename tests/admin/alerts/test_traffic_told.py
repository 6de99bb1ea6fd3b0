"""Quotas, forecasts, rises, refusals and new addresses, out of what the ledger has shipped."""

import asyncio

import pytest
from sqlalchemy import insert, update

from admin.core.alerts.addresses import AddressTerms
from admin.core.alerts.kinds import AlertKind
from admin.core.page import PageRequest
from admin.services.alerts import AlertChange, AlertFilter
from admin.services.network_keeping import NetworkKeeping
from admin.stores.alert_marks import AlertMarks
from admin.stores.alert_networks import AlertNetworks
from admin.stores.alert_quotas import Limit
from gateway.core.refusal import Refusal
from gateway.stores.alert_tables import alert_marks, key_networks
from gateway.stores.quota_tables import quota_raises
from gateway.stores.sql_engine import write_transaction
from gateway.stores.tables import accounts, to_us
from tests.admin.alerts.stand import DAY, Stand
from tests.admin.world import OPERATOR

ALL = PageRequest(200)
RATE_LIMITED = Refusal.RATE_LIMITED.code


@pytest.fixture
async def node_of(stand: Stand, account: str) -> Stand:
    """An account with a key; alerts run since before its first request."""
    await stand.a_key("key_1", account, used_day=10**6)
    await stand.node(stand.traffic()).once()
    return stand


async def standing(stand: Stand) -> list[str]:
    """The kinds that stand."""
    found = await stand.alerts.standing(OPERATOR, AlertFilter(), ALL)
    return sorted(one.alert.kind.value for one in found.items)


async def test_quota_is_told_at_each_threshold_once(node_of: Stand) -> None:
    """75 percent of a quota is one event, however many rounds, restarts and nodes look at it; so is each step after."""
    stand = node_of
    node = stand.node(stand.traffic())
    for _ in range(10):
        await stand.requests(100)
        await asyncio.gather(node.once(), stand.node(stand.traffic()).once())
        await node.once()

    assert await stand.told() == [
        ("quota.threshold", None),
        ("quota.threshold", None),
        ("quota.exceeded", None),
    ]
    told = [(one["threshold"], one["used"], one["severity"]) for one in await stand.data()]
    assert told == [(75, 800, "warning"), (90, 900, "warning"), (100, 1000, "critical")]
    assert await standing(stand) == ["quota.exceeded"]
    assert stand.counted == {"quota.threshold": 2, "quota.exceeded": 1}


async def test_quota_of_a_plan_that_has_left_the_configuration(node_of: Stand) -> None:
    """Alerts go by the default plan's, as the gateway does that refuses what is beyond it."""
    stand = node_of
    async with write_transaction(stand.engine, "prepare") as connection:
        await connection.execute(update(accounts).values(plan="gone"))
    await stand.requests(800)
    await stand.node(stand.traffic()).once()

    assert await stand.told() == [("quota.threshold", None)]


async def test_quota_of_bytes(node_of: Stand) -> None:
    """Bytes both ways count against a quota of bytes; refused requests count against none."""
    stand = node_of
    node = stand.node(stand.traffic(Limit(None, 1000)))
    await stand.requests(7)
    await stand.requests(50, status=429, outcome=RATE_LIMITED)
    await node.once()
    assert await stand.told() == []
    await stand.requests(1)
    await node.once()

    (told,) = await stand.data()
    assert (told["measure"], told["used"], told["limit"]) == ("bytes", 800, 1000)


async def test_raised_quota(node_of: Stand) -> None:
    """An alert ends when a quota is raised, and is told again when what is on top fills up, too."""
    stand = node_of
    node = stand.node(stand.traffic())
    await stand.requests(800)
    await node.once()
    until_us = to_us(stand.clock.now() + DAY)
    on_top = {"id": "raise_1", "account_id": "acc_1", "requests": 1000, "bytes": 0, "reason": ""}
    async with write_transaction(stand.engine, "prepare") as connection:
        await connection.execute(
            insert(quota_raises).values(**on_top, created_us=1, until_us=until_us)
        )
    await node.once()
    assert await standing(stand) == []

    await stand.requests(700)
    await node.once()
    assert [(one["used"], one["limit"]) for one in await stand.data()] == [
        (800, 1000),
        (1500, 2000),
    ]
    stand.clock.advance(DAY)
    await node.once()
    assert await stand.told() == [("quota.threshold", None)] * 2 + [("quota.exceeded", None)]


async def test_new_month_is_told_anew(node_of: Stand) -> None:
    """With the next month what stood is over, and its first crossing is told again."""
    stand = node_of
    node = stand.node(stand.traffic())
    await stand.requests(800)
    await node.once()
    assert await standing(stand) == ["quota.threshold"]

    stand.clock.advance(31 * DAY)
    await node.once()
    assert await standing(stand) == []
    await stand.requests(800)
    await node.once()
    assert len(await stand.told()) == 2


async def test_thresholds_of_its_own(node_of: Stand, account: str) -> None:
    """An account is told at the thresholds that it chose, and not of a kind that it switched off."""
    stand = node_of
    node = stand.node(stand.traffic())
    change = AlertChange((30, 60, 100), {AlertKind.QUOTA_EXCEEDED: False})
    await stand.alerts.change(OPERATOR, account, change)
    for _ in range(6):
        await stand.requests(200)
        await node.once()

    assert [one["threshold"] for one in await stand.data()] == [30, 60]


async def test_forecast(node_of: Stand) -> None:
    """Who uses up the month's quota too fast is told days before, once, with the day."""
    stand = node_of
    node = stand.node(stand.traffic(Limit(1500)))
    for _ in range(6):
        await stand.requests(100)
        await node.once()
        stand.clock.advance(DAY)

    assert await stand.told() == [("quota.forecast", None)]
    (told,) = await stand.data()
    assert told["title"].startswith("Monthly quota runs out on 2023-11-")
    assert (told["used"], told["limit"]) == (200, 1500)


async def test_many_refusals_and_their_end(node_of: Stand) -> None:
    """A key that is mostly refused is told of once; a quarter of an hour later it is over, and may be told again."""
    stand = node_of
    node = stand.node(stand.traffic(Limit()))
    await stand.requests(50)
    for _ in range(3):
        await stand.requests(60, status=429, outcome=RATE_LIMITED)
        await node.once()
    assert await stand.told() == [("key.many_refusals", "key_1")]
    assert (await stand.data())[0]["reasons"] == [RATE_LIMITED]
    assert await standing(stand) == ["key.many_refusals"]

    stand.clock.advance(1800)
    await node.once()
    assert await standing(stand) == []
    await stand.requests(100, status=403, outcome=Refusal.INSUFFICIENT_SCOPE.code)
    await node.once()
    assert len(await stand.told()) == 2


async def test_refusals_of_an_upstream_are_no_refusals(node_of: Stand) -> None:
    """A key whose requests fail behind the gateway is not the one to be told of."""
    stand = node_of
    await stand.requests(200, status=502, outcome=Refusal.UPSTREAM_UNREACHABLE.code)
    await stand.node(stand.traffic(Limit())).once()

    assert await stand.told() == []


async def test_sudden_rise(node_of: Stand) -> None:
    """An hour with many times the usual traffic is told of once, while it lasts; a usual hour ends it."""
    stand = node_of
    node = stand.node(stand.traffic(Limit()))
    for _ in range(30):
        await stand.requests(200)
        await node.once()
        stand.clock.advance(3600)
    assert await stand.told() == []
    await stand.requests(1200)
    await node.once()
    await stand.requests(100)
    await node.once()
    assert await stand.told() == [("usage.sudden_rise", None)]

    stand.clock.advance(3 * 3600)
    await node.once()
    assert await standing(stand) == []


async def test_new_address(node_of: Stand) -> None:
    """After a day of learning, a key's first use from another address is told, once, even if it is a single request."""
    stand = node_of
    node = stand.node(stand.traffic(Limit()))
    await stand.requests(5)
    await stand.requests(5, address="192.0.2.8")
    await node.once()
    stand.clock.advance(2 * DAY)
    await stand.requests(5, address="192.0.2.8")
    await node.once()
    assert await stand.told() == []

    await stand.requests(100)
    await stand.requests(1, address="203.0.113.9")
    await stand.requests(100)
    await node.once()
    await stand.node(stand.traffic(Limit())).once()
    assert await stand.told() == [("key.new_address", "key_1")]
    assert (await stand.data())[0]["addresses"] == ["203.0.113.9"]

    stand.clock.advance(DAY)
    await stand.requests(1, address="203.0.113.9")
    await node.once()
    assert len(await stand.told()) == 1
    assert await standing(stand) == []


async def test_address_is_told_by_another_node_when_one_is_killed(node_of: Stand) -> None:
    """A node that is killed between finding an address and noting it leaves it to be told, and told once."""
    stand = node_of
    await stand.requests(1)
    await stand.node(stand.traffic()).once()
    stand.clock.advance(2 * DAY)
    await stand.requests(1, address="203.0.113.9")
    rounds = stand.traffic().fresh(stand.clock.now())
    async for findings in rounds:
        if findings:
            break  # it has found the address, and neither told nor noted it
    await rounds.aclose()  # type: ignore[attr-defined]
    assert len(await stand.rows(key_networks)) == 1

    await stand.node(stand.traffic()).once()
    await stand.node(stand.traffic()).once()
    assert await stand.told() == [("key.new_address", "key_1")]


async def test_publishable_keys_are_left_alone(stand: Stand, account: str) -> None:
    """A key that is in the hands of many tells nothing and keeps nothing, unless the operator wants it to."""
    await stand.a_key("key_1", account, type="pk", used_day=10**6)
    node = stand.node(stand.traffic(Limit()))
    await node.once()
    for number in range(3):
        await stand.requests(1, address=f"192.0.2.{number}")
        await node.once()
        stand.clock.advance(2 * DAY)
    assert await stand.told() == []
    assert await stand.rows(key_networks) == []

    wanted = AddressTerms(publishable=True)
    for number in range(3, 5):
        await stand.requests(1, address=f"192.0.2.{number}")
        await stand.node(stand.traffic(Limit(), wanted)).once()
        stand.clock.advance(2 * DAY)
    assert await stand.told() == [("key.new_address", "key_1")]


async def test_crowd_is_neither_told_nor_kept(node_of: Stand) -> None:
    """A key that is used from everywhere keeps so many addresses and no more, and falls silent."""
    stand = node_of
    node = stand.node(stand.traffic(Limit(), AddressTerms(kept_max=8)))
    await stand.requests(1)
    await node.once()
    stand.clock.advance(2 * DAY)
    for number in range(30):
        await stand.requests(1, address=f"203.0.113.{number}")
        await node.once()

    assert len(await stand.rows(key_networks)) == 8
    assert [one["count"] for one in await stand.data()] == [1, 5]


async def test_where_a_deleted_key_was_used_from_is_forgotten(node_of: Stand) -> None:
    """Other keys keep theirs, however many rounds it takes; late records of the deleted key bring none back."""
    stand = node_of
    await stand.a_key("key_2", "acc_1", used_day=10**6)
    node = stand.node(stand.traffic(Limit()))
    for key_id in ("key_1", "key_2"):
        await stand.requests(1, key_id)
    await node.once()
    keeping = NetworkKeeping(AlertNetworks(stand.engine), AlertMarks(stand.engine))
    await keeping.once()
    before = {row.key_id for row in await stand.rows(key_networks)}
    await stand.change_key("key_1", deleted_us=to_us(stand.clock.now()))
    await stand.requests(1, "key_1", address="203.0.113.9")
    await node.once()
    for _ in range(2):
        await keeping.once()

    assert before == {"key_1", "key_2"}
    assert {row.key_id for row in await stand.rows(key_networks)} == {"key_2"}


async def test_round_reads_each_record_once(node_of: Stand) -> None:
    """What has settled is not read again: the mark follows the records."""
    stand = node_of
    node = stand.node(stand.traffic(Limit()))
    await stand.requests(10)
    await node.once()
    stand.clock.advance(60)
    await node.once()
    await node.once()
    (mark,) = [row for row in await stand.rows(alert_marks) if row.name == "records"]

    assert mark.at == 10

"""After the receipt, no further request with that key: through real gateways, under load (design §3)."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from gateway.core.changes import Receipt
from tests.end_to_end.load import using
from tests.fixtures_gateway import OPERATOR, Gateway, NewSite, Site, eventually
from tests.fixtures_valkey import ValkeyServer
from tests.relay import Relay

ROUNDS = 4
TRIES = 50
# How soon workers that must poll SQL know of a revocation, and how long a receipt waits.
POLLED_SECONDS = 2.0
WAITED_SECONDS = 2.0
# What a busy machine may add to either.
SLACK_SECONDS = 1.0


@pytest.fixture
def site(new_site: NewSite, own_valkey: ValkeyServer) -> Site:
    """A site whose gateways share a Redis that the test may break."""
    return new_site(redis={"url": own_valkey.url, "deadline": "250ms"})


def revoke(site: Site, key_id: str) -> Receipt:
    """As the command does, without starting a process for it."""
    receipt = site.operator.act(lambda services: services.keys.revoke(OPERATOR, key_id)).receipt
    assert receipt is not None
    return receipt


def served(gateway: Gateway, secret: str) -> bool:
    """Whether the key works here; nothing but 200 and the 401 of a revoked key is expected."""
    answer = gateway.ask("GET", "/pub/x", secret)
    assert answer.status == 200 or answer.code == "revoked_key", answer
    return answer.status == 200


def until_refused(gateway: Gateway, secret: str) -> float:
    """How long it takes, from now, until the key does not work any more."""
    began = time.monotonic()
    eventually(lambda: not served(gateway, secret), "the key to be refused")
    return time.monotonic() - began


async def test_not_one_more_success_after_the_receipt(site: Site) -> None:
    """Four keys are revoked in turn while two gateways are busy with them: of 200 tries and more, 0 served."""
    ports = [site.start().port, site.start().port]
    *keys, kept = site.operator.keys(ROUNDS + 1, "pub-only")
    revoked_at: dict[str, float] = {}

    async with using(ports, [key.secret for key in (*keys, kept)]) as users:
        await users.goes_on(20)
        for key in keys:
            proof = await asyncio.to_thread(revoke, site, key.id)
            revoked_at[key.secret] = time.monotonic()
            assert (proof.workers, proof.acknowledged, proof.missing) == (2, 2, ())
            assert proof.milliseconds < WAITED_SECONDS * 1000
            await users.goes_on(4 * TRIES)

    for secret, instant in revoked_at.items():
        before = [use for use in users.of(secret) if use.ended < instant]
        after = [use for use in users.of(secret) if use.sent > instant]
        assert before[0].status == 200
        assert len(after) >= TRIES
        assert {use.status for use in after} == {401}
    assert {use.status for use in users.of(kept.secret)} == {200}


def test_a_worker_that_hangs_is_named(site: Site) -> None:
    """The receipt waits two seconds, counts who answered, and names who did not; woken, it enforces too."""
    awake, hanging = site.start(), site.start()
    key = site.operator.key("pub-only")
    assert served(awake, key.secret)
    assert served(hanging, key.secret)

    os.kill(hanging.process.pid, signal.SIGSTOP)
    try:
        proof = revoke(site, key.id)
        assert not served(awake, key.secret)
    finally:
        os.kill(hanging.process.pid, signal.SIGCONT)

    assert (proof.workers, proof.acknowledged) == (2, 1)
    assert [bool(re.fullmatch("w_[0-9a-f]{12}", name)) for name in proof.missing] == [True]
    assert WAITED_SECONDS - 0.1 <= proof.milliseconds / 1000 <= WAITED_SECONDS + SLACK_SECONDS
    assert until_refused(hanging, key.secret) < SLACK_SECONDS


def test_the_command_prints_the_receipt(site: Site) -> None:
    """`keys revoke --json` carries the proof of design §3, once and again, and words say it too."""
    gateways = [site.start(), site.start()]
    key = site.operator.key("pub-only")
    assert all(served(gateway, key.secret) for gateway in gateways)

    proof = site.operator.revoke(key.id)
    assert not any(served(gateway, key.secret) for gateway in gateways)

    assert proof == {
        "announced": True,
        "workers": 2,
        "acknowledged": 2,
        "ms": proof["ms"],
        "missing": [],
    }
    assert "enforced on 2 of 2 workers" in site.operator.run("keys", "revoke", key.id).stdout


def test_without_redis_a_revocation_goes_by_sql(site: Site, own_valkey: ValkeyServer) -> None:
    """The command says that Redis could not be told; both workers refuse within two seconds all the same."""
    gateways = [site.start(), site.start()]
    first, second = site.operator.keys(2, "pub-only")
    assert all(served(gateway, key.secret) for gateway in gateways for key in (first, second))

    own_valkey.kill()
    proof = revoke(site, first.id)
    began = time.monotonic()
    took = [until_refused(gateway, first.secret) for gateway in gateways]
    assert time.monotonic() - began < POLLED_SECONDS + SLACK_SECONDS, took
    assert not proof.is_announced

    said = site.operator.run("keys", "revoke", second.id)
    assert (said.returncode, said.stderr) == (0, "")
    assert "Redis could not be told" in said.stdout
    for gateway in gateways:
        assert until_refused(gateway, second.secret) < POLLED_SECONDS + SLACK_SECONDS


def test_what_was_revoked_without_redis_stays_so_when_it_is_back(
    site: Site, own_valkey: ValkeyServer
) -> None:
    """A copy that Redis still holds from before its outage does not bring a revoked key back."""
    first = site.start()
    key = site.operator.key("pub-only")
    assert served(first, key.secret)
    own_valkey.freeze()
    proof = revoke(site, key.id)
    own_valkey.thaw()
    assert not proof.is_announced

    # Its memory is empty, and what it finds in Redis is from before the revocation.
    second = site.start()

    assert until_refused(second, key.secret) < POLLED_SECONDS + SLACK_SECONDS
    assert until_refused(first, key.secret) < POLLED_SECONDS + SLACK_SECONDS


def test_a_killed_worker_is_soon_not_waited_for(site: Site, own_valkey: ValkeyServer) -> None:
    """For five seconds a worker that died counts as missing; then the receipt is complete without it."""
    staying, dying = site.start(), site.start()
    first, second = site.operator.keys(2, "pub-only")
    assert served(staying, first.secret)
    assert served(staying, second.secret)

    dying.kill()
    at_once = revoke(site, first.id)
    eventually(
        lambda: own_valkey.command("ZCARD", "keywright:workers") == 1, "one worker to be left"
    )
    later = revoke(site, second.id)

    assert (at_once.workers, at_once.acknowledged, len(at_once.missing)) == (2, 1, 1)
    assert (later.workers, later.acknowledged, later.missing) == (1, 1, ())
    assert not served(staying, first.secret)
    assert not served(staying, second.secret)


@pytest.fixture
def slow_sql(sql_url: str) -> Iterator[Relay]:
    """On the way to the test's PostgreSQL."""
    port = make_url(sql_url).port
    assert port is not None
    with Relay(port) as relay:
        yield relay


@pytest.mark.parametrize("database", ["postgresql"])
async def test_a_look_up_from_before_does_not_bring_the_key_back(
    new_site: NewSite, own_valkey: ValkeyServer, sql_url: str, slow_sql: Relay
) -> None:
    """SQL's old answer is held up until the receipt is out: it serves nobody, and nobody finds it in Redis."""
    site = new_site(redis={"url": own_valkey.url}, store={"url": sql_url, "deadline": "4s"})
    held_up = make_url(sql_url).set(port=slow_sql.port).render_as_string(hide_password=False)
    gateway = site.start(KEYWRIGHT_STORE__URL=held_up)
    key = site.operator.key("pub-only")
    slow_sql.holds = b"$argon2id$"

    asked = asyncio.create_task(asyncio.to_thread(served, gateway, key.secret))
    await asyncio.to_thread(eventually, lambda: slow_sql.held, "SQL's answer to be on its way")
    proof = await asyncio.to_thread(revoke, site, key.id)
    slow_sql.holds = None

    assert (proof.workers, proof.acknowledged) == (1, 1)
    assert not await asked
    assert not served(gateway, key.secret)
    assert not served(site.start(), key.secret)

"""The promise of a limit, seen from outside, while workers that hold borrowed tokens are killed or stand still."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import NamedTuple

import pytest

from gateway.core.limits import Limit
from tests.end_to_end.family import workers
from tests.end_to_end.load import Caller, Use, admitted, check_rate
from tests.fixtures_gateway import WHOLE, Gateway, NewSite, Site

WORKERS = 4
CALLERS = 12
SECONDS = 5.0
LIMIT = Limit("default", 600, 2)
RATE = LIMIT.quota / LIMIT.window_seconds
PAUSES = (0.0, 0.0, 0.002, 0.01, 0.05, 0.3)


Disturb = Callable[[Gateway, float], Coroutine[None, None, None]]


class Asked(NamedTuple):
    """A request that nobody else has made, and what came of it."""

    target: str
    use: Use


async def _call(port: int, secret: str, number: int, until: float) -> list[Asked]:
    """Use the key at a pace that changes at random, so that loans lie about, run out and are given back."""
    chance = random.Random(number)
    asked: list[Asked] = []
    pause = 0.0
    async with Caller(port) as caller:
        while time.monotonic() < until:
            if chance.random() < 0.02:
                pause = chance.choice(PAUSES)
            target = f"/pub/{number}/{len(asked)}"
            asked.append(Asked(target, await caller.use(secret, target)))
            refused = asked[-1].use.status != 200
            await asyncio.sleep(max(pause, 0.005 if refused else 0.0))
    return asked


async def _kill(gateway: Gateway, until: float) -> None:
    chance = random.Random(7)
    while time.monotonic() < until:
        await asyncio.sleep(chance.uniform(0.7, 1.3))
        found = await asyncio.to_thread(workers, gateway)
        if found:  # else all are dead just now
            found[chance.choice(sorted(found))].kill()


async def _stand_still(gateway: Gateway, until: float) -> None:
    """For longer than a loan, or shorter: then they go on where they were, with what they held."""
    chance = random.Random(11)
    while time.monotonic() < until:
        found = await asyncio.to_thread(workers, gateway)
        victim = found[chance.choice(sorted(found))]
        victim.send_signal(signal.SIGSTOP)
        await asyncio.sleep(chance.choice([0.1, 1.0, 2.2]))
        victim.send_signal(signal.SIGCONT)
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("disturb", [_kill, _stand_still], ids=["killed", "stopped"])
async def test_four_workers_never_let_more_through(new_site: NewSite, disturb: Disturb) -> None:
    """Over every T at most quota + T x rate of one key pass, whichever worker dies or stops with what it borrowed.

    What has reached the upstream has passed, also when its worker died before the answer.
    """
    # A worker that stood still finds Redis late, and would let its share through by itself: another promise.
    site: Site = new_site(redis={"deadline": "5s"})
    gateway = site.start(command=(*WHOLE, "--workers", str(WORKERS)))
    secret = site.operator.key("pub-only", limits=[LIMIT]).secret

    until = time.monotonic() + SECONDS
    async with asyncio.TaskGroup() as group:
        group.create_task(disturb(gateway, until))
        callers = [
            group.create_task(_call(gateway.port, secret, number, until))
            for number in range(CALLERS)
        ]
    asked = [each for caller in callers for each in caller.result()]
    reached = Counter(line.split()[1] for line in site.origin.request_lines)
    passed = [use._replace(status=200) for target, use in asked if reached[target]]

    assert max(reached.values()) == 1
    assert {use.status for _, use in asked} <= {200, 429, 503, 0}
    assert {target for target, use in asked if use.status == 200} <= reached.keys()
    check_rate(passed, LIMIT.quota, RATE)
    first, last = admitted(passed)[0], admitted(passed)[-1]
    assert len(passed) > 0.25 * (LIMIT.quota + (last.ended - first.sent) * RATE)
    assert gateway.metrics()["keywright_lease_borrowed_total"] > 0

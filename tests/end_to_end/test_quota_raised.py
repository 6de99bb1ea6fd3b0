"""What is changed of a quota counts at once, and what was lost of it is counted right again (docs/quotas.md)."""

import asyncio
import signal
from collections import Counter

from tests.end_to_end.family import workers
from tests.end_to_end.load import Caller
from tests.end_to_end.test_quota import plans
from tests.fixtures_gateway import WHOLE, NewSite, Site, eventually


def test_a_raise_counts_at_once_and_so_does_its_end(new_site: NewSite) -> None:
    """Whoever has used up a quota goes on with the raise, not one request further, and not after its end."""
    site: Site = new_site(plans=plans(requests=3))
    gateway = site.start()
    secret = site.operator.key("pub-only").secret
    account = site.operator.account

    def statuses(count: int) -> list[int]:
        return [gateway.ask("GET", "/pub/x", secret).status for _ in range(count)]

    assert statuses(4) == [200, 200, 200, 429]
    raised = site.operator.cli(
        "quota", "raise", account, "--requests", "2", "--for", "1h", "--reason", "launch"
    )
    assert (raised["quota"]["requests"]["extra"], raised["enforced"]["missing"]) == (2, [])
    assert statuses(3) == [200, 200, 429]
    more = site.operator.cli(
        "quota", "raise", account, "--requests", "5", "--for", "1h", "--reason", "more"
    )
    assert statuses(1) == [200]
    for raise_id in (raised["raise_id"], more["raise_id"]):
        _ = site.operator.cli("quota", "end-raise", account, raise_id)
    assert statuses(2) == [429, 429]
    shown = site.operator.cli("quota", "show", account)
    assert (shown["requests"]["used"], shown["requests"]["remaining"]) == (6, 0)


async def test_killed_workers_and_an_emptied_redis_let_nothing_more_through(
    new_site: NewSite,
) -> None:
    """Of a quota of 400 never more than 400 are answered, whoever dies; and what nobody used comes back."""
    site: Site = new_site(plans=plans(requests=400), redis={"deadline": "5s"})
    gateway = await asyncio.to_thread(lambda: site.start(command=(*WHOLE, "--workers", "2")))
    secret = (await asyncio.to_thread(site.operator.key, "pub-only")).secret
    seen: Counter[int] = Counter()

    async def call(count: int) -> None:
        async with Caller(gateway.port) as caller:
            for number in range(count):
                use = await caller.use(secret, f"/pub/{number}")
                seen[use.status] += 1
                if use.status != 200:
                    await asyncio.sleep(0.02)

    for _ in range(2):
        await asyncio.gather(*(call(20) for _ in range(4)))
        found = await asyncio.to_thread(workers, gateway)
        found[min(found)].send_signal(signal.SIGKILL)
        await asyncio.gather(*(call(10) for _ in range(4)))
    await asyncio.to_thread(gateway.stop)
    # The private Valkey was ended with all the rest: what is known now is in SQL.
    gateway = await asyncio.to_thread(lambda: site.start(command=(*WHOLE, "--workers", "2")))
    await asyncio.gather(*(call(60) for _ in range(4)))
    assert seen[429] > 0
    assert seen[200] <= 400
    account = site.operator.account

    def is_settled() -> bool:
        used = site.operator.cli("quota", "show", account)["requests"]["used"]
        return bool(used == seen[200])

    await asyncio.to_thread(eventually, is_settled, "the quota is not settled")
    await asyncio.gather(*(call(30) for _ in range(4)))
    assert seen[200] <= 400

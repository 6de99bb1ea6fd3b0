"""What a worker does with a quota while stores are away, and when the month ends (docs/quotas.md)."""

from collections.abc import Callable, Iterator

import pytest

from gateway.core.quota import AtLimit, Extra, Quota, month_named
from tests.quota_workers import ACCOUNT, Shop

NOON = 1_795_262_400.0  # 2026-11-21
NewShop = Callable[..., Shop]


@pytest.fixture
def new_shop() -> Iterator[NewShop]:
    """Makes shops, and closes them."""
    made: list[Shop] = []

    def make(quota: Quota, workers: int = 2, now: float = NOON) -> Shop:
        made.append(Shop(quota, workers, now))
        return made[-1]

    yield make
    for shop in made:
        shop.close()


def test_without_redis_requests_go_on_and_are_all_counted(new_shop: NewShop) -> None:
    """Nobody is refused while Redis is away, never more than the quota passes, and afterwards all is counted."""
    shop = new_shop(Quota(100))
    before = [shop.serve(number, 10) for number in range(2)]
    shop.room.is_away = True
    away = [shop.serve(number, 20) for number in range(2)]
    shop.passes(30.0)
    later = [shop.serve(number, 5) for number in range(2)]
    shop.room.is_away = False
    shop.passes(15.0)

    assert (before, away, later) == ([10, 10], [20, 20], [5, 5])
    assert shop.used() == 70
    assert shop.serve(0, 50) == 30


def test_without_redis_a_used_up_quota_stays_used_up(new_shop: NewShop) -> None:
    """What SQL has set aside to the last is refused with its reason and the month's end, as if Redis were there."""
    shop = new_shop(Quota(5))
    shop.room.is_away = True
    assert shop.serve(0, 9) == 5
    meter = shop.workers[0].meter

    assert meter.is_over
    assert meter.used_up() == ("monthly",)
    assert meter.ends_at - shop.clock.monotonic() == pytest.approx(
        shop.month.end_us / 1e6 - shop.clock.now(), abs=1.0
    )


def test_bytes_are_counted_on_without_redis(new_shop: NewShop) -> None:
    """A quota of bytes that is used up stays so in an outage; one that is not ends where the worker has counted to."""
    shop = new_shop(Quota(None, 1000))
    assert shop.serve(0, 3, 200) == 3
    shop.passes(2.0)
    shop.room.is_away = True
    assert shop.serve(0, 5, 200) == 2
    assert shop.workers[0].meter.used_up() == ("monthly-bytes",)
    shop.passes(30.0)
    assert shop.serve(0, 5, 200) == 0
    shop.room.is_away = False
    shop.passes(15.0)

    assert shop.serve(1, 1) == 0
    place = shop.room.places[ACCOUNT, shop.month.name]
    assert (place.pot.bytes, shop.used()) == (1000, 5)


def test_a_raise_made_without_redis_counts_there_too(new_shop: NewShop) -> None:
    """In an outage of Redis a worker reads from SQL what is allowed on top."""
    shop = new_shop(Quota(4, 1000))
    assert shop.serve(0, 4, 250) == 4
    assert shop.serve(0, 1) == 0
    shop.room.is_away = True
    shop.setter.extra = Extra(2, 1000, shop.month.end_us)
    shop.passes(2.0)
    shop.workers[0].meter.recall()

    assert shop.serve(0, 4, 10) == 2


def test_without_sql_redis_goes_on_and_sql_hears_of_it(new_shop: NewShop) -> None:
    """Beyond what was set aside up to the quota; once SQL is back, a Redis that is emptied changes nothing."""
    shop = new_shop(Quota(300))
    assert shop.serve(0, 1) == 1
    shop.setter.is_away = True
    assert shop.serve(0, 350) == 299
    assert shop.setter.aside[ACCOUNT, shop.month.name] < 300
    shop.setter.is_away = False
    shop.passes(8.0)
    shop.room.flush()

    assert shop.setter.aside[ACCOUNT, shop.month.name] == 300
    assert shop.serve(0, 5) + shop.serve(1, 5) == 0


def test_without_both_a_share_is_let_through_once(new_shop: NewShop) -> None:
    """Also when nobody asked as the stores went; then it is unknown, never a refusal for what nobody knows."""
    shop = new_shop(Quota(800))
    assert shop.serve(0, 1) == 1
    shop.passes(15.0)
    shop.room.is_away = shop.setter.is_away = True
    worker = shop.workers[0]
    shop.run(worker.desk.look(worker.meter))
    assert not worker.meter.is_over
    # A quarter of 799, for two workers.
    assert shop.serve(0, 150) == 99
    assert worker.meter.used_up() == ()
    shop.passes(30.0)
    assert shop.serve(0, 5) == 0
    shop.room.is_away = shop.setter.is_away = False
    shop.passes(15.0)

    assert shop.used() == 100
    assert shop.serve(0, 1000) == 700


def test_an_answer_lost_as_a_worker_leaves_loses_no_count(new_shop: NewShop) -> None:
    """What is told last before a worker is forgotten is told again, and what comes behind it is counted, too."""
    shop = new_shop(Quota(50, 10_000), workers=1)
    assert shop.serve(0, 3, 100) == 3
    shop.room.loses_next = True
    while shop.room.loses_next:
        shop.passes(0.1)
    shop.room.is_away = True
    assert shop.serve(0, 2, 100) == 2
    shop.room.is_away = False
    shop.passes(15.0)

    assert (shop.used(), shop.room.places[ACCOUNT, shop.month.name].pot.bytes) == (5, 500)


@pytest.mark.parametrize("is_emptied", [False, True], ids=["kept", "emptied"])
def test_an_emptied_redis_gives_nothing_back_by_itself(
    new_shop: NewShop,
    is_emptied: bool,
) -> None:
    """Workers that live on fill it from SQL with all that was set aside taken: a quota is never reset to zero."""
    shop = new_shop(Quota(200))
    assert shop.serve(0, 60) + shop.serve(1, 60) == 120
    if is_emptied:
        shop.room.flush()
    served = shop.serve(0, 100) + shop.serve(1, 100)

    assert 120 + served <= 200
    # At most what was set aside and not taken is waited for.
    assert 120 + served >= (200 - 2 if is_emptied else 200)


def test_a_month_begins_at_nothing_in_a_running_worker(new_shop: NewShop) -> None:
    """The first request of a month is served, whoever was refused before; what came before counts to the old one."""
    shop = new_shop(Quota(5, 10_000))
    november = month_named("2026-11")
    assert shop.serve(0, 7, 100) == 5
    shop.clock.jump(november.end_us / 1e6 - 0.5)
    assert shop.serve(0, 1) == 0
    shop.clock.jump(november.end_us / 1e6 + 0.01)
    assert shop.serve(0, 1, 100) == 1
    shop.passes(5.0)

    assert shop.month.name == "2026-12"
    assert (shop.used(november), shop.used()) == (5, 1)
    assert shop.serve(0, 9, 100) == 4
    pots = {month: place.pot.bytes for (_, month), place in shop.room.places.items()}
    assert pots == {"2026-11": 500, "2026-12": 500}


def test_what_is_under_way_at_midnight_is_not_lent_again(new_shop: NewShop) -> None:
    """A request of the old month that fails in the new one is given back to neither."""
    shop = new_shop(Quota(3), workers=1)
    worker = shop.workers[0]
    assert shop.ask(0, 2) == 2
    shop.clock.jump(month_named("2026-11").end_us / 1e6 + 1.0)
    assert shop.ask(0, 1) == 1
    for is_counted in (False, True, True):
        worker.end(is_counted=is_counted)

    assert shop.serve(0, 5) == 2


@pytest.mark.parametrize(
    ("at_limit", "served"),
    [(AtLimit.REFUSE, [0, 0]), (AtLimit.SOFT, [1, 1]), (AtLimit.CRITICAL_ONLY, [0, 1])],
)
def test_what_goes_on_beyond_a_quota_goes_on_without_redis(
    new_shop: NewShop, at_limit: AtLimit, served: list[int]
) -> None:
    """Soft quotas and critical routes are served in an outage as they are otherwise, and what was refused stays so."""
    shop = new_shop(Quota(2, 100, at_limit), workers=1)
    assert shop.serve(0, 2, 50) == 2
    for is_away in (False, True):
        shop.room.is_away = is_away
        shop.passes(3.0)
        found = [shop.ask(0, is_critical=is_critical) for is_critical in (False, True)]
        assert found == served

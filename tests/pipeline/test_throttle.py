"""An address that keeps sending unknown keys has to wait; nobody else has to (design §3)."""

import pytest

from gateway.core.refusal import Refusal, Refused
from gateway.pipeline.inquiry import Admitted
from gateway.pipeline.throttle import FailureThrottle
from tests.doubles import ManualClock
from tests.pipeline.world import World, reason_of, unknown_token

BAD = "203.0.113.7"


@pytest.fixture
def clock() -> ManualClock:
    """A clock to be moved."""
    return ManualClock()


def fail(throttle: FailureThrottle, address: str, times: int) -> None:
    """So many failed look-ups at once."""
    for _ in range(times):
        throttle.failed(address)


def test_waits_once_the_failures_are_used_up(clock: ManualClock) -> None:
    """Sixty a minute are one a second: the sixty-first waits for a second."""
    throttle = FailureThrottle(clock, failures_per_minute=60)
    fail(throttle, BAD, 59)
    assert throttle.retry_after_seconds(BAD) == 0
    fail(throttle, BAD, 1)
    assert throttle.retry_after_seconds(BAD) == pytest.approx(1.0)
    clock.advance(1.0)
    assert throttle.retry_after_seconds(BAD) == 0


def test_failures_under_way_together_are_paid_back(clock: ManualClock) -> None:
    """Twice the allowance at once costs the wait for both, and no more however many there were."""
    throttle = FailureThrottle(clock, failures_per_minute=60)
    fail(throttle, BAD, 500)

    assert throttle.retry_after_seconds(BAD) == pytest.approx(61.0)


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        ("2001:db8:0:1:ffff::9", True),
        ("2001:db8:0:2::1", False),
        ("192.0.2.1", False),
    ],
    ids=["same /64", "other /64", "IPv4"],
)
def test_ipv6_is_counted_per_64(clock: ManualClock, other: str, is_same: bool) -> None:
    """A subscriber with 2^64 addresses is one subscriber."""
    throttle = FailureThrottle(clock, failures_per_minute=10)
    fail(throttle, "2001:db8:0:1::1", 10)

    assert (throttle.retry_after_seconds(other) > 0) is is_same


def test_addresses_are_bounded(clock: ManualClock) -> None:
    """A flood from ever new addresses fills no memory."""
    throttle = FailureThrottle(clock, addresses_max=10)
    for number in range(1000):
        throttle.failed(f"198.51.{number // 256}.{number % 256}")

    assert len(throttle) == 10


async def test_known_key_passes_from_a_throttled_address() -> None:
    """Only what would cost a look-up is refused, with the time to wait."""
    world = World(failures_per_minute=5)
    token = world.issue(1)
    assert isinstance(await world.ask(token, address=BAD), Admitted)
    for number in range(5):
        await world.ask(unknown_token(number), address=BAD)

    throttled = world.decide(world.issue(2), address=BAD)
    assert isinstance(throttled, Refused)
    assert (throttled.reason, throttled.key) == (Refusal.RATE_LIMITED, None)
    assert throttled.retry_after_seconds == pytest.approx(12.0)
    assert isinstance(world.decide(token, address=BAD), Admitted)
    assert isinstance(await world.ask(world.issue(3), address="192.0.2.99"), Admitted)
    world.verifier.close()


async def test_good_keys_do_not_throttle_their_address() -> None:
    """A thousand customers behind one address may all be looked up."""
    world = World(failures_per_minute=5)
    for number in range(20):
        assert isinstance(await world.ask(world.issue(number)), Admitted)
    world.verifier.close()


async def test_outage_does_not_throttle_the_address() -> None:
    """That we could not find out is not the caller's failure."""
    world = World(failures_per_minute=5)
    world.reader.is_away = True
    for number in range(20):
        assert reason_of(await world.ask(world.issue(number))) is Refusal.STORE_UNAVAILABLE
    world.verifier.close()


async def test_malformed_keys_cost_and_count_nothing() -> None:
    """A wrong checksum is refused before anything is looked up (K02)."""
    world = World(failures_per_minute=5)
    token = world.issue()
    for number in range(20):
        assert reason_of(await world.ask(token[:-1] + "!" * (number % 2))) is Refusal.MALFORMED_KEY

    assert (world.reader.calls, world.cache.calls) == (0, 0)
    assert isinstance(await world.ask(token), Admitted)
    world.verifier.close()

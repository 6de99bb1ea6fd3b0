"""How often somebody may be wrong, and that nobody else feels it (V08)."""

import asyncio

import pytest

from admin.services.attempts import PER_ADDRESS, PER_BROWSER, PER_CODE, PER_NAME, Attempts, TooMany
from tests.doubles import ManualClock

ADA, BOB = "ada@example.com", "bob@example.com"


class Pauses:
    """Remembers for how long attempts were made to wait, and lets them."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await self.gate.wait()


async def wrong(
    attempts: Attempts, name: str, address: str, times: int, browser: str | None = None
) -> int:
    """Be wrong so often, or until it is too often; returns how often that was."""
    for count in range(times):
        try:
            async with attempts.password(name, address, browser):
                attempts.password_failed(name, address, browser)
        except TooMany:
            return count
    return times


async def test_one_address_guesses_few_times_whatever_the_names() -> None:
    """Many accounts from one address: it waits, and others are let in at once."""
    clock, pauses = ManualClock(), Pauses()
    attempts = Attempts(clock, pauses)

    assert sum([await wrong(attempts, f"{n}@x.example", "192.0.2.1", 1) for n in range(40)]) == (
        PER_ADDRESS
    )
    async with attempts.password(ADA, "192.0.2.2", None):
        assert pauses.seconds == []
    clock.advance(60)
    assert await wrong(attempts, ADA, "192.0.2.1", 1) == 1


async def test_one_name_guessed_from_everywhere_is_slow_for_strangers_alone() -> None:
    """One account from many addresses: guesses go one by one, the owner gets in, others notice nothing."""
    pauses = Pauses()
    attempts = Attempts(ManualClock(), pauses)
    for n in range(PER_NAME + 5):
        assert await wrong(attempts, ADA, f"198.51.100.{n}", 1) == 1

    assert pauses.seconds == [1.0] * 5
    async with attempts.password(ADA, "203.0.113.1", None):
        assert len(pauses.seconds) == 6
    async with attempts.password(BOB, "203.0.113.1", None):
        assert len(pauses.seconds) == 6


async def test_a_known_browser_does_not_even_wait() -> None:
    """Whoever has signed in with this browser before does not feel what goes on elsewhere, and has few guesses too."""
    pauses = Pauses()
    attempts = Attempts(ManualClock(), pauses)
    for n in range(PER_NAME + 1):
        await wrong(attempts, ADA, f"198.51.100.{n}", 1)
    pauses.seconds.clear()

    async with attempts.password(ADA, "198.51.100.1", "browser-1"):
        assert pauses.seconds == []
    assert await wrong(attempts, ADA, "198.51.100.1", 99, "browser-1") == PER_BROWSER


async def test_the_queue_at_a_name_is_short() -> None:
    """A flood at one name holds no memory, and is told to come back."""
    pauses = Pauses()
    attempts = Attempts(ManualClock(), pauses)
    for n in range(PER_NAME):
        await wrong(attempts, ADA, f"198.51.100.{n}", 1)
    pauses.gate.clear()
    flood = [asyncio.ensure_future(wrong(attempts, ADA, f"203.0.113.{n}", 1)) for n in range(50)]
    try:
        async with asyncio.timeout(10):
            while sum(each.done() for each in flood) < 40:  # noqa: ASYNC110 -- of fifty tasks
                await asyncio.sleep(0)
        assert [each.result() for each in flood if each.done()] == [0] * 40
        assert len(pauses.seconds) == 1
    finally:
        pauses.gate.set()
        await asyncio.gather(*flood)


async def test_codes_are_few_an_hour() -> None:
    """Six digits are not guessed: an hour has ten of a million."""
    clock = ManualClock()
    attempts = Attempts(clock, Pauses())
    for _ in range(PER_CODE):
        attempts.check_code("usr_1", None)
        attempts.code_failed("usr_1", None)
    with pytest.raises(TooMany) as told:
        attempts.check_code("usr_1", None)

    assert told.value.retry_after > 60
    attempts.check_code("usr_1", "browser-1")
    clock.advance(3600)
    attempts.check_code("usr_1", None)

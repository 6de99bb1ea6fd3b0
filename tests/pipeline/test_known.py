"""L1: bounded, and never older than the last change heard of (design §3)."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.core.changes import Change
from gateway.core.keys import Account, ApiAccess, KeyDigest
from gateway.pipeline.known import KnownKeys, UnknownDigests
from gateway.pipeline.terms import KnownKey
from tests.doubles import ManualClock
from tests.pipeline.world import World, plain_key

TERMS = World().terms
SIZE_MAX = 4
# The others rest.
PREPARED_MAX = 2


def digest_of(number: int) -> KeyDigest:
    """Any digest, one per number."""
    return KeyDigest("p", bytes([number]) * 32)


def known_key(number: int, account: int = 1) -> KnownKey:
    """Key `number` of an account."""
    owner = Account(f"acc_{account}", "a", "starter", ApiAccess.APPROVED)
    return TERMS.known(plain_key(number, account=owner), 0.0)


def small(clock: ManualClock) -> KnownKeys:
    """Room for four keys, of which two are prepared, and for four unknown ones."""
    unknown = UnknownDigests(clock, size_max=4)
    return KnownKeys(TERMS.known, unknown, size_max=SIZE_MAX, prepared_max=PREPARED_MAX)


@pytest.fixture
def keys() -> KnownKeys:
    """Room for four keys and four unknown ones."""
    return small(ManualClock())


def fill(keys: KnownKeys, *numbers: int) -> None:
    """Put these keys, as of now."""
    for number in numbers:
        assert keys.put(digest_of(number), known_key(number), keys.ticket())


def present(keys: KnownKeys) -> set[int]:
    """The numbers of the keys that are known."""
    return {number for number in range(50) if keys.get(digest_of(number)) is not None}


def test_least_recently_used_key_goes_first(keys: KnownKeys) -> None:
    """A key in use stays, however many others pass by."""
    fill(keys, 0, 1, 2, 3)
    keys.get(digest_of(0))
    fill(keys, 4)

    assert present(keys) == {0, 2, 3, 4}


def test_key_that_rested_is_as_it_was(keys: KnownKeys) -> None:
    """A key that was pushed out of the way by others gets the same answers when it is used again."""
    fill(keys, 0, 1, 2, 3)
    woken = keys.get(digest_of(0))

    assert woken is not None
    assert replace(woken, checked_at=0.0) == known_key(0)
    assert keys.get(digest_of(0)) is woken


def test_key_that_rested_is_trusted_no_longer_than_changes_were_heard(keys: KnownKeys) -> None:
    """When it was read is not kept, so it must not count as read just now."""
    fill(keys, 0, 1, 2, 3)
    woken = keys.get(digest_of(0))

    assert woken is not None
    assert woken.checked_at == -math.inf


def test_resting_key_is_dropped_with_its_account(keys: KnownKeys) -> None:
    """A revocation finds a key wherever it is kept, and does not bring it back."""
    fill(keys, 0, 1, 2, 3)
    keys.forget(Change(2, account_id="acc_1"))

    assert len(keys) == 0
    assert present(keys) == set()


def test_change_of_a_key_drops_every_copy_of_it(keys: KnownKeys) -> None:
    """A key with two secrets has two copies, and both go."""
    fill(keys, 2)
    for number in (0, 1):
        keys.put(digest_of(number), known_key(7), keys.ticket())
    keys.forget(Change(2, key_id="key_7"))

    assert present(keys) == {2}


def test_change_of_an_account_drops_all_its_keys(keys: KnownKeys) -> None:
    """Other accounts' keys stay."""
    for number, account in enumerate((1, 1, 2)):
        keys.put(digest_of(number), known_key(number, account), keys.ticket())
    keys.forget(Change(1, account_id="acc_1"))

    assert present(keys) == {2}


def test_change_of_everything_drops_everything(keys: KnownKeys) -> None:
    """After news were lost for good, nothing is trusted, neither a yes nor a no, nor what is being read."""
    fill(keys, 0, 1)
    keys.put_unknown(digest_of(9))
    ticket = keys.ticket()
    keys.forget(Change(0))

    assert present(keys) == set()
    assert not keys.is_unknown(digest_of(9))
    assert not keys.put(digest_of(0), known_key(0), ticket)
    assert keys.put(digest_of(0), known_key(0), keys.ticket())


def test_old_ticket_is_refused_even_when_the_change_is_forgotten(keys: KnownKeys) -> None:
    """Our memory of changes is bounded; a look-up that outlives it has to begin again."""
    ticket = keys.ticket()
    keys.forget(Change(2, key_id="key_0"))
    for number in range(1, 40):
        keys.forget(Change(2, key_id=f"key_{number}"))

    assert not keys.put(digest_of(0), known_key(0), ticket)
    assert keys.put(digest_of(0), known_key(0), keys.ticket())


def test_unknown_is_remembered_for_a_moment() -> None:
    """Ten seconds, and no longer: the key may be created meanwhile."""
    clock = ManualClock()
    keys = small(clock)
    keys.put_unknown(digest_of(0))
    clock.advance(9.9)
    assert keys.is_unknown(digest_of(0))
    clock.advance(0.2)
    assert not keys.is_unknown(digest_of(0))


def test_unknown_are_bounded_and_the_oldest_goes_first(keys: KnownKeys) -> None:
    """A flood of unknown keys drives out its own kind only."""
    fill(keys, 40)
    for number in range(10):
        keys.put_unknown(digest_of(number))

    assert [number for number in range(10) if keys.is_unknown(digest_of(number))] == [6, 7, 8, 9]
    assert present(keys) == {40}


def test_key_that_turns_up_is_unknown_no_more(keys: KnownKeys) -> None:
    """What was found counts more than what was once not found."""
    keys.put_unknown(digest_of(0))
    fill(keys, 0)

    assert not keys.is_unknown(digest_of(0))


@given(st.integers(0, 5), st.integers(0, 5))
def test_copy_is_kept_exactly_when_no_change_came_between(before: int, after: int) -> None:
    """Changes before the ticket do not count; a single one after it does."""
    keys = small(ManualClock())
    for _ in range(before):
        keys.forget(Change(2, key_id="key_1"))
    ticket = keys.ticket()
    for _ in range(after):
        keys.forget(Change(2, key_id="key_1"))

    assert keys.put(digest_of(1), known_key(1), ticket) is (after == 0)


class Walk(RuleBasedStateMachine):
    """Any order of look-ups and changes."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = small(ManualClock())
        self.tickets: list[int] = [0]
        # By owner, the ticket from which on a copy is as new as the last change.
        self.newest: dict[str, int] = {}
        self.put_at: dict[int, int] = {}

    @rule()
    def begin(self) -> None:
        """A look-up begins."""
        self.tickets.append(self.keys.ticket())

    @rule(number=st.integers(0, 7), at=st.integers(0, 100), is_confirmed=st.booleans())
    def end(self, number: int, at: int, is_confirmed: bool) -> None:
        """Some look-up ends."""
        ticket = self.tickets[at % len(self.tickets)]
        known = known_key(number, number % 3)
        if self.keys.put(digest_of(number), known, ticket, is_confirmed=is_confirmed):
            self.put_at[number] = ticket

    @rule(number=st.integers(0, 7))
    def change_key(self, number: int) -> None:
        """A key changes."""
        self.keys.forget(Change(2, key_id=f"key_{number}"))
        self.newest[f"key_{number}"] = self.keys.ticket()

    @rule(number=st.integers(0, 2))
    def change_account(self, number: int) -> None:
        """An account changes."""
        self.keys.forget(Change(2, account_id=f"acc_{number}"))
        self.newest[f"acc_{number}"] = self.keys.ticket()

    @invariant()
    def nothing_older_than_a_change_is_known(self) -> None:
        """The promise, and the bound."""
        assert len(self.keys) <= SIZE_MAX
        for number in present(self.keys):
            for owner in (f"key_{number}", f"acc_{number % 3}"):
                assert self.put_at[number] >= self.newest.get(owner, 0)

    @invariant()
    def the_indexes_hold_what_is_known(self) -> None:
        """No index outlives its key: that would be a leak."""
        copies = {digest for digest, _ in self.keys.copies()}
        assert {digest for digest, _ in self.keys.copies(only_unconfirmed=True)} <= copies
        owned = [
            found if isinstance(found, set) else {found} for found in self.keys._digests_of.values()
        ]
        assert set().union(*owned) == copies


TestWalk = Walk.TestCase

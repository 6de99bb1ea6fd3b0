"""What is remembered of buckets takes little memory, and is all there when it is needed."""

from collections.abc import Callable

import pytest

from gateway.core.leases import Lease
from gateway.core.limits import BucketLevel
from gateway.stores.notes import Note, Notes

LEVEL = BucketLevel(-7_000_000, 1_700_000_000_000_000)


@pytest.fixture
def notes() -> Notes:
    """Room for four buckets, of which one need not rest."""
    return Notes(4, awake_max=1)


def test_a_level_outlives_its_rest(notes: Notes) -> None:
    """What the store last said of a bucket is known until it is forgotten for good."""
    note = notes.of("a")
    note.level, note.seen_us = LEVEL, 5
    notes.of("b")

    assert notes.find("a") is None
    assert notes.of("a") == Note(LEVEL, 5)


def owing(note: Note) -> None:
    """Two tokens were let through in an outage."""
    note.debt = 2


def sharing(note: Note) -> None:
    """The outage lasts."""
    note.share = LEVEL


def awaited(note: Note) -> None:
    """The store has been asked."""
    note.under_way = 1


def holding(note: Note) -> None:
    """Something was lent."""
    note.lease = Lease(0.0)
    note.lease.lent(3)


@pytest.mark.parametrize("busy", [owing, sharing, awaited, holding])
def test_a_note_that_is_not_quiet_does_not_rest(notes: Notes, busy: Callable[[Note], None]) -> None:
    """No debt, share, answer or lease is lost because others were used since."""
    note = notes.of("a")
    busy(note)
    notes.of("b")
    notes.of("c")

    assert notes.of("a") is note


def test_a_lease_ends_with_its_rest(notes: Notes) -> None:
    """Nobody spends of a lease whose bucket has another one by now."""
    lease = notes.of("a").lease = Lease(0.0)
    notes.of("b")

    assert notes.of("a").lease is None
    assert lease.is_asking


def test_the_oldest_are_forgotten_first(notes: Notes) -> None:
    """However many buckets there are, no more than so many are remembered."""
    for name in "abcdef":
        notes.of(name).level = LEVEL
    known = [name for name in "fedcba" if notes.of(name).level is not None]

    assert known == ["f", "e", "d", "c"]

"""Who gets a metric series of its own."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.busiest import Busiest


def _see(busiest: Busiest, requests: Sequence[tuple[str, int]]) -> None:
    for key_id, count in requests:
        for _ in range(count):
            busiest.seen(key_id)


@pytest.mark.parametrize(
    ("requests", "lost"),
    [
        pytest.param([("a", 10), ("b", 10)], (), id="everyone-has-a-place"),
        pytest.param([("a", 10), ("b", 10), ("c", 19)], (), id="not-clearly-busier"),
        pytest.param(
            [("a", 10), ("b", 11), ("c", 20)], ("a",), id="twice-as-busy-takes-the-idlest"
        ),
        pytest.param(
            [("a", 1), ("b", 9), ("c", 20), ("d", 17)], ("a",), id="second-rival-is-not-enough"
        ),
        pytest.param(
            [("a", 1), ("b", 2), ("c", 20), ("d", 9)], ("a", "b"), id="both-places-change"
        ),
    ],
)
def test_a_place_is_lost_only_to_someone_clearly_busier(
    requests: list[tuple[str, int]], lost: tuple[str, ...]
) -> None:
    """A dashboard's series do not flicker between keys that are about equally busy."""
    busiest = Busiest(places=2)
    _see(busiest, requests)

    assert busiest.review() == lost


def test_a_free_place_is_taken_at_once() -> None:
    """With few keys, each has its own series from its first request."""
    busiest = Busiest(places=2)

    assert [busiest.seen(key) for key in ("a", "b", "c", "a")] == [True, True, False, True]


def test_a_key_that_won_a_place_has_it() -> None:
    """After the review the newcomer has a series and the other has none."""
    busiest = Busiest(places=1)
    _see(busiest, [("a", 1), ("b", 50)])
    busiest.review()

    assert busiest.seen("b")
    assert not busiest.seen("a")


def test_use_of_long_ago_does_not_count() -> None:
    """A key that was busy once makes room for one that is busy now."""
    busiest = Busiest(places=1)
    _see(busiest, [("a", 1000)])
    for _ in range(10):
        busiest.review()
    _see(busiest, [("b", 10)])

    assert busiest.review() == ("a",)


def test_no_places_at_all() -> None:
    """Series by key can be turned off."""
    busiest = Busiest(places=0)

    assert not busiest.seen("a")
    assert busiest.review() == ()


def test_a_crowd_of_rare_keys_does_not_hide_a_busy_one() -> None:
    """Memory is bounded, and still a key with a fair part of the traffic is found among a thousand others."""
    busiest = Busiest(places=1)
    _see(busiest, [("first", 1)])
    for number in range(1000):
        _see(busiest, [(f"rare-{number}", 1), ("busy", 1)])

    assert busiest.review() == ("first",)


def test_a_busy_key_that_comes_late_is_found() -> None:
    """A crowd that was there first, each only once, does not keep the places for challengers."""
    busiest = Busiest(places=1)
    _see(busiest, [("first", 1), *((f"rare-{number}", 1) for number in range(4)), ("busy", 10)])

    assert busiest.review() == ("first",)


@given(
    places=st.integers(0, 4),
    steps=st.lists(st.one_of(st.integers(0, 30).map(str), st.none()), max_size=300),
)
def test_places_are_bounded_and_held_until_lost(places: int, steps: list[str | None]) -> None:
    """Never more series than places, and none disappears unless a review says so."""
    busiest = Busiest(places)
    holding: set[str] = set()
    for step in steps:
        if step is None:
            lost = set(busiest.review())
            assert lost <= holding
            holding -= lost
        elif busiest.seen(step):
            holding.add(step)
        else:
            assert step not in holding
        assert len(holding) <= places

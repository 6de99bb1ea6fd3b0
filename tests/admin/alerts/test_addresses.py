"""What is kept of where a key was used from."""

from hypothesis import given
from hypothesis import strategies as st

from admin.core.alerts.addresses import NOTED_US, AddressTerms, Met, Networks, meet, newcomers

DAY_US = 86_400_000_000
START_US = 20_000 * DAY_US
TERMS = AddressTerms(kept_max=4)
SUBJECT = ("acc_1", "key_1", "sync")


def after(known: dict[str, Met], change: Networks) -> dict[str, Met]:
    """What is known then."""
    return {name: met for name, met in known.items() if name not in change.dropped} | dict(
        change.written
    )


def test_first_day_is_for_learning() -> None:
    """What is met on a key's first day is learnt, and never told; what is met later is new."""
    first = meet({}, ["a", "b"], TERMS, START_US)
    known = after({}, first)
    known = after(known, meet(known, ["c"], TERMS, START_US + DAY_US - 1))
    assert newcomers(SUBJECT, known, TERMS, START_US + DAY_US - 1).networks == ()
    known = after(known, meet(known, ["d"], TERMS, START_US + DAY_US))
    assert newcomers(SUBJECT, known, TERMS, START_US + DAY_US).networks == ("d",)


def test_first_use_is_learnt_whatever_is_configured() -> None:
    """A key has to be used from somewhere: without a time for learning, too, the first address is not new."""
    terms = AddressTerms(learning_us=0)
    known = after({}, meet({}, ["a"], terms, START_US))
    assert newcomers(SUBJECT, known, terms, START_US).networks == ()
    known = after(known, meet(known, ["b"], terms, START_US + 1))
    assert newcomers(SUBJECT, known, terms, START_US + 1).networks == ("b",)


def test_long_unused_address_makes_room() -> None:
    """Who changes addresses every month is told of each, year after year, and is no crowd."""
    known = after({}, meet({}, ["home"], TERMS, START_US))
    for month in range(1, 25):
        now_us = START_US + month * 31 * DAY_US
        known = after(known, meet(known, [f"n{month}"], TERMS, now_us))
        found = newcomers(SUBJECT, known, TERMS, now_us)
        assert (found.networks, found.is_crowd) == ((f"n{month}",), False)
    assert "home" in known


def test_use_is_noted_once_a_week() -> None:
    """An address that is used all the time is written once a week, not once a minute."""
    known = after({}, meet({}, ["a"], TERMS, START_US))
    assert meet(known, ["a"], TERMS, START_US + NOTED_US - 1).written == {}
    assert list(meet(known, ["a"], TERMS, START_US + NOTED_US).written) == ["a"]


steps = st.lists(st.tuples(st.integers(0, 40), st.sets(st.sampled_from("abcdefghij"))), max_size=20)


@given(steps)
def test_never_more_are_kept_than_wanted(days: list[tuple[int, set[str]]]) -> None:
    """However a key is used, so many addresses are kept and no more, and the first of them always."""
    known: dict[str, Met] = {}
    now_us = START_US
    for wait, networks in days:
        now_us += wait * DAY_US
        known = after(known, meet(known, networks, TERMS, now_us))
        assert len(known) <= TERMS.kept_max
        if known:
            assert min(met.first_us for met in known.values()) == begun(days)


def begun(days: list[tuple[int, set[str]]]) -> int | None:
    """When the first address was met."""
    now_us = START_US
    for wait, networks in days:
        now_us += wait * DAY_US
        if networks:
            return now_us
    return None

"""Quantiles of latencies: near enough, and the same whoever counted which request."""

import math

import pytest
from ddsketch import DDSketch
from ddsketch.mapping import LogarithmicMapping
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.latency import RELATIVE_ACCURACY, Latency, bin_of, compact, packed

DURATIONS = st.lists(st.integers(1, 3_600_000_000), min_size=1, max_size=200)


def counted(durations_us: list[int]) -> Latency:
    """A sketch of these."""
    latency = Latency()
    for each in durations_us:
        latency.add(each / 1_000_000)
    return latency


@given(DURATIONS, st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_quantiles_are_within_one_percent(durations: list[int], share: float) -> None:
    """A p99 that is shown is that of the requests, but for one percent."""
    exact = sorted(durations)[math.floor(share * (len(durations) - 1))] / 1_000_000
    told = counted(durations).quantiles([share])[0]

    assert told == pytest.approx(exact, rel=RELATIVE_ACCURACY * 1.001)


@given(DURATIONS)
def test_bins_are_those_of_ddsketch(durations: list[int]) -> None:
    """What is kept in SQL can be read by whatever understands DDSketch's logarithmic mapping."""
    mapping = LogarithmicMapping(RELATIVE_ACCURACY)
    theirs = DDSketch(RELATIVE_ACCURACY)
    for each in durations:
        assert abs(bin_of(each) - mapping.key(each)) <= int(each in edges(mapping, each))
        theirs.add(each)

    told = counted(durations).quantiles([0.5])[0]
    assert told is not None
    assert told * 1_000_000 == pytest.approx(theirs.get_quantile_value(0.5), rel=0.021)


def edges(mapping: LogarithmicMapping, value: int) -> set[int]:
    """Whole numbers that lie on the edge of a bin, where two ways to compute a logarithm may differ."""
    return {value} if abs(math.log(value, mapping.gamma) % 1 - 0.5) > 0.4999999 else set()


@given(DURATIONS, DURATIONS)
def test_bytes_behind_each_other_are_merged(first: list[int], second: list[int]) -> None:
    """A database that puts two sketches together has merged them, and so has `merge`."""
    whole = counted(first + second).to_bytes()
    joined = counted(first).to_bytes() + counted(second).to_bytes()
    merged = counted(first)
    merged.merge(counted(second))

    assert compact(joined) == whole
    assert merged.to_bytes() == whole
    assert (
        Latency.from_bytes(counted(first).to_bytes(), counted(second).to_bytes()).to_bytes()
        == whole
    )


@given(st.dictionaries(st.integers(0, 2000), st.integers(1, 2**32 - 1), max_size=50))
def test_bytes_hold_every_count(counts: dict[int, int]) -> None:
    """A bin may hold as many requests as a busy year has."""
    read = Latency.from_bytes(packed(counts))

    assert read.count == sum(counts.values())
    assert Latency.from_bytes(read.to_bytes()).to_bytes() == read.to_bytes()


def test_nothing_has_no_quantile() -> None:
    """No requests, no latency."""
    assert Latency().quantiles([0.5])[0] is None
    assert Latency.from_bytes(b"").quantiles([0.5, 0.99]) == [None, None]


@pytest.mark.parametrize("seconds", [0.0, -1.0, 4e-7])
def test_no_time_at_all_is_a_microsecond(seconds: float) -> None:
    """A clock that is set back in the middle of a request breaks nothing."""
    latency = Latency()
    latency.add(seconds)

    assert latency.quantiles([0.5])[0] == pytest.approx(1e-6, rel=0.02)


def test_half_a_sketch_is_no_sketch() -> None:
    """Bytes that were cut are told, not guessed at."""
    with pytest.raises(ValueError, match="odd length"):
        Latency.from_bytes(b"\1\2\3")


@given(DURATIONS, st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_quantiles_are_those_of_ddsketch(durations: list[int], shares: list[float]) -> None:
    """The library, given the same bins, says the very same."""
    mapping, theirs = LogarithmicMapping(RELATIVE_ACCURACY), DDSketch(RELATIVE_ACCURACY)
    for each in durations:
        theirs.add(mapping.value(bin_of(each)))
    told = [
        share * 1_000_000 for share in counted(durations).quantiles(shares) if share is not None
    ]

    assert told == pytest.approx([theirs.get_quantile_value(share) for share in shares], rel=1e-9)

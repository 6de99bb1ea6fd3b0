"""The journal's format: what was written is read again, and damage takes away only what it hit."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.journal import Damage, Entry, decoded, encoded, encoded_counts, entries
from gateway.core.record import UsageRecord

TAIL = bytes(64)

texts = st.text(st.characters(exclude_characters="\x1e\x1f"), max_size=40)
big = st.integers(0, 2**62)
records = st.builds(
    UsageRecord,
    at=st.integers(0, 2**50).map(lambda us: us / 1_000_000),
    key_id=st.none() | texts,
    account_id=st.none() | texts,
    secret_id=st.none() | texts,
    route=st.none() | texts,
    method=texts,
    path=texts,
    status=st.integers(0, 999),
    outcome=texts,
    bytes_in=big,
    bytes_out=big,
    duration_seconds=st.integers(0, 2**40).map(lambda us: us / 1_000_000),
    address=texts,
    request_id=texts,
)
RECORD = UsageRecord(
    1.5, "key_1", "acc_1", "s1", "dns", "GET", "/v1/x", 200, "served", 1, 2, 0.25, "::1", "r1"
)


def read(data: bytes) -> list[Entry | Damage]:
    """Everything in a segment."""
    return list(entries(data))


@given(st.lists(records, max_size=5))
def test_what_was_written_is_read(written: list[UsageRecord]) -> None:
    """Each record comes back as it was, under its number, to the microsecond."""
    data = b"".join(encoded(one, number) for number, one in enumerate(written))
    found = read(data + TAIL)

    assert [one.sequence for one in found if isinstance(one, Entry)] == list(range(len(written)))
    for one, before in zip(found, written, strict=True):
        assert isinstance(one, Entry)
        after = decoded(one)
        assert isinstance(after, UsageRecord)
        assert after.at == pytest.approx(before.at, abs=2e-6)
        assert after.duration_seconds == pytest.approx(before.duration_seconds, abs=2e-6)
        at, duration = before.at, before.duration_seconds
        assert dataclasses.replace(after, at=at, duration_seconds=duration) == before


@given(
    st.dictionaries(
        st.tuples(big, st.text(st.characters(codec="ascii", exclude_characters="\0"))), big
    )
)
def test_counts_are_read(counts: dict[tuple[int, str], int]) -> None:
    """Sums of refusals come back as they were."""
    (found,) = read(encoded_counts(counts, 7))

    assert isinstance(found, Entry)
    assert (found.sequence, decoded(found)) == (7, counts)


@settings(max_examples=300)
@given(
    hit=st.integers(0, 2), at=st.floats(0, 0.999) | st.integers(0, 23), value=st.integers(1, 255)
)
def test_damage_costs_the_entry_it_hit(hit: int, at: float, value: int) -> None:
    """Whichever byte of an entry is changed, it is told as damage, and its neighbours are read."""
    parts = [
        bytearray(encoded(dataclasses.replace(RECORD, request_id=f"r{n}"), n)) for n in range(3)
    ]
    length = 24 + int.from_bytes(parts[hit][8:12], "little")
    parts[hit][at if isinstance(at, int) else int(at * length)] ^= value
    found = read(b"".join(parts) + TAIL)

    assert [one.sequence for one in found if isinstance(one, Entry)] == [
        n for n in range(3) if n != hit
    ]
    (damage,) = [one for one in found if isinstance(one, Damage)]
    assert damage.offset == sum(map(len, parts[:hit]))


@given(cut=st.integers(1, 200))
def test_a_torn_end_is_damage(cut: int) -> None:
    """An entry of which a part was never written is skipped; what stands before it is read."""
    whole, torn = encoded(RECORD, 0), encoded(RECORD, 1)
    kept = max(1, len(torn) - cut)
    found = read(whole + torn[:kept] + bytes(len(torn) - kept) + TAIL)

    assert found[0] == Entry(0, 1, whole[24 : 24 + int.from_bytes(whole[8:12], "little")])
    assert len(found) == 1 or isinstance(found[1], Damage) or found[1].sequence == 1


def test_an_empty_segment_holds_nothing() -> None:
    """A new segment is zeros."""
    assert read(bytes(4096)) == []


def test_reading_goes_on_where_it_ended() -> None:
    """What has been read need not be read again."""
    first, second = encoded(RECORD, 0), encoded(RECORD, 1)
    (found,) = entries(first + second + TAIL, len(first))

    assert isinstance(found, Entry)
    assert found.sequence == 1


def test_another_releases_entry_is_told() -> None:
    """What this release does not know is not guessed at."""
    with pytest.raises(ValueError, match="a later release"):
        decoded(Entry(0, 9, b""))


def test_a_short_entry_is_told() -> None:
    """A payload that is too short for its kind is no record."""
    with pytest.raises(ValueError, match="too short"):
        decoded(Entry(0, 1, b"abc"))

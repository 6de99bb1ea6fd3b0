"""The journal's format: one segment file, one record after another (design §8, docs/journal.md).

A segment is a file of fixed size, filled from its beginning; what follows the last entry is zeros. Each entry
begins at a multiple of eight bytes:

    mark      4 bytes   4B 57 4A ("KWJ"), and the version of this format, 1
    checksum  4 bytes   CRC-32 of everything behind it
    length    4 bytes   of the payload
    kind      4 bytes   1: a request; 2: totals of refusals without a key
    sequence  8 bytes   numbers the worker's entries upwards from 0, without a gap
    payload

All numbers are little-endian. A process may die, or a machine lose power, in the middle of an entry: then its checksum
is wrong. Such an entry is skipped, and reading goes on at the next place where an entry with a right checksum begins.
"""

__all__ = [
    "ENTRY_BYTES_MAX",
    "PAYLOAD_BYTES_MAX",
    "Counts",
    "Damage",
    "Entry",
    "decoded",
    "encoded",
    "encoded_counts",
    "end_of",
    "entries",
    "rows",
]

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

from gateway.core.record import UsageRecord, UsageRow

# No path, name or address is as long; what cannot be right is damage.
PAYLOAD_BYTES_MAX = 65_536
ENTRY_BYTES_MAX = PAYLOAD_BYTES_MAX + 24

Counts: TypeAlias = Mapping[tuple[int, str], int]

_MARK: Final = b"KWJ\x01"
_REQUEST: Final = 1
_COUNTS: Final = 2
_HEAD: Final = struct.Struct("<4sIIIQ")
_UNCHECKED: Final = struct.Struct("<4sI")
# What the checksum is about: length, kind, sequence, and of a request its numbers.
_CHECKED: Final = struct.Struct("<IIQ")
_CHECKED_REQUEST: Final = struct.Struct("<IIQqqqqH")
_NUMBERS: Final = struct.Struct("<qqqqH")
_NUMBERS_SIZE: Final = _NUMBERS.size
_CHECKED_REQUEST_SIZE: Final = _CHECKED_REQUEST.size
_HEAD_REQUEST: Final = struct.Struct("<4sIIIQqqqqH")
_HEAD_SIZE: Final = _HEAD.size
_HEAD_REQUEST_SIZE: Final = _HEAD_REQUEST.size
_UNCHECKED_SIZE: Final = _UNCHECKED.size
_ROW: Final = struct.Struct("<qq")
_ALIGNED: Final = 8
_PADDING: Final = tuple(bytes(-size % _ALIGNED) for size in range(_ALIGNED))
# No text of a record holds either; None is told from an empty text.
_BETWEEN: Final = "\x1f"
_NONE: Final = "\x1e"


class Entry(NamedTuple):
    """One entry, in its place."""

    sequence: int
    kind: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that are no entry: where they begin, and how many were skipped."""

    offset: int
    length: int


def encoded(record: UsageRecord, sequence: int) -> bytes:
    """The entry of a finished request; its length is a multiple of eight."""
    key, account, secret = record.key_id, record.account_id, record.secret_id
    route = record.route
    texts = (
        f"{_NONE if key is None else key}\x1f{_NONE if account is None else account}"
        f"\x1f{_NONE if secret is None else secret}\x1f{_NONE if route is None else route}"
        f"\x1f{record.method}\x1f{record.path}\x1f{record.outcome}"
        f"\x1f{record.address}\x1f{record.request_id}"
    )
    data = texts.encode() if texts.isascii() else texts.encode("utf-8", "surrogatepass")
    size = len(data)
    checked = (
        _CHECKED_REQUEST.pack(
            _NUMBERS_SIZE + size,
            _REQUEST,
            sequence,
            int(record.at * 1_000_000),
            int(record.duration_seconds * 1_000_000),
            record.bytes_in,
            record.bytes_out,
            record.status,
        )
        + data
    )
    # As `_entry`, which every request would call.
    head = _UNCHECKED.pack(_MARK, crc32(checked))
    return head + checked + _PADDING[(_CHECKED_REQUEST_SIZE + size) % _ALIGNED]


def encoded_counts(counts: Counts, sequence: int) -> bytes:
    """The entry of refusals without a key: the totals so far of some (minute since the epoch, outcome)."""
    payload = b"".join(
        _ROW.pack(minute, number) + outcome.encode() + b"\0"
        for (minute, outcome), number in counts.items()
    )
    return _entry(_CHECKED.pack(len(payload), _COUNTS, sequence) + payload)


def decoded(entry: Entry) -> UsageRecord | Counts:
    """What an entry says. Raises ValueError for a kind or shape that this release does not know."""
    try:
        if entry.kind == _REQUEST:
            return _record(entry.payload)
        if entry.kind == _COUNTS:
            return dict(_rows(entry.payload))
    except struct.error as exc:
        raise ValueError("an entry of the journal is too short") from exc
    raise ValueError(
        f"the journal holds an entry of kind {entry.kind}, which a later release wrote"
    )


def entries(data: bytes, offset: int = 0) -> Iterator[Entry | Damage]:
    """What stands in a segment from `offset` on, up to the zeros at its end; damage is told once for each gap."""
    gap = offset
    while (offset := _next_mark(data, offset)) >= 0:
        found = _at(data, offset)
        if found is None:
            offset += _ALIGNED
            continue
        if gap < offset:
            yield Damage(gap, offset - gap)
        yield found
        offset = gap = end_of(offset, found)
    rest = len(data[gap:].rstrip(b"\0"))
    if rest:
        yield Damage(gap, rest + -rest % _ALIGNED)


def rows(data: bytes, offset: int, sequence: int, count: int) -> tuple[list[UsageRow], int]:
    """The requests that stand at `offset` one behind the other, numbered from `sequence` on, and where they end.

    At most `count`, and none behind whatever is out of the ordinary: a gap, damage, totals, a text that is not ASCII.
    What is there then `entries` tells. They are as many as a ledger has to read in a second, so all of it is one loop.
    """
    found: list[UsageRow] = []
    size, unpack = len(data), _HEAD_REQUEST.unpack_from
    try:
        while len(found) < count:
            mark, checksum, length, kind, number, at_us, took_us, taken, sent, status = unpack(
                data, offset
            )
            texts = offset + _HEAD_REQUEST_SIZE
            end = offset + _HEAD_SIZE + length
            if mark != _MARK or kind != _REQUEST or number != sequence or not texts <= end <= size:
                break
            if crc32(data[offset + _UNCHECKED_SIZE : end]) != checksum:
                break
            said = data[texts:end].decode("ascii")
            if "\0" in said:
                break
            key, account, secret, route, method, path, outcome, address, name = said.split("\x1f")
            ids = (key, account, secret, route) if _NONE not in said else _ids(said)
            found.append(
                (at_us, *ids, method, path, status, outcome, taken, sent, took_us, address, name)
            )
            sequence += 1
            offset = end + -end % _ALIGNED
    except (struct.error, ValueError):
        pass
    return found, offset


def _ids(said: str) -> Sequence[str | None]:
    return [None if each == _NONE else each for each in said.split(_BETWEEN)[:4]]


def end_of(offset: int, entry: Entry) -> int:
    """Where the next entry begins, if `entry` begins at `offset`."""
    end = offset + _HEAD.size + len(entry.payload)
    return end + -end % _ALIGNED


def _next_mark(data: bytes, offset: int) -> int:
    """Where an entry may begin, at `offset` or behind it; -1 if nowhere."""
    while (offset := data.find(_MARK, offset)) >= 0 and offset % _ALIGNED:
        offset += 1
    return offset


def _at(data: bytes, offset: int) -> Entry | None:
    start = offset + _HEAD.size
    if start > len(data):
        return None
    _, checksum, length, kind, sequence = _HEAD.unpack_from(data, offset)
    if length > PAYLOAD_BYTES_MAX or start + length > len(data):
        return None
    if crc32(data[offset + _UNCHECKED.size : start + length]) != checksum:
        return None
    return Entry(sequence, kind, data[start : start + length])


def _entry(checked: bytes) -> bytes:
    head = _UNCHECKED.pack(_MARK, crc32(checked))
    return head + checked + _PADDING[len(checked) % _ALIGNED]


def _record(payload: bytes) -> UsageRecord:
    at_us, duration_us, bytes_in, bytes_out, status = _NUMBERS.unpack_from(payload)
    data = payload[_NUMBERS.size :]
    texts = data.decode() if data.isascii() else data.decode("utf-8", "surrogatepass")
    key, account, secret, route, method, path, outcome, address, request_id = texts.split(_BETWEEN)
    return UsageRecord(
        at_us / 1_000_000,
        None if key == _NONE else key,
        None if account == _NONE else account,
        None if secret == _NONE else secret,
        None if route == _NONE else route,
        method,
        path,
        status,
        outcome,
        bytes_in,
        bytes_out,
        duration_us / 1_000_000,
        address,
        request_id,
    )


def _rows(payload: bytes) -> Iterator[tuple[tuple[int, str], int]]:
    offset = 0
    while offset < len(payload):
        minute, number = _ROW.unpack_from(payload, offset)
        end = payload.index(b"\0", offset + _ROW.size)
        yield (minute, payload[offset + _ROW.size : end].decode()), number
        offset = end + 1

"""The journal's format: one segment file, one record after another (design §8, docs/journal.md).

A segment is a file of fixed size, filled from its beginning; what follows the last record is zeros. Each entry
begins at a multiple of eight bytes:

    mark      2 bytes   4B 57 ("KW")
    version   1 byte    1
    kind      1 byte    1: a request; 2: counts of refusals without a key
    length    4 bytes   of the payload
    checksum  4 bytes   CRC-32 of sequence, kind and payload
    sequence  8 bytes   numbers the worker's entries upwards, without a gap
    payload

All numbers are little-endian. A process may die, or a machine lose power, in the middle of an entry: then its checksum
is wrong. Such an entry is skipped, and reading goes on at the next place where an entry with a right checksum begins.
"""

__all__ = [
    "ENTRY_BYTES_MAX",
    "Counts",
    "Damage",
    "Entry",
    "decoded",
    "encoded",
    "encoded_counts",
    "entries",
]

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from gateway.core.record import UsageRecord

# No path, name or address is as long; what cannot be right is damage.
ENTRY_BYTES_MAX = 65_536

Counts: TypeAlias = Mapping[tuple[int, str], int]

_MARK: Final = b"KW\x01"
_REQUEST: Final = 1
_COUNTS: Final = 2
_HEAD: Final = struct.Struct("<3sBIIQ")
_NUMBERED: Final = struct.Struct("<QB")
_NUMBERS: Final = struct.Struct("<qqqqH")
_ROW: Final = struct.Struct("<qq")
_ALIGNED: Final = 8
_PADDING: Final = tuple(bytes(-size % _ALIGNED) for size in range(_ALIGNED))
# No text of a record holds either; None is told from an empty text.
_BETWEEN: Final = "\x1f"
_NONE: Final = "\x1e"
_TEXTS: Final = 9


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
    texts = _BETWEEN.join(
        (
            _NONE if record.key_id is None else record.key_id,
            _NONE if record.account_id is None else record.account_id,
            _NONE if record.secret_id is None else record.secret_id,
            _NONE if record.route is None else record.route,
            record.method,
            record.path,
            record.outcome,
            record.address,
            record.request_id,
        )
    )
    payload = _NUMBERS.pack(
        int(record.at * 1_000_000),
        int(record.duration_seconds * 1_000_000),
        record.bytes_in,
        record.bytes_out,
        record.status,
    ) + texts.encode("utf-8", "surrogatepass")
    return _entry(_REQUEST, sequence, payload)


def encoded_counts(counts: Counts, sequence: int) -> bytes:
    """The entry of refusals without a key, summed up by (minute since the epoch, outcome)."""
    rows = [
        _ROW.pack(minute, number) + outcome.encode() + b"\0"
        for (minute, outcome), number in counts.items()
    ]
    return _entry(_COUNTS, sequence, b"".join(rows))


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


def entries(data: bytes | memoryview, offset: int = 0) -> Iterator[Entry | Damage]:
    """What stands in a segment from `offset` on, up to the zeros at its end; damage is told once for each gap."""
    end = len(data)
    gap = offset
    while offset + _HEAD.size <= end:
        found = _at(data, offset)
        if found is None:
            if not any(data[offset : offset + _ALIGNED]) and not any(data[offset:]):
                break
            offset += _ALIGNED
            continue
        if gap < offset:
            yield Damage(gap, offset - gap)
        yield found
        offset += _HEAD.size + len(found.payload)
        offset += -offset % _ALIGNED
        gap = offset
    if gap < offset:
        yield Damage(gap, offset - gap)


def _at(data: bytes | memoryview, offset: int) -> Entry | None:
    mark, kind, length, checksum, sequence = _HEAD.unpack_from(data, offset)
    if mark != _MARK or length > ENTRY_BYTES_MAX:
        return None
    payload = bytes(data[offset + _HEAD.size : offset + _HEAD.size + length])
    if len(payload) < length or _checksum(kind, sequence, payload) != checksum:
        return None
    return Entry(sequence, kind, payload)


def _entry(kind: int, sequence: int, payload: bytes) -> bytes:
    head = _HEAD.pack(_MARK, kind, len(payload), _checksum(kind, sequence, payload), sequence)
    return b"".join((head, payload, _PADDING[(len(head) + len(payload)) % _ALIGNED]))


def _checksum(kind: int, sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_NUMBERED.pack(sequence, kind)))


def _record(payload: bytes) -> UsageRecord:
    at_us, duration_us, bytes_in, bytes_out, status = _NUMBERS.unpack_from(payload)
    texts = payload[_NUMBERS.size :].decode("utf-8", "surrogatepass").split(_BETWEEN)
    if len(texts) != _TEXTS:
        raise ValueError("an entry of the journal has not nine texts")
    key_id, account_id, secret_id, route = (None if text == _NONE else text for text in texts[:4])
    method, path, outcome, address, request_id = texts[4:]
    return UsageRecord(
        at=at_us / 1_000_000,
        key_id=key_id,
        account_id=account_id,
        secret_id=secret_id,
        route=route,
        method=method,
        path=path,
        status=status,
        outcome=outcome,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        duration_seconds=duration_us / 1_000_000,
        address=address,
        request_id=request_id,
    )


def _rows(payload: bytes) -> Iterator[tuple[tuple[int, str], int]]:
    offset = 0
    while offset < len(payload):
        minute, number = _ROW.unpack_from(payload, offset)
        end = payload.index(b"\0", offset + _ROW.size)
        yield (minute, payload[offset + _ROW.size : end].decode()), number
        offset = end + 1

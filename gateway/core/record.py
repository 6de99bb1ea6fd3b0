"""One line of usage (design §8)."""

__all__ = [
    "AUTHORIZED",
    "CLIENT_GONE",
    "COUNTED",
    "SERVED",
    "VERIFIED",
    "UsageRecord",
    "UsageRow",
    "record_of",
    "recorded_path",
    "row_of",
    "storable",
]

from dataclasses import dataclass
from typing import TypeAlias

from gateway.core.token import without_tokens

# The outcomes that are no refusal's code: passed on by us; allowed for a proxy in front to pass on;
# found good by somebody who asked about the key.
SERVED = "served"
AUTHORIZED = "authorized"
VERIFIED = "verified"
# The client left before there was an answer.
CLIENT_GONE = "client_gone"
# What quotas and bills count: not what we refused, nor what the upstream failed to answer.
COUNTED = frozenset({SERVED, AUTHORIZED, VERIFIED, CLIENT_GONE})

_PATH_KEPT = 512


@dataclass(slots=True, init=False)
class UsageRecord:
    """What is kept of one finished request: never its query, headers, body or credential.

    `at` is when it began, in seconds since the epoch; `status` 499 means that the client went away
    before there was an answer. `key_id` is None while the caller has not proved to hold a key's secret.
    """

    at: float
    key_id: str | None
    account_id: str | None
    secret_id: str | None
    route: str | None
    method: str
    path: str
    status: int
    outcome: str
    bytes_in: int
    bytes_out: int
    duration_seconds: float
    address: str
    request_id: str

    # Written out: what `dataclass` would write is Python even where the rest is compiled.
    def __init__(  # noqa: PLR0913, PLR0917 -- as many as there are fields
        self,
        at: float,
        key_id: str | None,
        account_id: str | None,
        secret_id: str | None,
        route: str | None,
        method: str,
        path: str,
        status: int,
        outcome: str,
        bytes_in: int,
        bytes_out: int,
        duration_seconds: float,
        address: str,
        request_id: str,
    ) -> None:
        """In the order of the fields."""
        self.at = at
        self.key_id = key_id
        self.account_id = account_id
        self.secret_id = secret_id
        self.route = route
        self.method = method
        self.path = path
        self.status = status
        self.outcome = outcome
        self.bytes_in = bytes_in
        self.bytes_out = bytes_out
        self.duration_seconds = duration_seconds
        self.address = address
        self.request_id = request_id


# The same as a database has it: when it began, in microseconds, the fields of a record up to the bytes, the duration in
# microseconds, address and request id. A plain tuple, because a ledger makes fifty thousand of them a second.
UsageRow: TypeAlias = tuple[
    int,
    str | None,
    str | None,
    str | None,
    str | None,
    str,
    str,
    int,
    str,
    int,
    int,
    int,
    str,
    str,
]


def row_of(record: UsageRecord) -> UsageRow:
    """The record as a database has it, with texts that any database can keep."""
    return (
        round(record.at * 1_000_000),
        _storable_or_none(record.key_id),
        _storable_or_none(record.account_id),
        _storable_or_none(record.secret_id),
        _storable_or_none(record.route),
        storable(record.method),
        storable(record.path),
        record.status,
        storable(record.outcome),
        record.bytes_in,
        record.bytes_out,
        round(record.duration_seconds * 1_000_000),
        storable(record.address),
        storable(record.request_id),
    )


def record_of(row: UsageRow) -> UsageRecord:
    """The record that a row holds."""
    at_us, *ids, method, path, status, outcome, bytes_in, bytes_out, took_us, address, name = row
    key_id, account_id, secret_id, route = ids
    return UsageRecord(
        at_us / 1_000_000,
        key_id,
        account_id,
        secret_id,
        route,
        method,
        path,
        status,
        outcome,
        bytes_in,
        bytes_out,
        took_us / 1_000_000,
        address,
        name,
    )


def storable(text: str) -> str:
    """`text` without what PostgreSQL cannot keep: U+0000, and bytes that were no UTF-8 when they came in."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _storable_or_none(text: str | None) -> str | None:
    return None if text is None else storable(text)


def recorded_path(target: str) -> str:
    """The path of a request target for the record: never the query, no key, and nothing that cannot be stored."""
    path = target.partition("?")[0][:_PATH_KEPT]
    if "sk_" in path or "pk_" in path or "%5" in path:
        path = without_tokens(path, "***")  # some clients put their key there, to no avail
    return path if path.isascii() and path.isprintable() else ascii(path)[1:-1]

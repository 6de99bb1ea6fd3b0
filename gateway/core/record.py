"""One line of usage (design §8)."""

__all__ = ["AUTHORIZED", "SERVED", "VERIFIED", "UsageRecord", "recorded_path"]

from dataclasses import dataclass

from gateway.core.token import without_tokens

# The outcomes that are no refusal's code: passed on by us; allowed for a proxy in front to pass on;
# found good by somebody who asked about the key.
SERVED = "served"
AUTHORIZED = "authorized"
VERIFIED = "verified"

_PATH_KEPT = 512


@dataclass(slots=True)
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


def recorded_path(target: str) -> str:
    """The path of a request target for the record: never the query, no key, and nothing that cannot be stored."""
    path = target.partition("?")[0][:_PATH_KEPT]
    if "sk_" in path or "pk_" in path or "%5" in path:
        path = without_tokens(path, "***")  # some clients put their key there, to no avail
    return path if path.isascii() and path.isprintable() else ascii(path)[1:-1]

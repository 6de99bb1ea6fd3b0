"""One line of usage (design §8)."""

__all__ = ["SERVED", "UsageRecord"]

from dataclasses import dataclass

# The outcome of a request that was passed on; every other outcome is a refusal's code.
SERVED = "served"


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

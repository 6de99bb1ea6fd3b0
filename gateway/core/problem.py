"""The answer to a refused request, and the rate-limit fields of every answer (design §5, §6).

RFC 9457 (problem+json), RFC 6750 §3 (the challenge), RFC 6585 §4 and RFC 9110 §10.2.3 (429 and
Retry-After), draft-ietf-httpapi-ratelimit-headers (the RateLimit fields, RFC 9651 lists).
"""

__all__ = ["Policies", "Problem", "problem", "ratelimit_fields"]

import json
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from math import ceil
from typing import NamedTuple

from gateway.core.limits import Grant, Limit, LimitState
from gateway.core.quota_fields import QUOTA_FIELD, quota_left, quota_policy, quota_warning
from gateway.core.refusal import BearerError, Refusal, Refused

Field = tuple[str, str]

# The statuses that must say when to come back.
_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class Problem(NamedTuple):
    """A whole answer but for the connection's own fields; Content-Length is among the headers."""

    status: int
    headers: tuple[Field, ...]
    body: bytes


def problem(
    refused: Refused,
    request_id: str,
    *,
    realm: str,
    docs_url: str,
    legacy_headers: bool = False,
) -> Problem:
    """The answer that `refused` gets.

    `docs_url` is where the product's pages live (`type` is `<docs_url>/problems/<code>`); `request_id` finds
    the log line of this occurrence; `legacy_headers` adds X-RateLimit-*.
    """
    reason = refused.reason
    body = json.dumps(_members(refused, request_id, docs_url.rstrip("/"))).encode()
    headers: list[Field] = [
        ("Content-Type", "application/problem+json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("X-Request-Id", request_id),
    ]
    if reason.challenge is not None:
        headers.append(("WWW-Authenticate", _challenge(reason, realm, refused.scopes)))
    if reason.status in _LATER or refused.retry_after_seconds is not None:
        headers.append(("Retry-After", str(_retry_after(refused))))
    if refused.grant is not None:
        headers += ratelimit_fields(refused.grant, legacy=legacy_headers)
    return Problem(reason.status, tuple(headers), body)


class Policies:
    """The limits of one request, told as lines; what of them does not change is written once."""

    __slots__ = ("_start",)

    def __init__(self, limits: Sequence[Limit]) -> None:
        """`limits` are those of the grants to come, in their order."""
        items = ", ".join(map(_policy, limits))
        self._start = f"RateLimit-Policy: {items}\r\nRateLimit: "

    def lines(self, grant: Grant, *, legacy: bool = False) -> bytes:
        """As `ratelimit_fields`, as they stand in a message."""
        if grant.is_degraded or not grant.states:
            return b""
        if legacy:
            fields = ratelimit_fields(grant, legacy=True)
            return "".join([f"{name}: {value}\r\n" for name, value in fields]).encode()
        return f"{self._start}{', '.join(map(_level, grant.states))}\r\n".encode()


def ratelimit_fields(grant: Grant, *, legacy: bool = False) -> list[Field]:
    """What a caller is told of its limits; nothing when the answer is one worker's guess.

    `t` is the number of seconds until the bucket is full again. `legacy` adds X-RateLimit-Limit,
    -Remaining and -Reset (seconds) of the limit that is nearest to its end.
    """
    states, levels = () if grant.is_degraded else grant.states, grant.levels
    if not (states or levels):
        return []
    policies = [*(_policy(state.limit) for state in states), *map(quota_policy, levels)]
    left = [*map(_level, states), *map(quota_left, levels)]
    fields = [("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(left))]
    if warning := quota_warning(levels):
        fields.append((QUOTA_FIELD, warning))
    if legacy and states:
        tightest = min(grant.states, key=lambda state: state.remaining / state.limit.quota)
        fields += [
            ("X-RateLimit-Limit", str(tightest.limit.quota)),
            ("X-RateLimit-Remaining", str(_remaining(tightest))),
            ("X-RateLimit-Reset", str(_seconds(tightest))),
        ]
    return fields


def _members(refused: Refused, request_id: str, docs_url: str) -> dict[str, object]:
    """The members of the problem document, in the order a reader wants them."""
    reason = refused.reason
    members: dict[str, object] = {
        "type": f"{docs_url}/problems/{reason.code}",
        "title": reason.title,
        "status": reason.status,
        "detail": f"{reason.text} {refused.hint}".rstrip(),
        "code": reason.code,
        "request_id": request_id,
    }
    if refused.grant is not None and reason.status == HTTPStatus.TOO_MANY_REQUESTS:
        members["violated-policies"] = list(refused.grant.violated)
    if refused.scopes and reason is Refusal.INSUFFICIENT_SCOPE:
        members["scope"] = " ".join(refused.scopes)
    return members


def _challenge(reason: Refusal, realm: str, scopes: tuple[str, ...]) -> str:
    """WWW-Authenticate as RFC 6750 §3 wants it: no error for a caller that sent no credential."""
    challenge = f"Bearer realm={_quoted(realm)}"
    if reason.challenge in {None, BearerError.NONE}:
        return challenge
    challenge += f', error="{reason.challenge}", error_description={_quoted(reason.text)}'
    if reason is Refusal.INSUFFICIENT_SCOPE and scopes:
        challenge += f", scope={_quoted(' '.join(scopes))}"
    return challenge


def _quoted(text: str) -> str:
    """`text` in double quotes, less what RFC 6750 §3 does not allow in there."""
    kept = text.replace('"', "'").replace("\\", "/")
    return '"' + "".join(char for char in kept if " " <= char <= "~") + '"'


def _retry_after(refused: Refused) -> int:
    """Whole seconds, never early and never 0: clients take 0 for "at once"."""
    waits = [refused.retry_after_seconds or 0.0]
    if refused.grant is not None:
        waits.append(refused.grant.retry_after_seconds)
    return max(1, ceil(max(waits)))


def _policy(limit: Limit) -> str:
    """One item of RateLimit-Policy."""
    return f"{_string(limit.name)};q={limit.quota};w={limit.window_seconds}"


def _level(state: LimitState) -> str:
    """One item of RateLimit."""
    return f"{_string(state.limit.name)};r={_remaining(state)};t={_seconds(state)}"


def _remaining(state: LimitState) -> int:
    """A debt is not shown: an Integer below zero is none that the draft knows."""
    return max(0, state.remaining)


def _seconds(state: LimitState) -> int:
    """Whole seconds until the bucket is full, never early."""
    return max(0, ceil(state.full_in_seconds))


@lru_cache(maxsize=1024)
def _string(name: str) -> str:
    """A Structured Field String (RFC 9651 §3.3.3): printable ASCII, quotes and backslashes escaped."""
    kept = "".join(char for char in name if " " <= char <= "~")
    return '"' + kept.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""Every way the admin API says no (RFC 9457): one row each, and the document that it becomes.

Codes that the gateway has, too, mean the same here. docs/problems.md has a section for each.
"""

__all__ = ["PROBLEM_TYPE", "Declined", "FieldError", "Problem", "members"]

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.core.token import SECRET_LENGTH, without_tokens

PROBLEM_TYPE = "application/problem+json"

# More are of no use to anybody, and each is as long as its sender likes.
_ERRORS_MAX = 100
_FIELD_LENGTH_MAX = 200
_DETAIL_LENGTH_MAX = 2000
_HIDDEN = "[redacted]"
# The secret half of a pair has nothing but its length to be known by; no id or name of ours is as long.
_API_SECRET = re.compile(rf"[0-9A-Za-z]{{{SECRET_LENGTH},}}")


class Problem(enum.Enum):
    """Code, status, title, and the sentence for when nothing more is known."""

    BAD_REQUEST = ("bad_request", 400, "Bad request", "The request cannot be understood.")
    MISSING_TOKEN = (
        "missing_token",
        401,
        "No admin token",
        "Send an admin token as 'Authorization: Bearer kwadmin_…'.",
    )
    INVALID_TOKEN = (
        "invalid_token",
        401,
        "Admin token not valid",
        "The admin token is unknown, expired or revoked.",
    )
    NOT_ALLOWED = ("not_allowed", 403, "Not allowed", "You may not do this.")
    NOT_FOUND = ("not_found", 404, "Not found", "There is nothing under this path.")
    METHOD_NOT_ALLOWED = (
        "method_not_allowed",
        405,
        "Method not allowed",
        "This method is not served here. 'Allow' names those that are.",
    )
    REQUEST_TIMEOUT = (
        "request_timeout",
        408,
        "Request timeout",
        "The request's body did not arrive in time.",
    )
    CONFLICT = ("conflict", 409, "Conflict", "This does not go with how things stand.")
    CHANGED = (
        "changed",
        412,
        "Changed meanwhile",
        "It is not as you saw it any more. Read it again, then decide.",
    )
    BODY_TOO_LARGE = (
        "body_too_large",
        413,
        "Body too large",
        "The request body is larger than allowed.",
    )
    UNSUPPORTED_MEDIA_TYPE = (
        "unsupported_media_type",
        415,
        "Unsupported media type",
        "Send the body as 'Content-Type: application/json', without a Content-Encoding.",
    )
    INVALID_REQUEST = (
        "invalid_request",
        422,
        "Invalid request",
        "The request says something that cannot be.",
    )
    RATE_LIMITED = (
        "rate_limited",
        429,
        "Too many requests",
        "Too many wrong admin tokens came from this address. Try again after the time in Retry-After.",
    )
    INTERNAL = (
        "internal_error",
        500,
        "Internal error",
        "Keywright failed. The request id finds the reason in its log.",
    )
    STORE_UNAVAILABLE = (
        "store_unavailable",
        503,
        "Temporarily unavailable",
        "The database did not answer. Ask again, with the same Idempotency-Key if you sent one.",
    )
    OVERLOADED = (
        "overloaded",
        503,
        "Overloaded",
        "Too much work is waiting. Try again shortly.",
    )

    def __init__(self, code: str, status: int, title: str, text: str) -> None:
        """Unpack the row."""
        self.code = code
        self.status = status
        self.title = title
        self.text = text


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of the request; `field` is its path, such as `limits.0.quota`."""

    field: str
    message: str


class Declined(Exception):
    """Ends a request with this problem. `detail` is a sentence for the caller, the row's own without one."""

    def __init__(
        self,
        problem: Problem,
        detail: str = "",
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`headers` are fields that this answer needs, such as Retry-After."""
        super().__init__(problem.code)
        self.problem = problem
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}


def members(declined: Declined, request_id: str, docs_url: str) -> dict[str, object]:
    """The problem document. Nothing in it looks like a token, whatever the caller has put where."""
    row = declined.problem
    found: dict[str, object] = {
        "type": f"{docs_url.rstrip('/')}/problems/{row.code}",
        "title": row.title,
        "status": row.status,
        "detail": _public(declined.detail or row.text, _DETAIL_LENGTH_MAX),
        "code": row.code,
        "request_id": request_id,
    }
    if declined.errors:
        found["errors"] = [
            {
                "field": _public(error.field, _FIELD_LENGTH_MAX),
                "message": _public(error.message, _DETAIL_LENGTH_MAX),
            }
            for error in declined.errors[:_ERRORS_MAX]
        ]
    return found


def _public(text: str, length: int) -> str:
    shown = _API_SECRET.sub(_HIDDEN, without_tokens(text, _HIDDEN))
    return shown if len(shown) <= length else f"{shown[:length]}…"

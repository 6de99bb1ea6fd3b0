"""Every way we say no (design §6): one row each. No other place chooses a status or a public text."""

__all__ = ["BearerError", "Refusal", "Refused"]

import enum
from dataclasses import dataclass

from gateway.core.keys import Key
from gateway.core.limits import Grant


class BearerError(enum.StrEnum):
    """The `error` of a WWW-Authenticate challenge (RFC 6750 §3.1)."""

    NONE = ""
    INVALID_REQUEST = "invalid_request"
    INVALID_TOKEN = "invalid_token"  # noqa: S105 -- the RFC's word, not a secret
    INSUFFICIENT_SCOPE = "insufficient_scope"


class Refusal(enum.Enum):
    """One row per reason: code, status, title, public text, and the RFC 6750 error where a challenge is due.

    A row about the state of a key is told only to a holder of its secret; a wrong id and a
    wrong secret read the same.
    """

    MISSING_KEY = (
        "missing_key",
        401,
        "No API key",
        "Send your API key as 'Authorization: Bearer <key>'.",
        BearerError.NONE,
    )
    AMBIGUOUS_CREDENTIALS = (
        "ambiguous_credentials",
        400,
        "Ambiguous credentials",
        "The request carries more than one credential, or an incomplete one. Send exactly one.",
        BearerError.INVALID_REQUEST,
    )
    MALFORMED_KEY = (
        "malformed_key",
        401,
        "Malformed API key",
        "The API key looks truncated or mistyped. Copy it again, whole.",
        BearerError.INVALID_TOKEN,
    )
    UNKNOWN_KEY = (
        "unknown_key",
        401,
        "Unknown API key",
        "The API key is not valid.",
        BearerError.INVALID_TOKEN,
    )
    REVOKED_KEY = (
        "revoked_key",
        401,
        "API key revoked",
        "The API key was revoked. Create a new one.",
        BearerError.INVALID_TOKEN,
    )
    EXPIRED_KEY = (
        "expired_key",
        401,
        "API key expired",
        "The API key has expired. Create a new one.",
        BearerError.INVALID_TOKEN,
    )
    DISABLED_KEY = (
        "disabled_key",
        401,
        "API key disabled",
        "The API key is disabled. Enable it again to use it.",
        BearerError.INVALID_TOKEN,
    )
    NOT_YET_VALID = (
        "not_yet_valid",
        401,
        "API key not yet valid",
        "The API key is not valid yet.",
        BearerError.INVALID_TOKEN,
    )
    ENVIRONMENT_MISMATCH = (
        "environment_mismatch",
        401,
        "Wrong environment",
        "The API key belongs to another environment (live or test) than this endpoint.",
        BearerError.INVALID_TOKEN,
    )
    API_ACCESS_DISABLED = (
        "api_access_disabled",
        403,
        "API access disabled",
        "API Access is currently disabled on your account.",
        None,
    )
    INSUFFICIENT_SCOPE = (
        "insufficient_scope",
        403,
        "Insufficient scope",
        "The API key's scopes do not allow this request.",
        BearerError.INSUFFICIENT_SCOPE,
    )
    PLAN_REQUIRED = (
        "plan_required",
        403,
        "Other plan required",
        "The account's plan does not include this endpoint.",
        None,
    )
    PUBLISHABLE_KEY = (
        "publishable_key",
        403,
        "Publishable key",
        "A publishable key may not do this. Use a secret key, from a server.",
        None,
    )
    IP_NOT_ALLOWED = (
        "ip_not_allowed",
        403,
        "Address not allowed",
        "The API key may not be used from this address.",
        None,
    )
    ORIGIN_NOT_ALLOWED = (
        "origin_not_allowed",
        403,
        "Origin not allowed",
        "The API key may not be used from this origin.",
        None,
    )
    NO_ROUTE = ("no_route", 404, "No such endpoint", "Nothing is served under this path.", None)
    BAD_REQUEST = (
        "bad_request",
        400,
        "Bad request",
        "The request cannot be understood in one way only.",
        None,
    )
    METHOD_NOT_ALLOWED = (
        "method_not_allowed",
        405,
        "Method not allowed",
        "This method is not served here.",
        None,
    )
    REQUEST_TIMEOUT = (
        "request_timeout",
        408,
        "Request timeout",
        "The request did not arrive in time.",
        None,
    )
    BODY_TOO_LARGE = (
        "body_too_large",
        413,
        "Body too large",
        "The request body is larger than allowed.",
        None,
    )
    TARGET_TOO_LONG = (
        "target_too_long",
        414,
        "Target too long",
        "The request target is longer than allowed.",
        None,
    )
    EXPECTATION_FAILED = (
        "expectation_failed",
        417,
        "Expectation failed",
        "Only 'Expect: 100-continue' is understood.",
        None,
    )
    HEADERS_TOO_LARGE = (
        "headers_too_large",
        431,
        "Headers too large",
        "The request's header fields are larger than allowed.",
        None,
    )
    RATE_LIMITED = (
        "rate_limited",
        429,
        "Too many requests",
        "The rate limit is used up. Try again after the time in Retry-After.",
        None,
    )
    QUOTA_EXCEEDED = (
        "quota_exceeded",
        429,
        "Quota exceeded",
        "The account's quota is used up.",
        None,
    )
    INTERNAL = (
        "internal_error",
        500,
        "Internal error",
        "The gateway failed. The request id finds the reason in its log.",
        None,
    )
    UPSTREAM_UNREACHABLE = (
        "upstream_unreachable",
        502,
        "Upstream unreachable",
        "The API behind the gateway could not be reached, or broke off.",
        None,
    )
    UPSTREAM_INVALID = (
        "upstream_invalid",
        502,
        "Upstream invalid",
        "The API behind the gateway gave an answer that is not HTTP.",
        None,
    )
    STORE_UNAVAILABLE = (
        "store_unavailable",
        503,
        "Temporarily unavailable",
        "The API key could not be checked right now. It is not refused: try again.",
        None,
    )
    OVERLOADED = (
        "overloaded",
        503,
        "Overloaded",
        "Too much work is waiting. Try again shortly.",
        None,
    )
    UPSTREAM_TIMEOUT = (
        "upstream_timeout",
        504,
        "Upstream timeout",
        "The API behind the gateway did not answer in time.",
        None,
    )

    def __init__(
        self, code: str, status: int, title: str, text: str, challenge: BearerError | None
    ) -> None:
        """Unpack the row."""
        self.code = code
        self.status = status
        self.title = title
        self.text = text
        self.challenge = challenge


@dataclass(frozen=True, slots=True)
class Refused:
    """A "no" with the facts that its answer and its usage record need.

    `key` is set only when the caller proved to hold the secret; `hint` is a public sentence that
    says more than the row's text; `scopes` are the scope names any one of which would have allowed
    the request; `route` is the route's name when one matched.
    """

    reason: Refusal
    key: Key | None = None
    route: str | None = None
    grant: Grant | None = None
    scopes: tuple[str, ...] = ()
    hint: str = ""
    retry_after_seconds: float | None = None

"""What a reader is told when a page cannot be shown, or a form not be done."""

__all__ = ["Fault", "fault_of", "fault_page"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web

from admin.console.arrival import Arrival
from admin.console.page import Unfit
from admin.console.provider import ProviderAway
from admin.core.faults import Changed, Conflict, NotAllowed, NotFound
from admin.services.attempts import TooMany
from gateway.core.errors import Misuse, Overloaded, StoreError

_AGAIN_SECONDS = "2"


@dataclass(frozen=True, slots=True)
class Fault:
    """One way in which it went wrong; `advice` is what the reader can do."""

    status: int
    title: str
    words: str
    advice: str = ""
    headers: dict[str, str] = field(default_factory=dict)


_GO_BACK = "Go back, look at it as it is now, and decide again."
_UNAVAILABLE = Fault(
    503,
    "Not now",
    "The database does not answer at the moment. Nothing was lost.",
    "Requests with keys that were used lately go on. Try again in a few seconds.",
    {"Retry-After": _AGAIN_SECONDS},
)
_BUSY = Fault(
    503,
    "Busy",
    "Too much work is waiting.",
    "Try again in a few seconds.",
    {"Retry-After": _AGAIN_SECONDS},
)
_FAILED = Fault(
    500, "That went wrong", "Keywright failed. The reason is in its log, under the id below."
)
_WHOLE: Sequence[tuple[type[Exception], Fault]] = (
    (StoreError, _UNAVAILABLE),
    (Overloaded, _BUSY),
    (
        web.HTTPNotFound,
        Fault(
            404,
            "Not found",
            "There is nothing at this address.",
            "The menu leads to what there is.",
        ),
    ),
    (
        ProviderAway,
        Fault(
            503,
            "Not now",
            "Single sign-on cannot be reached at the moment.",
            "Try again in a few seconds.",
            {"Retry-After": _AGAIN_SECONDS},
        ),
    ),
    (TimeoutError, Fault(408, "Too slow", "The form did not arrive in time.", "Send it again.")),
)
# The first that fits: NotFound is a Misuse, Changed and Conflict are told apart.
_ROWS: Sequence[tuple[type[Exception], int, str, str]] = (
    (NotFound, 404, "Not found", "The menu leads to what there is."),
    (NotAllowed, 403, "Not allowed", "Ask an admin if you should be able to."),
    (Changed, 409, "Changed meanwhile", _GO_BACK),
    (Conflict, 409, "Not as things stand", _GO_BACK),
    (Misuse, 422, "That cannot be", "Go back and change what you have sent."),
)


def fault_of(error: Exception) -> Fault:
    """What the reader is told of `error`; of one that nobody foresaw only that there was one."""
    match error:
        case Unfit():
            is_conflict = error.status == HTTPStatus.CONFLICT
            title = "Not as things stand" if is_conflict else "That cannot be"
            return Fault(error.status, title, error.words, _GO_BACK)
        case TooMany():
            words = "Too many attempts were wrong lately."
            headers = {"Retry-After": str(error.retry_after)}
            advice = f"Try again in {error.retry_after} s."
            return Fault(429, "Too many attempts", words, advice, headers)
        case web.HTTPMethodNotAllowed():
            headers = {"Allow": ", ".join(sorted(error.allowed_methods))}
            return Fault(405, "Not that way", "This page is not asked for like this.", "", headers)
        case _:
            return _of_rows(error)


def fault_page(arrival: Arrival, fault: Fault) -> web.Response:
    """The page that says so."""
    can_retry = arrival.request.method in {"GET", "HEAD"} and "Retry-After" in fault.headers
    answer = arrival.render("error.html", status=fault.status, fault=fault, can_retry=can_retry)
    answer.headers.update(fault.headers)
    if fault.status == HTTPStatus.REQUEST_TIMEOUT:
        answer.force_close()
    return answer


def _of_rows(error: Exception) -> Fault:
    for kind, fault in _WHOLE:
        if isinstance(error, kind):
            return fault
    for refusal, status, title, advice in _ROWS:
        if isinstance(error, refusal):
            return Fault(status, title, str(error), advice)
    return _FAILED

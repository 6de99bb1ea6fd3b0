"""From the ways in which the domain says no to the problem that a caller of the API gets."""

__all__ = ["declined", "invalid"]

from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from admin.api.problems import Declined, FieldError, Problem
from admin.core.faults import Changed, Conflict, NotAllowed, NotFound
from gateway.core.errors import Misuse, Overloaded, StoreError

# Soon enough for a person, late enough for a database that comes up again.
_RETRY_AFTER = {"Retry-After": "2"}

# The first that fits: NotFound is a Misuse. A store's own words are for the operator's log.
_ROWS: Sequence[tuple[type[Exception], Problem, bool]] = (
    (NotFound, Problem.NOT_FOUND, True),
    (NotAllowed, Problem.NOT_ALLOWED, True),
    (Conflict, Problem.CONFLICT, True),
    (Changed, Problem.CHANGED, True),
    (Misuse, Problem.INVALID_REQUEST, True),
    (StoreError, Problem.STORE_UNAVAILABLE, False),
    (Overloaded, Problem.OVERLOADED, False),
    (web.HTTPNotFound, Problem.NOT_FOUND, False),
    (web.HTTPRequestEntityTooLarge, Problem.BODY_TOO_LARGE, False),
)


def declined(error: Exception) -> Declined:
    """What the caller is told of `error`; of one that nobody foresaw only that there was one."""
    if isinstance(error, Declined):
        return error
    if isinstance(error, web.HTTPMethodNotAllowed):
        return Declined(
            Problem.METHOD_NOT_ALLOWED, headers={"Allow": _listed(error.allowed_methods)}
        )
    for kind, problem, tells in _ROWS:
        if isinstance(error, kind):
            later = _RETRY_AFTER if problem.status == 503 else {}  # noqa: PLR2004
            return Declined(problem, str(error) if tells else "", headers=later)
    return Declined(Problem.INTERNAL)


def invalid(error: ValidationError) -> Declined:
    """All that is wrong with a request, by field. What was sent is not repeated: it may hold a secret."""
    errors = [
        FieldError(_path(found["loc"]), _sentence(found))
        for found in error.errors(include_url=False, include_context=True, include_input=False)
    ]
    return Declined(
        Problem.INVALID_REQUEST, "See 'errors' for what is wrong, field by field.", errors
    )


def _path(location: Iterable[object]) -> str:
    return ".".join(str(part) for part in location)


def _sentence(found: Any) -> str:  # noqa: ANN401 -- pydantic's ErrorDetails
    if found["type"] == "extra_forbidden":
        return "There is no such field."
    if found["type"] == "missing":
        return "This field is required."
    return str(found["msg"]).removeprefix("Value error, ")


def _listed(methods: Iterable[str]) -> str:
    return ", ".join(sorted(methods))

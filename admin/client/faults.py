"""What a caller of the admin API has to expect: an answer that says no, or none at all. None holds the token."""

__all__ = ["ApiError", "BadId", "ClientError", "FieldError", "Unreachable"]

from collections.abc import Sequence
from typing import NamedTuple


class ClientError(Exception):
    """Either of the two below."""


class FieldError(NamedTuple):
    """One mistake in what was sent: in which field, and what is wrong with it."""

    field: str
    message: str


class ApiError(ClientError):
    """The API said no. `code` is for programs, `detail` for people; `request_id` finds it in the server's log.

    `errors` are the single mistakes of a request that was not understood; `retry_after` is in seconds,
    None where coming back later was not asked for.
    """

    def __init__(  # noqa: PLR0913 -- one parameter for each thing that a problem document says
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """What the problem document and its headers say."""
        super().__init__(f"{detail} ({status} {code}, request {request_id or 'without id'})")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.request_id = request_id
        self.retry_after = retry_after


class Unreachable(ClientError):
    """No answer came. `was_sent`: what was asked may have been done all the same."""

    def __init__(self, url: str, cause: str, *, was_sent: bool) -> None:
        """`url` is the API's, `cause` says how the connection failed."""
        done = "; what was asked may have been done" if was_sent else ""
        super().__init__(f"there is no answer from {url}: {cause}{done}")
        self.url = url
        self.cause = cause
        self.was_sent = was_sent


class BadId(ValueError):
    """A text that is the id of nothing, and cannot even be asked for."""

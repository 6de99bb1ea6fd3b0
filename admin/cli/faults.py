"""How what went wrong is told: one or a few lines on stderr, and an exit code. Never a stack trace unasked."""

__all__ = ["MISUSE", "REFUSED", "Fault", "explained"]

from http import HTTPStatus
from typing import NamedTuple

import typer
from pydantic import ValidationError

from admin.client import ApiError, ClientError
from admin.client.faults import BadId
from admin.core.faults import NotFound
from gateway.core.errors import KeywrightError, Misuse, StoreError
from gateway.settings import SettingsError

REFUSED = 1
MISUSE = 2

_STORES = {
    "redis": "Redis did not answer ({}); check that it runs and that redis.url is right, then try again",
    "sql": "the database did not answer ({}); check that it runs and that store.url is right, then try again",
}


class Fault(NamedTuple):
    """What to print, and the exit code."""

    text: str
    code: int


def explained(error: Exception) -> Fault | None:
    """The words for a fault that can be expected; None for one that cannot."""
    match error:
        case SettingsError():
            count = len(error.problems)
            mistakes = "1 mistake" if count == 1 else f"{count} mistakes"
            return Fault(f"the configuration has {mistakes}:\n{error}", MISUSE)
        case KeywrightError():
            return _of_ours(error)
        case ClientError() | BadId() | ValidationError():
            return _of_the_wire(error)
        case typer.TyperException():
            return _usage(error)
        case OSError():
            # Files and sockets that we named ourselves; what they hold is not in the text.
            return Fault(
                f"{error.filename or 'the system'}: {error.strerror or type(error).__name__}",
                REFUSED,
            )
        case _:
            return None


def _of_ours(error: KeywrightError) -> Fault:
    if isinstance(error, StoreError):
        return Fault(_STORES[error.store].format(f"{error.operation}: {error.cause}"), REFUSED)
    # An id that names nothing was well asked for; the answer is no.
    is_misuse = isinstance(error, Misuse) and not isinstance(error, NotFound)
    return Fault(str(error), MISUSE if is_misuse else REFUSED)


def _of_the_wire(error: ClientError | BadId | ValidationError) -> Fault:
    if isinstance(error, ApiError):
        return _of_api(error)
    if isinstance(error, ValidationError):
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        return Fault("\n".join(wrong), MISUSE)
    return Fault(str(error), REFUSED)


def _of_api(error: ApiError) -> Fault:
    """The words of the API, which are those of the commands; of its own faults also where to look."""
    text = "\n".join(f"{one.field}: {one.message}" for one in error.errors) or error.detail
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.request_id is not None:
        text = f"{text} (request {error.request_id})"
    is_misuse = error.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
    return Fault(text, MISUSE if is_misuse else REFUSED)


def _usage(error: typer.TyperException) -> Fault:
    context = getattr(error, "ctx", None)
    command = "keywright" if context is None else context.command_path
    text = error.format_message().strip().rstrip(".").replace("\n\t", " ")
    if not text:
        # A group of commands without a command: its help was printed.
        return Fault("", MISUSE)
    return Fault(f"{text}{' See' if text.endswith('?') else '; see'} '{command} --help'", MISUSE)

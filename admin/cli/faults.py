"""How what went wrong is told: one or a few lines on stderr, and an exit code. Never a stack trace unasked."""

__all__ = ["MISUSE", "REFUSED", "Fault", "explained"]

from typing import NamedTuple

import typer

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
        case StoreError():
            return Fault(_STORES[error.store].format(f"{error.operation}: {error.cause}"), REFUSED)
        case KeywrightError():
            # An id that names nothing was well asked for; the answer is no.
            is_misuse = isinstance(error, Misuse) and not isinstance(error, NotFound)
            return Fault(str(error), MISUSE if is_misuse else REFUSED)
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


def _usage(error: typer.TyperException) -> Fault:
    context = getattr(error, "ctx", None)
    command = "keywright" if context is None else context.command_path
    text = error.format_message().strip().rstrip(".").replace("\n\t", " ")
    if not text:
        # A group of commands without a command: its help was printed.
        return Fault("", MISUSE)
    return Fault(f"{text}{' See' if text.endswith('?') else '; see'} '{command} --help'", MISUSE)

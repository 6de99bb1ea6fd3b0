"""The log: one JSON object per line on stderr, in which no secret can stand.

Three nets, since each has holes of its own: our code logs ids and codes only; foreign libraries are
heard without their arguments and exception texts, which may quote a request's bytes; and every value
that is left goes through `redacted`.
"""

__all__ = ["configure", "redacted"]

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

from gateway.core.errors import KeywrightError
from gateway.core.token import without_tokens

HIDDEN: Final = "[redacted]"

_AUTHORIZATION: Final = re.compile(r"(?i)\b(bearer|basic|digest)(\s+)[a-z0-9+/=._~-]{4,}")
_PASSWORD_IN_URL: Final = re.compile(r"(?<=://)[^/\s@]*:[^/\s@]*(?=@)")
_PASSWORD_HASH: Final = re.compile(r"\$argon2\w*\$[^\s'\"]+")
_DIGEST: Final = re.compile(r"(?i)\b[0-9a-f]{64,}\b")

_SECRET_FIELDS: Final = frozenset(
    {
        "api_key",
        "authorization",
        "cookie",
        "credential",
        "digest",
        "password",
        "pepper",
        "proxy_authorization",
        "secret",
        "set_cookie",
        "token",
        "token_hash",
        "x_api_key",
    }
)

_FRAMES_MAX: Final = 30


def redacted(text: str) -> str:
    """`text` without what looks like a token, an Authorization value, a password or a digest."""
    text = without_tokens(text, HIDDEN)
    text = _AUTHORIZATION.sub(rf"\1\2{HIDDEN}", text)
    text = _PASSWORD_IN_URL.sub(HIDDEN, text)
    text = _PASSWORD_HASH.sub(HIDDEN, text)
    return _DIGEST.sub(HIDDEN, text)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Send our log and that of all libraries to `stream` (default: stderr), from `level` upwards.

    To be called once, by whoever owns the process.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _describe_exception,
            _redact_event,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_LibraryHandler()]
    # Below a warning, libraries tell of single requests and statements.
    root.setLevel(max(threshold, logging.WARNING))


class _LibraryHandler(logging.Handler):
    """Passes on what a library logs: its message's template, but no arguments and no exception text."""

    def emit(self, record: logging.LogRecord) -> None:
        template = str(record.msg).strip().partition("\n")[0]
        log = structlog.get_logger()
        log.log(
            record.levelno, "library", logger=record.name, text=template, exc_info=record.exc_info
        )


def _describe_exception(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace `exc_info` by the exception's type and where it came from.

    Its text is told only if it is ours: that of others may quote what a caller has sent.
    """
    error = _exception_of(event.pop("exc_info", None))
    if error is None:
        return event
    event["error"] = type(error).__name__
    if isinstance(error, KeywrightError):
        event["detail"] = str(error)
    event["frames"] = _frames(error.__traceback__)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        event["cause"] = type(cause).__name__
    if isinstance(error, BaseExceptionGroup):
        event["errors"] = [
            {"error": type(each).__name__, "frames": _frames(each.__traceback__)}
            for each in error.exceptions
        ]
    return event


def _exception_of(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if isinstance(exc_info[1], BaseException) else None
    return sys.exc_info()[1] if exc_info else None


def _frames(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-_FRAMES_MAX:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _redact_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {
        name: HIDDEN if _is_secret(name) else _without_secrets(value)
        for name, value in event.items()
    }


def _is_secret(name: str) -> bool:
    return name.lower().replace("-", "_") in _SECRET_FIELDS


def _without_secrets(value: object) -> object:
    match value:
        case bool() | int() | float() | None:
            return value
        case bytes() | bytearray():
            return redacted(bytes(value).decode("ascii", "backslashreplace"))
        case Mapping():
            return {
                redacted(str(name)): HIDDEN if _is_secret(str(name)) else _without_secrets(inner)
                for name, inner in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [_without_secrets(inner) for inner in value]
        case _:
            return redacted(str(value))

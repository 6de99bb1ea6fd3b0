"""How often a call is repeated, and after which pause. Pure: whoever sends does the waiting."""

__all__ = ["Patience", "lost_pause_seconds", "pause_seconds"]

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from secrets import SystemRandom
from typing import Any

from admin.client.call import Call
from admin.client.faults import ApiError, ClientError, Unreachable

# The server has done nothing, and may do it later.
_LATER = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
# Something between us and the server lost the answer.
_LOST = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})


@dataclass(frozen=True, slots=True)
class Patience:
    """At most `repeats` repetitions of a call; none after a pause longer than `pause_max` seconds.

    Without a Retry-After the pauses double from `pause` on, each shortened by `chance` (0 to 1), so that many
    clients do not come back at one moment.
    """

    repeats: int = 3
    pause: float = 0.25
    pause_max: float = 20.0
    chance: Callable[[], float] = SystemRandom().random


def pause_seconds(
    call: Call[Any], fault: ClientError, repeated: int, patience: Patience
) -> float | None:
    """How long to wait before this call is repeated once more; None if it is not to be."""
    if repeated >= patience.repeats or not _may_repeat(call, fault):
        return None
    wanted = fault.retry_after if isinstance(fault, ApiError) else None
    if wanted is None:
        return float(min(patience.pause_max, patience.pause * 2**repeated) * patience.chance())
    if wanted > patience.pause_max:
        return None
    # Never before the server wants it, and a little later each.
    return float(wanted + patience.pause * patience.chance())


def lost_pause_seconds(
    fault: ApiError | Unreachable, repeated: int, patience: Patience
) -> float | None:
    """How long to wait before a tail is taken up again; None if it is not to be."""
    is_gone = isinstance(fault, ApiError) and fault.status not in _LATER | _LOST
    if is_gone or repeated >= patience.repeats:
        return None
    return float(min(patience.pause_max, patience.pause * 2**repeated) * patience.chance())


def _may_repeat(call: Call[Any], fault: ClientError) -> bool:
    """Whether the call cannot have been done, or may be done twice."""
    match fault:
        case ApiError():
            if fault.status not in _LATER | _LOST:
                return False
            is_surely_undone = fault.status in _LATER
        case Unreachable():
            is_surely_undone = not fault.was_sent
        case _:
            return False
    return is_surely_undone or _is_safe_to_repeat(call)


def _is_safe_to_repeat(call: Call[Any]) -> bool:
    match call.endpoint.method:
        case "GET" | "POST":
            # The server knows a repeated POST by its Idempotency-Key.
            return True
        case "PATCH":
            # The same values once more are the same; under a condition, our own change would break it.
            return call.expected is None
        case _:
            return False

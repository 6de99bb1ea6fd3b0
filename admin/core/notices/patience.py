"""When a failed delivery is tried again. Chance is handed in, so that receivers are not hit in step."""

__all__ = ["next_try", "pause_after", "rest_after", "retry_after"]

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

# With those of a day in sum, as Standard Webhooks advises: soon at first, for a receiver that restarts.
_PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
_SPREAD: Final = 0.2
_REST_MAX: Final = 300.0
_DIGITS_MAX: Final = 7
# With less time left than this, the attempt that failed was the last.
_LAST_CALL: Final = 60.0


def pause_after(tries: int, chance: float) -> float:
    """Seconds to wait after the delivery's `tries`-th failure in a row. `chance` is from 0 to 1.

    A fifth more or less: deliveries that failed together are not tried again together.
    """
    pause = _PAUSES[min(max(tries, 1), len(_PAUSES)) - 1]
    return pause * (1 - _SPREAD + 2 * _SPREAD * chance)


def next_try(
    now: float, give_up_at: float, tries: int, asked: float | None, chance: float
) -> float | None:
    """When a delivery that failed `tries` times is tried again; None when it is given up.

    Not before the receiver `asked` for it (Retry-After), and once more at the very end.
    """
    at = now + max(pause_after(tries, chance), asked or 0.0)
    if at <= give_up_at:
        return at
    return give_up_at if give_up_at - now > _LAST_CALL else None


def rest_after(failures: int) -> float:
    """Seconds in which nothing at all is sent to a channel that failed so often in a row; at most five minutes."""
    return 0.0 if failures < 1 else min(_REST_MAX, 2.0 ** min(failures - 1, 10))


def retry_after(field: str | None, now: float) -> float | None:
    """The seconds that a Retry-After field asks for (RFC 9110 §10.2.3); None for none or a malformed one."""
    if field is None:
        return None
    text = field.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _DIGITS_MAX else None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)

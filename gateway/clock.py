"""The system's clock: the one place that asks the machine for the time."""

__all__ = ["SystemClock"]

import time


class SystemClock:
    """Implements the Clock port."""

    now = staticmethod(time.time)  # noqa: TID251 -- this is the port's implementation
    monotonic = staticmethod(time.monotonic)

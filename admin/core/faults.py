"""The ways in which the control plane says no. Each text is for whoever asked."""

__all__ = ["Changed", "Conflict", "NotAllowed", "NotFound", "Reused"]

from gateway.core.errors import KeywrightError, Misuse


class NotFound(Misuse):
    """The id that was given names nothing, or nothing that the caller may know of."""


class NotAllowed(KeywrightError):
    """The caller is known, and may not do this."""


class Conflict(KeywrightError):
    """What is asked does not go with how things stand, such as rotating a revoked key."""


class Changed(KeywrightError):
    """Somebody else has changed it since the caller looked."""


class Reused(Conflict):
    """An Idempotency-Key that belongs to another request."""

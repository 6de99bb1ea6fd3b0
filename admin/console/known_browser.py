"""A browser that somebody has signed in with before: it carries a note that says so, and proves nothing else.

Whoever guesses at a password from elsewhere cannot use up this browser's attempts.
"""

__all__ = ["known_browser", "remember_browser"]

import secrets

from admin.console.arrival import Arrival

KNOWN = "keywright-known"
_SECONDS = 365 * 86_400
# A family shares a computer; an office does not.
_USERS_MAX = 5


def known_browser(arrival: Arrival, user_id: str) -> str | None:
    """What the browser is called, if this user has signed in with it before."""
    note = arrival.unseal(KNOWN, arrival.cookie(KNOWN)) if arrival.cookie(KNOWN) else {}
    return str(note["browser"]) if user_id in note.get("users", ()) else None


def remember_browser(arrival: Arrival, user_id: str) -> None:
    """Let the browser carry a note that this user has signed in with it."""
    note = arrival.unseal(KNOWN, arrival.cookie(KNOWN)) if arrival.cookie(KNOWN) else {}
    users = [user_id, *(each for each in note.get("users", ()) if each != user_id)][:_USERS_MAX]
    browser = note.get("browser") or secrets.token_urlsafe(12)
    sealed = arrival.seal(KNOWN, {"browser": browser, "users": users})
    arrival.set_cookie(KNOWN, sealed, seconds=_SECONDS)

"""What tells a request that our own page has sent from one that another site made the browser send. No I/O."""

__all__ = ["HEADERS", "csrf_token", "is_same_origin", "is_token", "local_path"]

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

# On every answer. Nothing is loaded from elsewhere, nothing inline runs, nobody frames us.
HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
            " form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # Not 'no-referrer': with that, browsers send `Origin: null` with our own forms.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "X-Robots-Tag": "noindex",
    }
)

_PURPOSE = b"keywright console form"
# No second slash, and no backslash, which browsers take for one: both would begin another host.
_LOCAL = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")


def csrf_token(cookie: str) -> str:
    """What the forms of this cookie's holder carry; it says nothing about the cookie."""
    digest = hmac.digest(cookie.encode(), _PURPOSE, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_token(sent: str, cookie: str) -> bool:
    """Whether a form carries the token of this cookie."""
    return hmac.compare_digest(sent.encode("utf-8", "replace"), csrf_token(cookie).encode())


def is_same_origin(origin: str | None, fetch_site: str | None, ours: str) -> bool:
    """Whether a change was asked for by a page of `ours`, such as `https://console.example`.

    A browser always says with a form where it comes from; who does not is none, or hides it.
    """
    if fetch_site not in {None, "same-origin"}:
        return False
    return origin is not None and origin.lower() == ours.lower()


def local_path(text: str | None) -> str:
    """`text` if it is a path of this console, else `/`: a link never leads anywhere else."""
    return text if text is not None and _LOCAL.fullmatch(text) else "/"

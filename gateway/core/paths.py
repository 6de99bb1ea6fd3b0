"""One reading of a request target, or a refusal (design §4).

What is authorised is what is forwarded, byte for byte. So a target is never cleaned up here: it
either has one meaning for every party behind us, or it is refused. Matching it with a route is not
here (`gateway.core.routes`).
"""

__all__ = ["CanonicalTarget", "canonical", "is_host"]

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes


class CanonicalTarget(NamedTuple):
    """A target that may be decided upon.

    `origin_form` (path and query) is what the upstream gets, exactly as received. `segments` are
    the decoded parts of the path, without the empty one that a trailing slash leaves.
    `alternatives` are the other segments that a tolerant upstream might see (`;parameters` cut,
    an encoded slash taken for a slash, compatibility characters folded): all must lead to the same route.
    """

    origin_form: str
    path: str
    query: str
    segments: tuple[str, ...]
    alternatives: tuple[tuple[str, ...], ...] = ()


_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# Nothing to decode and nothing to doubt, as long as there is neither "//" nor "/.".
_PLAIN = re.compile(r"(/[A-Za-z0-9/._~!$&'()*+,=:@-]*)(?:\?([!-\"$-~]*))?")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)(.*)", re.IGNORECASE | re.DOTALL)
_PARAMETERS = re.compile(r";[^/]*")
_LATE_QUERY = re.compile(r"[?#].*", re.DOTALL)

_HOST_HINT = "The Host header is not a host name with an optional port."
_AUTHORITY_HINT = "The request target names another host than the Host header."
_UTF8_HINT = "The path does not decode to UTF-8."
_FOLDED_HINT = "The path contains characters that some servers read as a slash, a dot or a percent."

_WRONG_TARGETS = (
    (re.compile(r"\A(?!/)"), "The request target does not start with a slash."),
    (re.compile(r"#"), "The request target contains a fragment (#)."),
    (re.compile(r"[^!-~]"), "The request target contains bytes that must be percent-encoded."),
)
_WRONG_PATHS = (
    (re.compile(r"%(?![0-9A-Fa-f]{2})"), "The path contains an incomplete percent-encoding."),
)
_ENCODED_SLASH = ((re.compile(r"%2[fF]"), "The path contains an encoded slash (%2F)."),)
_WRONG_DECODED = (
    (re.compile(r"[\x00-\x1f\x7f-\x9f]"), "The path contains an encoded control character."),
    (re.compile(r"\\"), "The path contains a backslash."),
    (re.compile(r"%[0-9A-Fa-f]{2}"), "The path is percent-encoded twice."),
    (re.compile(r"/\.{1,2}(?:[/;?#]|\Z)"), "The path contains a dot segment (. or ..)."),
    # A segment of nothing but parameters is an empty one to a server that cuts them.
    (re.compile(r"//|/;[^/]*/"), "The path contains an empty segment."),
)


@lru_cache(maxsize=256)
def is_host(text: str) -> bool:
    """Whether this Host value is a name or address with an optional port, and nothing else."""
    return _HOST.fullmatch(text) is not None


def canonical(
    target: str, host: str | None, *, encoded_slash: bool = False
) -> CanonicalTarget | str:
    """The one reading of `target`, or a public sentence that says why there is none.

    `host` is the value of the Host field as sent (None if there was none); an absolute-form
    target (RFC 9112 §3.2.2) must name the same. `encoded_slash` allows %2F inside a segment.
    """
    if host is not None and not is_host(host):
        return _HOST_HINT
    plain = _PLAIN.fullmatch(target)
    if plain is not None:
        path, query = plain.groups("")
        if "/." not in path and "//" not in path:
            return CanonicalTarget(target, path, query, _split(path))
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        authority, target = absolute.groups()
        if host is None or authority.lower() != host.lower():
            return _AUTHORITY_HINT
        if not target.startswith("/"):
            target = "/" + target
    return _careful(target, encoded_slash=encoded_slash)


def _careful(target: str, *, encoded_slash: bool) -> CanonicalTarget | str:
    """The same for a target in which something has to be looked at."""
    path, _, query = target.partition("?")
    wrong_paths = _WRONG_PATHS if encoded_slash else _WRONG_PATHS + _ENCODED_SLASH
    wrong = _first_wrong(_WRONG_TARGETS, target) or _first_wrong(wrong_paths, path)
    if wrong:
        return wrong
    try:
        decoded = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return _UTF8_HINT
    wrong = _first_wrong(_WRONG_DECODED, decoded)
    if wrong:
        return wrong
    folded = unicodedata.normalize("NFKC", decoded)
    if folded.count("/") != decoded.count("/") or _first_wrong(_WRONG_DECODED, folded):
        return _FOLDED_HINT
    segments = tuple(unquote(segment) for segment in _split(path))
    others = {_split(text) for text in _readings(decoded, folded)} - {segments}
    return CanonicalTarget(target, path, query, segments, tuple(sorted(others)))


def _readings(*texts: str) -> Iterator[str]:
    """Every text with and without its parameters, with and without what follows a decoded ? or #."""
    for text in texts:
        for whole in (text, _PARAMETERS.sub("", text)):
            yield whole
            yield _LATE_QUERY.sub("", whole)


def _split(path: str) -> tuple[str, ...]:
    """The segments of a path that has no empty one but the last."""
    inner = path.strip("/")
    return tuple(inner.split("/")) if inner else ()


def _first_wrong(table: tuple[tuple[re.Pattern[str], str], ...], text: str) -> str:
    """The hint of the first row that is found in `text`; empty if none is."""
    return next((hint for pattern, hint in table if pattern.search(text)), "")

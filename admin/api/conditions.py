"""Conditional requests (RFC 9110 §13): ETag, If-Match, If-None-Match.

A tag is `"<version>-<digest>"` where something is read: the digest also covers what changes without a
change by anybody, such as the last use. If-Match looks at the version alone, so `"7"` and what was read as
`"7-5f0c1d2e"` say the same; otherwise a key in use could never be changed conditionally.
"""

__all__ = ["ANY", "NEVER", "content_tag", "has_tag", "version_tag", "versions"]

import hashlib
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from admin.api.problems import Declined, Problem

# No version is below zero, so this one fits nothing: the service then says whether there is anything at all.
NEVER: Final = -1
ANY: Final = (None,)

_TAG = re.compile(r'(?P<weak>W/)?"(?P<opaque>[\x21\x23-\x7e\x80-\xff]*)"')
_OURS = re.compile(r"(?P<version>0|[1-9][0-9]{0,17})(?:-[0-9a-f]{8})?")
_TAGS_MAX = 16


class _Tag(NamedTuple):
    is_weak: bool
    opaque: str


def version_tag(version: int) -> str:
    """The tag of what has just been made or changed."""
    return f'"{version}"'


def content_tag(version: int | None, body: bytes) -> str:
    """The tag of what is read: another one for every other content."""
    digest = hashlib.sha256(body).hexdigest()[:8]
    return f'"{digest}"' if version is None else f'"{version}-{digest}"'


def versions(fields: Sequence[str]) -> tuple[int | None, ...]:
    """The versions any one of which the caller takes; ANY without If-Match, or for `*`.

    Only strong tags count (RFC 9110 §13.1.1). Raises Declined for what is no list of tags.
    """
    tags = _tags("If-Match", fields)
    if tags is None:
        return ANY
    found = [
        int(ours["version"])
        for tag in tags
        if not tag.is_weak and (ours := _OURS.fullmatch(tag.opaque)) is not None
    ]
    return tuple(dict.fromkeys(found)) or (NEVER,)


def has_tag(fields: Sequence[str], etag: str) -> bool:
    """Whether If-None-Match names `etag`, or is `*` (weak comparison, §13.1.2). Raises Declined."""
    if not fields:
        return False
    tags = _tags("If-None-Match", fields)
    return tags is None or any(f'"{tag.opaque}"' == etag for tag in tags)


def _tags(name: str, fields: Sequence[str]) -> tuple[_Tag, ...] | None:
    """The tags of a list; None when there is no such field, or it is `*`."""
    text = ", ".join(fields).strip(" \t")
    if not fields or text == "*":
        return None
    tags = []
    position = 0
    # An opaque tag may hold a comma, so the list is read from the left rather than split.
    while position < len(text):
        if text[position] in ", \t":
            position += 1
            continue
        found = _TAG.match(text, position)
        if found is None or text[found.end() : found.end() + 1] not in {"", ",", " ", "\t"}:
            raise _malformed(name)
        tags.append(_Tag(found["weak"] is not None, found["opaque"]))
        position = found.end()
    if not 0 < len(tags) <= _TAGS_MAX:
        raise _malformed(name)
    return tuple(tags)


def _malformed(name: str) -> Declined:
    return Declined(
        Problem.BAD_REQUEST,
        f"{name} is neither '*' nor a list of at most {_TAGS_MAX} entity tags in double quotes,"
        ' such as "7". Send back the ETag that you got.',
    )

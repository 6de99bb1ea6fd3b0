"""Refuses to run on a parser that is not the hardened one."""

__all__ = ["require_c_parser"]

import re

import aiohttp
import aiohttp.http_parser

from gateway.core.errors import Misuse

# Older ones let requests be smuggled (docs/security.md).
_OLDEST = (3, 14, 4)


def require_c_parser(version: str = aiohttp.__version__, parser: type | None = None) -> None:
    """Raise Misuse unless aiohttp is new enough and parses in C; the arguments are for tests."""
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if found < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise Misuse(
            f"aiohttp {version} is too old: {oldest} closes known request-smuggling holes. Upgrade aiohttp."
        )
    parser = parser or aiohttp.http_parser.HttpRequestParser
    if parser.__module__ != "aiohttp._http_parser":
        raise Misuse(
            "aiohttp runs without its C parser, whose pure-Python stand-in reads some requests differently. "
            "Unset AIOHTTP_NO_EXTENSIONS and install aiohttp from a wheel with compiled extensions."
        )

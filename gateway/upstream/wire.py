"""A connection as transports and aiohttp's parsers see it: aiohttp's BaseProtocol, but a class that can be compiled."""

__all__ = ["Head", "Wire"]

import asyncio
import contextlib
from typing import Protocol, cast

from aiohttp.tcp_helpers import tcp_nodelay
from multidict import CIMultiDictProxy

# What a transport raises that cannot pause, or is closed already.
_CANNOT_PAUSE = (AttributeError, NotImplementedError, RuntimeError)


class Head(Protocol):
    """What aiohttp's parsers say of a message before its body; theirs are compiled, and have no class in common."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The fields, by name."""
        ...

    @property
    def raw_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields, as they came."""
        ...

    @property
    def should_close(self) -> bool:
        """Whether the connection ends with this message."""
        ...

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        ...


class Wire:
    """Open from `connection_made` until `connection_lost`."""

    __slots__ = ("_loop", "transport", "writing_paused")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Not connected yet."""
        self._loop = loop
        self.transport: asyncio.Transport | None = None
        self.writing_paused = False

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return self.transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open; small writes leave at once."""
        made = cast("asyncio.Transport", transport)
        tcp_nodelay(made, value=True)
        self.transport = made

    def connection_lost(self, exc: BaseException | None) -> None:
        """It has gone."""
        self.transport = None

    def eof_received(self) -> bool | None:
        """No more will come; the transport closes then."""
        return None

    def pause_writing(self) -> None:
        """The other end does not read as fast."""
        self.writing_paused = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self.writing_paused = False

    def pause_reading(self) -> None:
        """A parser has more than it is to hold; ours are given limits that nothing reaches."""
        self._pause_transport_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 -- aiohttp's own shape
        """The parser calls this at the end of each body; nothing was paused for it."""

    def _pause_transport_reading(self) -> None:
        if self.transport is not None:
            with contextlib.suppress(*_CANNOT_PAUSE):
                self.transport.pause_reading()

    def _resume_transport_reading(self) -> None:
        if self.transport is not None:
            with contextlib.suppress(*_CANNOT_PAUSE):
                self.transport.resume_reading()

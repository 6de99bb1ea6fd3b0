"""An address that a gateway keeps while its processes come and go, and sockets on it for them to listen with.

Each process listens with a socket of its own (SO_REUSEPORT), so that the kernel shares connections out
among them. The supervisor holds these sockets too: a connection that waits to be accepted outlives the
process that should have accepted it, and whoever takes its place finds it there.
"""

__all__ = ["Binding"]

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from typing import Self

from gateway.core.errors import Misuse


class Binding:
    """Keeps the address with sockets that are bound and never listen, so that port 0 is chosen once."""

    def __init__(self, host: str, port: int, setting: str) -> None:
        """Nothing is bound yet; `setting` is the section that names the address."""
        self._host = host
        self._port = port
        self._setting = setting

    @classmethod
    @contextlib.contextmanager
    def opened(cls, host: str, port: int, setting: str) -> Iterator[Self]:
        """A binding for as long as the block. Raises Misuse, with what to do, when the address cannot be had."""
        binding = cls(host, port, setting)
        with contextlib.ExitStack() as stack:
            for kept in binding._reserved():
                stack.callback(kept.close)
            yield binding

    @property
    def address(self) -> str:
        """Host, as configured, and port."""
        return f"{self._host}:{self._port}"

    def sockets(self) -> list[socket.socket]:
        """New sockets on the address, bound and not listening: one for each family that the host has."""
        made: list[socket.socket] = []
        with self._explained():
            try:
                for family, where in self._places():
                    made.append(_unbound(family))
                    made[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                    made[-1].bind(where)
            except OSError:
                _close(made)
                raise
        return made

    def _reserved(self) -> list[socket.socket]:
        made: list[socket.socket] = []
        with self._explained():
            try:
                for family, where in self._places():
                    made.append(_unbound(family))
                    made[-1].bind((where[0], self._port, *where[2:]))
                    # Only now: bound alone, it fails when anybody else listens there, another gateway
                    # of the same user among them.
                    made[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                    self._port = made[-1].getsockname()[1]
            except OSError:
                _close(made)
                raise
        return made

    def _places(self) -> Sequence[tuple[socket.AddressFamily, tuple[object, ...]]]:
        found = socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return list(dict.fromkeys((family, tuple(where)) for family, _, _, _, where in found))

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else None
            raise Misuse(
                f"Cannot listen on {self.address}: {reason or os.strerror(error.errno or 0)}. "
                f"Choose another {self._setting}.host or {self._setting}.port, or stop what uses it."
            ) from error


def _unbound(family: socket.AddressFamily) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.settimeout(0)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return made


def _close(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()

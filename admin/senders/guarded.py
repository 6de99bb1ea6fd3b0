"""Connections to the outside, none of them to an address that is not allowed.

Looked at is the address that is connected to, at the moment in which that happens: what a name meant when the
channel was made, or a moment ago, says nothing (DNS rebinding).
"""

__all__ = ["AddressRefused", "LookUp", "guarded_connector", "system_look_up"]

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

from aiohttp import TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from admin.core.notices.places import NetworkRules

# From a host's name to its addresses; blocks, and raises OSError.
LookUp: TypeAlias = Callable[[str], Sequence[str]]


class AddressRefused(OSError):
    """The address may not be connected to."""

    def __init__(self) -> None:
        """The text names no address: it is shown to whoever made the channel."""
        super().__init__(errno.EACCES, "not an address that notifications may be sent to")


def system_look_up(host: str) -> Sequence[str]:
    """What the machine's resolver says."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for _, _, _, _, address in found))


def guarded_connector(
    rules: NetworkRules, threads: int, tls: ssl.SSLContext, look_up: LookUp = system_look_up
) -> TCPConnector:
    """Connections that are used once; names are looked up anew for each, in `threads` threads at most."""

    def made(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        if not rules.allows(str(address[0])):
            raise AddressRefused
        return socket.socket(family, kind, protocol)

    return TCPConnector(
        resolver=_Resolver(rules, threads, look_up),
        socket_factory=made,
        use_dns_cache=False,
        force_close=True,
        # Whoever sends has a bound of its own.
        limit=0,
        ssl=tls,
    )


class _Resolver(AbstractResolver):
    """Threads of its own: a name server that hangs holds up nobody else in this process."""

    def __init__(self, rules: NetworkRules, threads: int, look_up: LookUp) -> None:
        self._rules = rules
        self._look_up = look_up
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="look-up")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses that may be connected to. Raises AddressRefused when all there are may not, OSError."""
        found = await asyncio.get_running_loop().run_in_executor(self._pool, self._look_up, host)
        allowed = [address for address in found if self._rules.allows(address)]
        if found and not allowed:
            raise AddressRefused
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in allowed
        ]

    async def close(self) -> None:
        """Wait for no thread: a name server that hangs would hold up the end of the process."""
        with contextlib.suppress(RuntimeError):
            self._pool.shutdown(wait=False, cancel_futures=True)

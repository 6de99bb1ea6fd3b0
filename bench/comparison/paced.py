"""Latency at a fixed rate: an open-loop client, which sends when a request is due, whether or not others are answered.

A request whose time has come while every connection waits for an answer counts from that time, so what a slow answer
delays is not left out. When this process itself woke up late, it counts from when it was sent: that is not the
proxy's doing. It sleeps in `select`, whose timeout is microseconds; an event loop's timers are milliseconds.
"""

__all__ = ["Pace", "pace", "percentile"]

import contextlib
import gc
import math
import os
import select
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.stage import HOST

_ANSWER_SECONDS = 10.0
_NICENESS = -10
_FIELDS = """\
Host: {host}:{port}
Authorization: Bearer {key}
X-Request-Id: 8c1f0e9a4b7d43c6a51b90d2e6f37a18
User-Agent: api-client/2.32 (Linux; x86_64)
Accept: application/json, text/plain, */*
Accept-Encoding: gzip, deflate, br
Accept-Language: en-GB,en;q=0.9,fr;q=0.7
Content-Type: application/json
Cache-Control: no-cache
Origin: https://console.example.com
Referer: https://console.example.com/zones
X-Client-Version: 7.4.1
"""


class Pace(NamedTuple):
    """So many requests a second, for so long, on so many connections."""

    rate: int
    seconds: float
    connections: int


class _Client:
    """One connection with at most one request on its way."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=_ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = b""
        self.since = 0.0

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, request: bytes, since: float) -> None:
        self.since = since
        self._answer = b""
        self._socket.sendall(request)

    def has_answer(self) -> bool:
        """Whether what has just arrived completes it. Raises SystemExit for any answer but 200."""
        more = self._socket.recv(65_536)
        self._answer += more
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end and more:
            return False
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if not head.startswith(b"HTTP/1.1 200") or not length:
            raise SystemExit(f"not the answer that was expected: {head[:200]!r}")
        return len(body) >= int(length)

    def close(self) -> None:
        self._socket.close()


def pace(port: int, path: str, key: str, wanted: Pace) -> list[float]:
    """Ask at that pace; the seconds that each answer took. Raises SystemExit if one is not 200."""
    fields = _FIELDS.format(host=HOST, port=port, key=key).replace("\n", "\r\n")
    request = f"GET {path}/items HTTP/1.1\r\n{fields}\r\n".encode()
    clients = [_Client(port) for _ in range(wanted.connections)]
    try:
        with _foremost():
            # Each connection once, so that none is new to the proxy.
            _ = _paced(clients, request, wanted.rate, wanted.connections)
            return _paced(clients, request, wanted.rate, round(wanted.rate * wanted.seconds))
    finally:
        for client in clients:
            client.close()


def _paced(clients: Sequence[_Client], request: bytes, rate: int, count: int) -> list[float]:
    idle, busy = deque(clients), set[_Client]()
    late: deque[float] = deque()
    took: list[float] = []
    asked = 0
    begin = time.perf_counter()
    while len(took) < count:
        now = time.perf_counter()
        while asked < count and begin + asked / rate <= now:
            late.append(begin + asked / rate if late or not idle else now)
            asked += 1
            _send_what_is_late(late, idle, busy, request)
        is_last = asked == count
        wait = _ANSWER_SECONDS if is_last else begin + asked / rate - time.perf_counter()
        answered, _, _ = select.select(list(busy), [], [], max(0.0, wait))
        if is_last and not answered:
            raise SystemExit(f"no answer in {_ANSWER_SECONDS:g} s")
        for client in answered:
            if client.has_answer():
                took.append(time.perf_counter() - client.since)
                busy.discard(client)
                idle.append(client)
        _send_what_is_late(late, idle, busy, request)
    return took


def _send_what_is_late(
    late: deque[float], idle: deque[_Client], busy: set[_Client], request: bytes
) -> None:
    while late and idle:
        client = idle.popleft()
        client.send(request, late.popleft())
        busy.add(client)


@contextlib.contextmanager
def _foremost() -> Iterator[None]:
    """Before what it shares the processor with, as far as we may, and without pauses of our own."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    gc.disable()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS)
    try:
        yield
    finally:
        gc.enable()
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, nice)


def percentile(seconds: Sequence[float], share: float) -> float:
    """The least value that so large a share of them does not exceed."""
    return sorted(seconds)[math.ceil(len(seconds) * share) - 1]

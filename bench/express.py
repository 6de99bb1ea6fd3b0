"""What one request of the express lane costs in Python: everything but sockets, which are stood in for.

A whole worker with its private Valkey; its client and its upstream are transports that only keep what is written.

make bench-express
"""

__all__: list[str] = []

import asyncio
import gc
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog
import uvloop

from bench.stage import make_tokens, store_keys
from gateway.app.assembly import Worker, assembled
from gateway.http.express import ExpressConnection
from gateway.settings import load
from gateway.upstream.connection import UpstreamConnection

REQUESTS = 20_000
ROUNDS = 7
TOGETHER = 50
CONFIG = """\
listen: {{host: 127.0.0.1, port: 0}}
admin: {{host: 127.0.0.1, port: 0}}
data_dir: {folder}
upstreams: {{origin: {{targets: ["http://127.0.0.1:9"]}}}}
routes: [{{name: all, match: {{path: "/**"}}, upstream: origin}}]
plans: {{bench: {{{quota}limits: [{{name: default, quota: 1000000000, window: 60s}}]}}}}
accounts: {{default_plan: bench}}
"""
QUOTA = "quota: {requests: 1000000000}, "
REQUEST = """\
GET /v1/zones{path} HTTP/1.1\r
Host: api.example\r
Authorization: Bearer {token}\r
User-Agent: bench/1.0\r
Accept: application/json\r
Accept-Encoding: gzip, deflate, br\r
Accept-Language: en-US,en;q=0.9\r
Cache-Control: no-cache\r
X-Client-Version: 2026-01-01\r
X-Trace: {own}\r
X-Sdk: bench\r
Cookie: session=abcdef0123456789\r
Referer: https://app.example/zones\r
\r
"""
ANSWER = """\
HTTP/1.1 200 OK\r
Server: origin\r
Date: Sat, 21 Nov 2026 12:00:00 GMT\r
Content-Type: application/json\r
Content-Length: 746\r
Connection: keep-alive\r
Cache-Control: private, max-age=0\r
ETag: "{own}"\r
Vary: Accept-Encoding\r
X-Frame-Options: DENY\r
X-Content-Type-Options: nosniff\r
Strict-Transport-Security: max-age=31536000\r
X-Origin: one\r
\r
"""
BODY = b"x" * 746


class _Transport(asyncio.Transport):
    """Keeps what was written last."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written = bytes(data)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Ends(NamedTuple):
    """Both ends of the way, and what was written to them."""

    client: ExpressConnection
    upstream: UpstreamConnection
    to_client: _Transport
    to_upstream: _Transport


def ends_of(worker: Worker) -> _Ends:
    """A client's connection, and an idle one to the upstream."""
    lane = worker.proxy._express
    if lane is None:
        raise RuntimeError("The express lane is off.")
    pool = lane.terms.upstreams["origin"].pool
    target = pool._targets.pick(0.0)
    if target is None:
        raise RuntimeError("There is no target.")
    client = lane()
    upstream = UpstreamConnection(lane.terms.loop, pool, target)
    ends = _Ends(client, upstream, _Transport(), _Transport())
    client.connection_made(ends.to_client)
    upstream.connection_made(ends.to_upstream)
    pool.released(upstream)
    return ends


class _Asker:
    """Sends requests, one after another."""

    def __init__(self, ends: _Ends, token: str, kind: str) -> None:
        self._ends = ends
        self._token = token
        self._kind = kind
        self._number = 0

    def texts(self) -> tuple[bytes, bytes]:
        """The next request, and its answer."""
        self._number += 1
        path = f"/{self._number}" if self._kind != "the same again" else ""
        own = f"{self._number if self._kind == 'nothing the same' else 0:032d}"
        request = REQUEST.format(path=path, token=self._token, own=own)
        return request.encode(), ANSWER.format(own=own).encode() + BODY

    async def ask(self, texts: tuple[bytes, bytes]) -> float:
        """Processor seconds of one; waits, uncounted, when the key or its tokens are not in memory."""
        ends = self._ends
        ends.to_upstream.written = ends.to_client.written = b""
        request, answer = texts
        began = time.thread_time()
        ends.client.data_received(request)
        if ends.to_upstream.written:
            ends.upstream.data_received(answer)
        took = time.thread_time() - began
        while not ends.to_upstream.written:  # noqa: ASYNC110 -- a transport sets no event
            await asyncio.sleep(0.001)
        if not ends.to_client.written:
            ends.upstream.data_received(answer)
        if not ends.to_client.written.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(ends.to_client.written.decode("latin-1"))
        return took


async def microseconds(asker: _Asker, requests: int) -> float:
    """Of one request, on the average; the clock's own cost is in it (below 1 us)."""
    took = 0.0
    for _ in range(requests // TOGETHER):
        for texts in [asker.texts() for _ in range(TOGETHER)]:
            took += await asker.ask(texts)
        await asyncio.sleep(0)
    return took / requests * 1e6


async def main(folder: Path, token: str, tell: Callable[[str], None]) -> None:
    """Tell each figure: the median, the least and the most of some rounds."""
    await rounds(folder, token, "", ("the same again", "another path", "nothing the same"), tell)
    # The same but for the quota, so that the difference is what that costs.
    await rounds(folder, token, QUOTA, ("the same again",), lambda told: tell(f"quota: {told}"))


async def rounds(
    folder: Path, token: str, quota: str, kinds: Sequence[str], tell: Callable[[str], None]
) -> None:
    """Those of one worker, whose plan has this quota."""
    config = folder / "keywright.yaml"
    config.write_text(CONFIG.format(folder=folder, quota=quota))
    async with assembled(load(config, {}, to_serve=True)) as worker:
        await worker.start()
        ends = ends_of(worker)
        for kind in kinds:
            asker = _Asker(ends, token, kind)
            await microseconds(asker, 1000)
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 20, 20)
            took = sorted([await microseconds(asker, REQUESTS) for _ in range(ROUNDS)])
            tell(f"{kind:18} {statistics.median(took):5.1f} us ({took[0]:.1f} to {took[-1]:.1f})")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="kw-") as where:
        (its_token,) = make_tokens(1)
        store_keys(Path(where), [its_token])
        uvloop.run(main(Path(where), its_token, print))

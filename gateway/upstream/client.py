"""One upstream: its targets, its connections, and what its failures mean."""

__all__ = ["Upstream", "UpstreamBounds", "UpstreamError"]

import asyncio
from collections.abc import Sequence

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from gateway.core.refusal import Refusal
from gateway.core.retry import Failure, may_retry
from gateway.upstream.bounds import UpstreamBounds, UpstreamError
from gateway.upstream.pool import UpstreamPool
from gateway.upstream.request import NO_TIMER, Outgoing, RelayRequest
from gateway.upstream.targets import Target, Targets

# An upstream is trusted with larger answers' heads than a client is with requests', but not with endless ones.
_LINE_BYTES_MAX = 16_384
_FIELDS_MAX = 256
_READ_BYTES = 65_536
# Deadlines are the lane's, which watches all its waits with one timer.
_USUAL = UpstreamBounds()


class Upstream:
    """Sends requests to one upstream over kept-alive connections. Open it inside the running loop."""

    def __init__(
        self,
        name: str,
        targets: Sequence[str],
        *,
        bounds: UpstreamBounds = _USUAL,
        is_host_preserved: bool = False,
    ) -> None:
        """`targets` are like `http://host:port`; with `is_host_preserved` they get the client's Host field."""
        self.name = name
        self.bounds = bounds
        self.is_host_preserved = is_host_preserved
        self._targets = Targets(targets, cooldown_seconds=bounds.cooldown_seconds)
        # How many exchanges need it just now; whoever begins and ends one counts.
        self.in_flight = 0
        self._pool: UpstreamPool | None = None
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        """Get ready; connects to nothing yet."""
        self._loop = asyncio.get_running_loop()
        self._pool = UpstreamPool(self.name, self._targets, self.bounds)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self.bounds.max_connections,
                keepalive_timeout=self.bounds.keepalive_seconds,
                ttl_dns_cache=10,
            ),
            # Cookies belong to callers: one caller's must never go out with another's request.
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=self.bounds.connect_seconds,
                sock_connect=self.bounds.connect_seconds,
            ),
        )

    @property
    def pool(self) -> UpstreamPool:
        """The express lane's connections. Raises RuntimeError unless it is open."""
        if self._pool is None:
            raise RuntimeError("The upstream is not open.")
        return self._pool

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            await self._pool.close()
        if self._session is not None:
            await self._session.close()

    async def send(self, method: str, outgoing: Outgoing) -> tuple[aiohttp.ClientResponse, Target]:
        """The head of the answer and who gave it; its body is still to be read. Raises UpstreamError.

        A target that cannot be connected to has seen nothing of the request, so the next one is asked.
        """
        loop = self._loop
        if loop is None:
            raise RuntimeError("The upstream is not open.")
        tried: list[Target] = []
        failure = UpstreamError(Refusal.UPSTREAM_UNREACHABLE, "no target")
        while (target := self._targets.pick(loop.time(), tried)) is not None:
            try:
                response = await self._ask(target, method, outgoing)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
                failure = self._not_connected(target, exc, loop.time())
                tried.append(target)
                is_over = failure.reason is Refusal.OVERLOADED
                if is_over or not may_retry(
                    Failure.NOT_CONNECTED, method, len(tried), is_body_read=False
                ):
                    break
            else:
                if target.resting_until:
                    self._targets.reached(target)
                return response, target
        raise failure

    async def _ask(self, target: Target, method: str, outgoing: Outgoing) -> aiohttp.ClientResponse:
        if not self.is_host_preserved:
            outgoing.host = target.authority
        try:
            return await self._exchange(target, method, outgoing)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as exc:
            # Usually a kept connection that the upstream had just closed; once more, on another.
            if not may_retry(Failure.NOT_ANSWERED, method, 1, is_body_read=outgoing.consumed):
                raise _broken(target, exc) from exc
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as exc:
            raise _broken(target, exc) from exc
        try:
            return await self._exchange(target, method, outgoing, is_fresh=True)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as exc:
            raise _broken(target, exc) from exc

    async def _exchange(
        self, target: Target, method: str, outgoing: Outgoing, *, is_fresh: bool = False
    ) -> aiohttp.ClientResponse:
        """What ClientSession.request does, less redirects, cookies, proxies and its own time-outs.

        A proxy must not have those, and they cost as much as the pool and the parser do. With `is_fresh`
        no connection is used that was used before.
        """
        session, loop = self._session, self._loop
        if session is None or session.connector is None or loop is None:
            raise RuntimeError("The upstream is not open.")
        request = RelayRequest(method, target.url, data=outgoing, session=session, loop=loop)
        try:
            connection = await session.connector.connect(request, [], session.timeout)
            while is_fresh and _was_used(connection):
                connection.close()
                connection = await session.connector.connect(request, [], session.timeout)
        except TimeoutError as exc:
            raise aiohttp.ConnectionTimeoutError from exc
        protocol = connection.protocol
        if protocol is None:
            raise aiohttp.ServerDisconnectedError
        try:
            protocol.set_response_params(
                timer=NO_TIMER,
                skip_payload=method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_bufsize=_READ_BYTES,
                max_line_size=_LINE_BYTES_MAX,
                max_field_size=_LINE_BYTES_MAX,
                max_headers=_FIELDS_MAX,
            )
            response = await request.send(connection)
            try:
                return await response.start(connection)
            except BaseException:
                response.close()
                raise
        except BaseException:
            connection.close()
            raise

    def _not_connected(self, target: Target, exc: Exception, now: float) -> UpstreamError:
        # Waiting for one of our own connections is no fault of the target's.
        if isinstance(exc, aiohttp.ConnectionTimeoutError):
            if self.in_flight > self.bounds.max_connections:
                return UpstreamError(Refusal.OVERLOADED, "all connections in use", target.name)
            self._targets.rest(target, now)
            return UpstreamError(Refusal.UPSTREAM_TIMEOUT, "connecting", target.name)
        self._targets.rest(target, now)
        return UpstreamError(Refusal.UPSTREAM_UNREACHABLE, type(exc).__name__, target.name)


def _was_used(connection: Connection) -> bool:
    """Whether it has carried an exchange before: the parser is made for the first one."""
    protocol = connection.protocol
    return protocol is not None and protocol._parser is not None


def _broken(target: Target, exc: Exception) -> UpstreamError:
    reason = Refusal.UPSTREAM_UNREACHABLE
    if isinstance(exc, aiohttp.ClientResponseError | HttpProcessingError | ValueError):
        reason = Refusal.UPSTREAM_INVALID
    elif isinstance(exc, aiohttp.ServerTimeoutError):
        reason = Refusal.UPSTREAM_TIMEOUT
    return UpstreamError(reason, type(exc).__name__, target.name)

"""The forms of `redis.url`, and the way to what each of them names.

redis://[user:password@]host[:port][/db]     rediss://… the same over TLS
unix://[user:password@]/path[?db=N]
sentinel://[user:password@]host:port,host:port/service[/db]     the credentials are the server's
redis+cluster://[user:password@]host:port[,host:port]           rediss+cluster://… over TLS
"""

__all__ = ["Link", "Way", "way_to"]

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import AbstractConnection, Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from gateway.core.errors import Misuse
from gateway.stores.redis_cluster import ClusterWay
from gateway.stores.redis_lane import Lane, Word

_CONNECT_SECONDS: Final = 1.0
# Where several places are named, there is time for the next one when one does not answer.
_ONE_OF_MANY_SECONDS: Final = 0.4
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_FORMS: Final = (
    "redis://host:port/db, rediss://…, unix:///path, sentinel://host:port,…/service/db "
    "or redis+cluster://host:port,…"
)


class Link(Protocol):
    """Carries commands until it is lost."""

    async def ask(self, words: Sequence[Word]) -> Any:  # noqa: ANN401 -- whatever Redis answers
        """As `redis_lane.Lane.ask`."""
        ...

    async def hold(self) -> None:
        """As `redis_lane.Lane.hold`."""
        ...

    def close(self, kind: str) -> None:
        """As `redis_lane.Lane.close`."""
        ...


class Way(Protocol):
    """How to reach what a URL names. Both raise RedisError or OSError."""

    async def link(self, deadline_seconds: float, on_close: Callable[[str], None]) -> Link:
        """A connected link; `on_close` is called once, with the kind of fault that ended it."""
        ...

    async def connection(self, key: Word) -> AbstractConnection:
        """A connected connection to where `key` is, without time-outs of its own."""
        ...


class _SingleWay:
    """To one server, or to the one that the sentinels name."""

    def __init__(self, find: Callable[[], Awaitable[AbstractConnection]]) -> None:
        self._find = find

    async def link(self, deadline_seconds: float, on_close: Callable[[str], None]) -> Lane:
        connection = await self.connection(b"")
        return Lane(connection, deadline_seconds=deadline_seconds, on_close=on_close)

    async def connection(self, key: Word) -> AbstractConnection:
        connection = await self._find()
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection


def way_to(url: str) -> Way:
    """The way to what `url` names; nothing is connected yet. Raises Misuse, without the password."""
    scheme = url.partition("://")[0]
    try:
        match scheme:
            case "redis" | "rediss" | "unix":
                return _server_way(url)
            case "sentinel":
                return _sentinel_way(url)
            case "redis+cluster" | "rediss+cluster":
                return _cluster_way(url)
            case _:
                pass
    except ValueError as exc:
        raise Misuse(f"redis.url cannot be read ({type(exc).__name__}); use {_FORMS}") from exc
    raise Misuse(f"redis.url has the unknown form '{scheme}://'; use {_FORMS}")


def _server_way(url: str) -> _SingleWay:
    pool = ConnectionPool.from_url(url, **_options())

    async def to_server() -> AbstractConnection:  # noqa: RUF029 -- sentinels are asked, this one is known
        connection: AbstractConnection = pool.make_connection()  # type: ignore[no-untyped-call]
        return connection

    return _SingleWay(to_server)


def _options() -> dict[str, Any]:
    return {
        # Deadlines are ours: a lane has one for each command, a feed waits on purpose. Nothing is
        # retried behind our back, and RESP2 has no pushes that could come between replies.
        "socket_timeout": None,
        "socket_connect_timeout": _CONNECT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
        "decode_responses": False,
        "protocol": 2,
    }


def _sentinel_way(url: str) -> _SingleWay:
    parts = urlsplit(url)
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("no service")
    places, login = _places(parts.netloc, _SENTINEL_PORT)
    options = _options() | login | {"db": int(database or 0)}
    asking = _options() | {
        "socket_timeout": _ONE_OF_MANY_SECONDS,
        "socket_connect_timeout": _ONE_OF_MANY_SECONDS,
    }

    async def to_master() -> AbstractConnection:
        # Asked anew each time: it is for failing over that one has sentinels.
        asker = Sentinel(places, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
        try:
            host, port = await asker.discover_master(service)
        finally:
            for sentinel in asker.sentinels:
                await sentinel.aclose()
        return Connection(host=host, port=port, **options)

    return _SingleWay(to_master)


def _cluster_way(url: str) -> ClusterWay:
    parts = urlsplit(url)
    places, login = _places(parts.netloc, _PORT)
    options = _options() | login
    options["ssl"] = parts.scheme.startswith("rediss")
    options["socket_connect_timeout"] = _ONE_OF_MANY_SECONDS

    def make_client() -> RedisCluster:
        # Nodes are made anew with each client: they keep connections of their own.
        nodes = [ClusterNode(host, port) for host, port in places]
        return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **options)

    return ClusterWay(make_client)


def _places(netloc: str, port: int) -> tuple[list[tuple[str, int]], dict[str, str | None]]:
    """Host and port of each place, and the login that stands before them all."""
    logins, _, places = netloc.rpartition("@")
    user, _, password = logins.partition(":")
    login = {"username": unquote(user) or None, "password": unquote(password) or None}
    return [*map(partial(_place, port=port), places.split(","))], login


def _place(text: str, port: int) -> tuple[str, int]:
    """`host:port` or `[v6]:port`; the port may be left out."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, parts.port or port

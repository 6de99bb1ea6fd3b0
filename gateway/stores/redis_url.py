"""The forms of `redis.url`, and how a connection is made for each.

redis://[user:password@]host[:port][/db]     rediss://… the same over TLS
unix://[user:password@]/path[?db=N]
sentinel://[user:password@]host:port,host:port/service[/db]     the credentials are the server's
"""

__all__ = ["connection_maker"]

from collections.abc import Callable
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.backoff import NoBackoff

from gateway.core.errors import Misuse

_CONNECT_SECONDS: Final = 1.0
_SENTINEL_PORT: Final = 26379
_FORMS: Final = (
    "redis://host:port/db, rediss://…, unix:///path or sentinel://host:port,…/service/db"
)


def connection_maker(url: str) -> Callable[[], AbstractConnection]:
    """A function that makes unconnected connections to what `url` names. Raises Misuse, without the password."""
    scheme = url.partition("://")[0]
    try:
        if scheme == "sentinel":
            return cast("Callable[[], AbstractConnection]", _sentinel_pool(url).make_connection)
        if scheme in {"redis", "rediss", "unix"}:
            return ConnectionPool.from_url(url, **_options()).make_connection
    except ValueError as exc:
        raise Misuse(f"redis.url cannot be read ({type(exc).__name__}); use {_FORMS}") from exc
    raise Misuse(f"redis.url has the unknown form '{scheme}://'; use {_FORMS}")


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


def _sentinel_pool(url: str) -> SentinelConnectionPool:
    parts = urlsplit(url)
    logins, _, places = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("no service")
    user, _, password = logins.partition(":")
    options = _options() | {
        "db": int(database or 0),
        "username": unquote(user) or None,
        "password": unquote(password) or None,
    }
    sentinels = [_place(place) for place in places.split(",")]
    asking = {"socket_timeout": _CONNECT_SECONDS, "socket_connect_timeout": _CONNECT_SECONDS}
    asker = Sentinel(sentinels, sentinel_kwargs=asking)  # type: ignore[no-untyped-call]
    return SentinelConnectionPool(service, asker, **options)  # type: ignore[no-untyped-call]


def _place(text: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port`; the port may be left out."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("no host")
    return parts.hostname, parts.port or _SENTINEL_PORT

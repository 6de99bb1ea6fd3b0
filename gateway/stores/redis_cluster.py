"""The way to a Redis or Valkey Cluster, by redis-py's client, which follows slots as they move.

Slower per command than a lane, because the client owns a pool for each node; every name of ours has
a hash tag where several are used at once.
"""

__all__ = ["ClusterLink", "ClusterWay"]

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    ClusterDownError,
    RedisClusterException,
    RedisError,
    ResponseError,
)

from gateway.stores.redis_lane import DEADLINE, LaneClosed, Word


class ClusterLink:
    """Commands by way of a cluster client; one node that is away ends it, and the slots are asked for anew."""

    def __init__(
        self, client: RedisCluster, *, deadline_seconds: float, on_close: Callable[[str], None]
    ) -> None:
        """`client` is initialised and used by nobody else; see `redis_lane.Lane`."""
        self._client = client
        self._deadline = deadline_seconds
        self._on_close = on_close
        self._is_lost = asyncio.Event()

    async def ask(self, words: Sequence[Word]) -> Any:  # noqa: ANN401 -- whatever Redis answers
        """As `redis_lane.Lane.ask`. A cancelled command's connection is closed by the client."""
        # Asked for anything, a closed client would connect again.
        if self._is_lost.is_set():
            raise LaneClosed("closed")
        try:
            async with asyncio.timeout(self._deadline):
                return await self._client.execute_command(*words)
        except ResponseError:
            raise
        except TimeoutError as exc:
            raise self._lost(DEADLINE) from exc
        except (RedisError, OSError) as exc:
            raise self._lost(type(exc).__name__) from exc

    async def hold(self) -> None:
        """Wait until the link is lost, then close the client."""
        try:
            await self._is_lost.wait()
        finally:
            self.close("closed")
            await self._client.aclose()

    def close(self, kind: str) -> None:
        """As `redis_lane.Lane.close`, but those who wait are not told."""
        if not self._is_lost.is_set():
            self._is_lost.set()
            self._on_close(kind)

    def _lost(self, kind: str) -> LaneClosed:
        self.close(kind)
        return LaneClosed(kind)


class ClusterWay:
    """How to reach a cluster; implements `redis_url.Way`."""

    def __init__(self, make_client: Callable[[], RedisCluster]) -> None:
        """`make_client` does not connect yet."""
        self._make_client = make_client

    async def link(self, deadline_seconds: float, on_close: Callable[[str], None]) -> ClusterLink:
        """A client that knows the slots. Raises RedisError or OSError."""
        client = await self._initialised()
        return ClusterLink(client, deadline_seconds=deadline_seconds, on_close=on_close)

    async def connection(self, key: Word) -> AbstractConnection:
        """A connection to the node that has `key`. Raises RedisError or OSError."""
        client = await self._initialised()
        try:
            node = client.get_node_from_key(key)  # type: ignore[arg-type] # its stub lacks bytes
            if node is None:
                raise ClusterDownError("no node has this slot")
            connection: AbstractConnection = node.connection_class(**node.connection_kwargs)
        finally:
            await client.aclose()
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection

    async def _initialised(self) -> RedisCluster:
        client = self._make_client()
        try:
            _ = await client.initialize()
        except RedisClusterException as exc:
            # It is no RedisError: whoever reaches for a cluster that is away is to see one.
            await client.aclose()
            raise ClusterDownError("no node answers") from exc
        except BaseException:
            await client.aclose()
            raise
        return client

"""A proxy in a process of its own, so that its memory can be measured: `python -m tests.http.apart LANE UPSTREAM MAX`.

Says its port, and runs until its stdin ends.
"""

import asyncio
import sys

from gateway.http.bounds import ClientBounds
from gateway.upstream.client import UpstreamBounds
from tests.http import stand


async def serve(lane: str, upstream: str, requests_max: int) -> None:
    """Until whoever started it ends its stdin."""
    stand.IS_EXPRESS = lane == "express"
    bounds = ClientBounds(requests_max=requests_max)
    async with stand.proxy(
        upstream, bounds=bounds, upstream=UpstreamBounds(max_connections=requests_max)
    ) as gate:
        sys.stdout.write(f"{gate.listener.port}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], int(sys.argv[3])))

"""Keywright as it is measured: its configuration, its keys in SQL, and what Redis knows of them beforehand."""

__all__ = ["Installation", "Options"]

import asyncio
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.stage import HOST, cached_key, free_port
from gateway.core.credential import Peppers
from gateway.stores import peppers
from gateway.stores.key_cache import RedisKeyCache
from gateway.stores.places import DATABASE_NAME
from gateway.stores.redis_client import RedisStore

# All that can be asked of each request is asked, and nothing is in the way: a limit that is never reached, no log of
# requests (there is none), and Redis on the other processor, as with more than one gateway.
_CONFIG = """\
listen: {{host: {host}, port: {port}, express: {express}}}
admin: {{host: {host}, port: {admin}}}
data_dir: {data_dir}
redis: {{url: {redis}}}
upstreams: {{api: {{targets: ["http://{host}:{upstream}"]}}}}
routes: [{{name: all, match: {{path: "/**"}}, upstream: api}}]
plans: {{bench: {{limits: [{{name: default, quota: 1000000000, window: 60s}}]}}}}
accounts: {{default_plan: bench}}
limits: {{mode: {mode}}}
logs: {{level: warning}}
"""
_AT_ONCE = 200
_DEADLINE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """What of the configuration is measured."""

    express: bool = True
    mode: str = "leased"


class Installation:
    """A data folder with keys in SQL, of which each start gets a copy: nobody begins with the usage of another."""

    def __init__(self, folder: Path, tokens: Sequence[str]) -> None:
        """The keys of these tokens are stored in `folder`, or will be."""
        self._folder = folder
        self.tokens = tokens

    def prepare(self, options: Options, port: int, upstream: int, redis: Path, into: Path) -> Path:
        """The configuration of a gateway that has not run yet, in the folder `into`, which is replaced."""
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(mode=0o700)
        _ = self._peppers()
        for name in (DATABASE_NAME, peppers.FILE_NAME):
            shutil.copy2(self._folder / name, into)
        config = into / "keywright.yaml"
        text = _CONFIG.format(
            host=HOST,
            port=port,
            admin=free_port(),
            express=json.dumps(options.express),
            mode=options.mode,
            data_dir=json.dumps(str(into)),
            redis=json.dumps(f"unix://{redis}"),
            upstream=upstream,
        )
        config.write_text(text)
        return config

    def fill_redis(self, redis: Path) -> None:
        """Let Redis know each key, as if it had been used within the hour."""
        asyncio.run(self._fill(redis))

    async def _fill(self, redis: Path) -> None:
        own = self._peppers()
        url = f"unix://{redis}"
        async with RedisStore.open(url, deadline_seconds=_DEADLINE_SECONDS) as store:
            cache = RedisKeyCache(store, own)
            for start in range(0, len(self.tokens), _AT_ONCE):
                some = enumerate(self.tokens[start : start + _AT_ONCE], start)
                cached = [cached_key(number, text, own.current) for number, text in some]
                await asyncio.gather(*map(cache.fill, cached))

    def _peppers(self) -> Peppers:
        return peppers.load(self._folder, None)

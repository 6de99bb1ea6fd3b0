"""Who is measured: what each of them needs, and how it is started."""

__all__ = ["DIRECT", "Ground", "Need", "Subject", "missing", "subjects", "upstream_command"]

import base64
import hashlib
import os
import pwd
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import redis

from bench.comparison.installation import Installation, Options
from bench.comparison.plan import GATEWAY, ONE_WORKER, TWO_WORKERS, Body

DIRECT: Final = "direct"

_PEERS: Final = Path(__file__).parent / "peers"
# Where Debian puts them.
_NGINX_MODULES: Final = Path("/usr/lib/nginx/modules")
_LUA: Final = Path("/usr/share/lua/5.1")


class Ground(NamedTuple):
    """What everybody stands on."""

    folder: Path
    upstream: int
    installation: Installation

    @property
    def redis(self) -> Path:
        """Its socket."""
        return self.folder / "redis.sock"

    @property
    def one_key(self) -> Path:
        """The key of the cases that have one, in a file."""
        return self.folder / "one-key"

    @property
    def all_keys(self) -> Path:
        """All keys but the first, one on each line."""
        return self.folder / "all-keys"


class Need(NamedTuple):
    """A program, or a file, and the Debian package that has it."""

    what: str
    package: str

    def is_met(self) -> bool:
        """Whether it is there."""
        return Path(self.what).is_file() or shutil.which(self.what) is not None


class Start(NamedTuple):
    """How a process is started."""

    command: Sequence[str]
    variables: Mapping[str, str] = {}


def _prepare_nothing(_: Ground) -> None:
    """For those who keep nothing in Redis."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One who is measured.

    `start(ground, port)` writes its files and tells how to start it; `warm(ground)` puts into an empty Redis what
    it would have there after some use, `stock(ground)` what has to be there in any case.
    """

    name: str
    says: str
    start: Callable[[Ground, int], Start]
    needs: tuple[Need, ...] = ()
    stock: Callable[[Ground], None] = _prepare_nothing
    warm: Callable[[Ground], None] = _prepare_nothing
    is_ours: bool = False


_NGINX: Final = (Need("nginx", "nginx"),)
_NGINX_LUA: Final = (
    *_NGINX,
    Need(str(_NGINX_MODULES / "ngx_http_lua_module.so"), "libnginx-mod-http-lua"),
    Need(str(_LUA / "resty/core.lua"), "lua-resty-core"),
)


def subjects() -> Mapping[str, Subject]:
    """All of them, by name."""
    own = (
        _gateway(GATEWAY, "express lane, leased limits", Options()),
        _gateway("keywright-aiohttp", "aiohttp lane, leased limits", Options(express=False)),
        _gateway("keywright-exact", "express lane, exact limits", Options(mode="exact")),
        _gateway(ONE_WORKER, "as above", Options()),
        _gateway(TWO_WORKERS, "as above", Options(), workers=2),
    )
    peers = (
        Subject("nginx", "a bare proxy", _nginx("nginx.conf"), _NGINX),
        Subject(
            "haproxy",
            "key map, limit of this process",
            _start_haproxy,
            (Need("haproxy", "haproxy"),),
        ),
        _nginx_lua("nginx-lua-local", "key, scope, limit of this process", "limits-local"),
        _nginx_lua(
            "nginx-lua-redis", "key, scope, limit in Redis for each request", "limits-redis"
        ),
        Subject("caddy", "a bare proxy", _start_caddy, (Need("caddy", "caddy"),)),
        Subject("naive-aiohttp", "web.Application, ClientSession, a set of keys", _start_naive),
    )
    return {each.name: each for each in (*own, *peers)}


def missing(found: Mapping[str, Subject]) -> Mapping[str, Sequence[str]]:
    """Who cannot be measured here, and the Debian packages that would change that."""
    lacking = {
        name: [need.package for need in subject.needs if not need.is_met()]
        for name, subject in found.items()
    }
    return {name: packages for name, packages in lacking.items() if packages}


def upstream_command(folder: Path, port: int) -> Sequence[str]:
    """nginx with the three answers of `Body`."""
    bodies = folder / "bodies"
    bodies.mkdir()
    (bodies / "large.json").write_text(_json(Body.LARGE.length))
    config = _written(
        "upstream.conf",
        folder,
        FOLDER=folder,
        USER=_user(),
        UPSTREAM=port,
        KIBIBYTE=_json(Body.SMALL.length),
    )
    return ["nginx", "-e", str(folder / "upstream.log"), "-c", str(config)]


def _user() -> str:
    """nginx started by root would let its workers be somebody who may not open Redis's socket."""
    return pwd.getpwuid(os.geteuid()).pw_name


def _json(length: int) -> str:
    frame = '{"data":"%s"}'
    return frame % ("x" * (length - len(frame % "")))


def _written(name: str, folder: Path, **words: object) -> Path:
    """The template of this name, with `<WORD>` replaced."""
    text = (_PEERS / name).read_text()
    for word, value in words.items():
        text = text.replace(f"<{word}>", str(value))
    path = folder / name
    path.write_text(text)
    return path


def _gateway(name: str, says: str, options: Options, workers: int = 1) -> Subject:
    def start(ground: Ground, port: int) -> Start:
        folder = ground.folder / "keywright"
        config = ground.installation.prepare(options, port, ground.upstream, ground.redis, folder)
        command = (*(sys.executable, "-P", "-m", "admin.cli", "serve"), "-c", str(config))
        return Start([*command, "--workers", str(workers)])

    def warm(ground: Ground) -> None:
        ground.installation.fill_redis(ground.redis)

    return Subject(name, says, start, warm=warm, is_ours=True)


def _nginx(config: str, **words: object) -> Callable[[Ground, int], Start]:
    def start(ground: Ground, port: int) -> Start:
        path = _written(
            config,
            ground.folder,
            FOLDER=ground.folder,
            USER=_user(),
            PORT=port,
            UPSTREAM=ground.upstream,
            REDIS=ground.redis,
            **words,
        )
        return Start(["nginx", "-e", str(ground.folder / "proxy.log"), "-c", str(path)])

    return start


def _nginx_lua(name: str, says: str, limits: str) -> Subject:
    start = _nginx("nginx-lua.conf", LIMITS=limits, MODULES=_NGINX_MODULES, LUA=_LUA, CODE=_PEERS)
    return Subject(name, says, start, _NGINX_LUA, stock=_stock_lua)


def _stock_lua(ground: Ground) -> None:
    with redis.Redis(unix_socket_path=str(ground.redis)) as client, client.pipeline() as pipe:
        for token in ground.installation.tokens:
            digest = base64.b64encode(hashlib.sha1(token.encode(), usedforsecurity=False).digest())
            pipe.set(b"peer:key:" + digest, "read-only")
        pipe.execute()


def _start_haproxy(ground: Ground, port: int) -> Start:
    lines = (f"{token} key-{n}\n" for n, token in enumerate(ground.installation.tokens))
    (ground.folder / "keys.map").write_text("".join(lines))
    words = {"FOLDER": ground.folder, "PORT": port, "UPSTREAM": ground.upstream}
    return Start(["haproxy", "-f", str(_written("haproxy.cfg", ground.folder, **words))])


def _start_caddy(ground: Ground, port: int) -> Start:
    config = _written("Caddyfile", ground.folder, PORT=port, UPSTREAM=ground.upstream)
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(config)]
    # One processor for its goroutines, as the others have one worker; and files of its own.
    return Start(command, {"GOMAXPROCS": "1", "HOME": str(ground.folder)})


def _start_naive(ground: Ground, port: int) -> Start:
    keys = ground.folder / "known-keys"
    keys.write_text("\n".join(ground.installation.tokens))
    words = (str(_PEERS / "naive.py"), str(port), str(ground.upstream), str(keys))
    return Start([sys.executable, "-P", *words])

"""After everything that can happen to a gateway has happened to it, its secrets are nowhere but where they belong."""

import base64
import contextlib
import hashlib
import hmac
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from sqlalchemy import select

from admin.migrations.metadata import METADATA
from gateway.core.keys import Environment, KeyType
from gateway.core.token import SECRET_ID_LENGTH, SECRET_LENGTH, compose
from gateway.stores import peppers
from gateway.stores.sql_engine import database_path, open_engine, read_rows
from tests.fixtures_gateway import Gateway, MadeKey, NewSite, Operator, Site, eventually
from tests.fixtures_valkey import ValkeyServer

PASSWORD = "Pa55w0rd-of-the-stores"
QUICK = {"response_deadline": "300ms", "idle_deadline": "300ms", "connect_deadline": "300ms"}
FAULTS = (
    *("reset", "close", "hang", "short", "short-chunked", "reset-mid", "big-headers", "many-headers"),
    *("extra", "dup-cl", "bad-status", "http09", "nul-header", "cr-header", "bad-chunk", "neg-chunk"),
    *("slow-body", "slow-headers", "status-500", "status-401", "redirect", "gzip-bomb", "unasked-101"),
)  # fmt: skip


class Needle(NamedTuple):
    """Something that must not be found; printed by its name only."""

    name: str
    bytes: bytes

    def __repr__(self) -> str:
        return self.name


class Haystack(NamedTuple):
    """Some output, by name."""

    name: str
    bytes: bytes

    def __repr__(self) -> str:
        return self.name


def found(needles: list[Needle], haystacks: list[Haystack]) -> list[tuple[Needle, Haystack]]:
    """Every needle that is somewhere."""
    return [(needle, hay) for hay in haystacks for needle in needles if needle.bytes in hay.bytes]


def encoded(name: str, raw: bytes) -> Iterator[Needle]:
    """`raw` as it is, and in the spellings that programs like to print."""
    yield Needle(name, raw)
    yield Needle(f"{name} in hex", raw.hex().encode())
    # Without what depends on its surroundings.
    yield Needle(f"{name} in base64", base64.b64encode(raw)[:-4])
    yield Needle(f"{name} in base64url", base64.urlsafe_b64encode(raw)[:-4])
    yield Needle(f"{name} as Python writes it", repr(raw)[2:-1].encode())


def of_tokens(tokens: Mapping[str, str]) -> Iterator[Needle]:
    """Each token, whole and by its secret part alone."""
    for name, token in tokens.items():
        at = token.rindex("_") + 1 + SECRET_ID_LENGTH
        yield from encoded(f"{name} token", token.encode())
        yield Needle(f"{name} secret part", token[at : at + SECRET_LENGTH].encode())


def unknown_token(secret_id: str = "0" * SECRET_ID_LENGTH) -> str:
    """Right in every way but that nobody made it."""
    secret = secrets.token_hex(SECRET_LENGTH // 2)
    return compose(KeyType.SECRET, Environment.LIVE, secret_id, secret)


def talk(port: int, sent: bytes) -> bytes:
    """What comes back for these bytes, until the other side closes, is silent, or goes on for too long."""
    heard = bytearray()
    give_up_at = time.monotonic() + 1.0
    with (
        socket.create_connection(("127.0.0.1", port), timeout=0.4) as connection,
        contextlib.suppress(OSError),
    ):
        connection.sendall(sent)
        while time.monotonic() < give_up_at and (data := connection.recv(65536)):
            heard += data
    return bytes(heard)


def garbage(token: str) -> list[bytes]:
    """Messages that no parser takes, each with the token where a careless one would print it."""
    bearer = f"Authorization: Bearer {token}".encode()
    head = b"GET /pub/x HTTP/1.1\r\nHost: h\r\n"
    return [
        b"GET /pub/x HTTP/1.1\nHost: h\n" + bearer + b"\n\n",
        head + bearer + b"\x00\r\n\r\n",
        head + bearer + b"\r\nX-A : b\r\n\r\n",
        head + bearer + b"\r\nContent-Length: 1, 2\r\n\r\n",
        head + bearer + b"\r\n" + bearer + b"\r\n\r\n",
        head + bearer + b"\r\nTransfer-Encoding: xchunked\r\n\r\n",
        head + bearer + b"\r\nTransfer-Encoding: chunked\r\n\r\n" + token.encode() + b"\r\n",
        head + bearer + b"\r\nX-Big: " + b"a" * 100_000 + b"\r\n\r\n",
        token.encode() + b"\r\n\r\n",
        b"GET /pub/ " + token.encode() + b" HTTP/1.1\r\nHost: h\r\n\r\n",
        f"GET /pub/x HTTP/9.{token}\r\n\r\n".encode(),
        f"{token} /pub/x HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
        head + b"Authorization: Basic " + base64.b64encode(f"{token}:".encode()) + b"\r\n\r\n",
        head + b"Authorization: Bearer\t" + token.encode() + b"\r\n\r\n",
        f"GET http://{token}@h/pub/x HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
        f"GET /pub/../{token} HTTP/1.1\r\nHost: {token}/x\r\n{bearer.decode()}\r\n\r\n".encode(),
        head + bearer + b"\r\nContent-Length: 50\r\n\r\nshort",
        head + bearer + b"\r\nConnection: Upgrade, Authorization\r\nUpgrade: websocket\r\n\r\n",
        f"GET /pub/x?key={token} HTTP/1.1\r\nHost: h\r\n\r\n".encode(),
    ]


def use(gateway: Gateway, token: str) -> Iterator[bytes]:
    """Ordinary requests with this token: what they are answered."""
    for target in ("/pub/x", "/adm/x", "/nowhere", "/pub/%2e%2e/x"):
        for method in ("GET", "DELETE", "TRACE"):
            answer = gateway.ask(method, target, token)
            yield bytes(answer.headers) + answer.body


def misuse(gateway: Gateway, token: str) -> list[bytes]:
    """All that goes wrong with this token, on either side: what is answered."""
    host = f"Host: h\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    faults = [f"GET /pub/fault/{fault} HTTP/1.1\r\n{host}".encode() for fault in FAULTS]
    with ThreadPoolExecutor(16) as pool:
        on_proxy = pool.map(partial(talk, gateway.port), garbage(token) + faults)
        on_admin = pool.map(partial(talk, gateway.admin_port), garbage(token))
        return [*on_proxy, *on_admin]


async def rows(url: str, *, with_hashes: bool) -> bytes:
    """Everything in the database, as text; `with_hashes` also the column that holds argon2id hashes."""
    engine = open_engine(url)
    said = []
    for table in METADATA.sorted_tables:
        columns = [column for column in table.c if with_hashes or column.name != "token_hash"]
        said += [str(tuple(row)) for row in await read_rows(engine, "dump", select(*columns))]
    await engine.dispose()
    return "\n".join(said).encode()


def redis_dump(url: str) -> bytes:
    """Every key and every value of the server."""
    parts: list[object] = []
    with redis.Redis.from_url(url) as client:
        readers: dict[bytes, Any] = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"stream": client.xrange,
            b"set": client.smembers,
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
            b"list": lambda key: client.lrange(key, 0, -1),
        }
        for key in client.scan_iter(count=1000):
            parts += [key, readers[client.type(key)](key)]
    return _flat(parts)


def _flat(value: object) -> bytes:
    match value:
        case bytes():
            return value + b"\n"
        case dict():
            return _flat([part for item in value.items() for part in item])
        case list() | tuple() | set():
            return b"".join(map(_flat, value))
        case _:
            return str(value).encode()


def files(folder: Path) -> list[Haystack]:
    """Every file but the one that is there to hold the pepper."""
    return [
        Haystack(f"file {path.name}", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and "pepper" not in path.name
    ]


def make_keys(operator: Operator) -> dict[str, MadeKey]:
    """A key for each thing that can be wrong with one."""
    past = time.time() - 60
    return {
        "good": operator.key("read-write"),
        "narrow": operator.key("pub-only"),
        "revoked": operator.key("read-write"),
        "future": operator.key("read-write", not_before=past + 3600),
        "elsewhere": operator.key("read-write", addresses=["203.0.113.0/24"]),
        "publishable": operator.key("read-only", type=KeyType.PUBLISHABLE),
    }


def tokens_of(made: Mapping[str, MadeKey]) -> dict[str, str]:
    """Their tokens, and others that are not quite right."""
    good = made["good"].secret
    at = good.rindex("_") + 1
    return {
        **{name: key.secret for name, key in made.items()},
        "unknown": unknown_token(),
        "mistyped": good[:-1] + "-",
        "wrong secret": unknown_token(good[at : at + SECRET_ID_LENGTH]),
    }


def commands(operator: Operator, made: Mapping[str, MadeKey]) -> Haystack:
    """What the command line says when it has nothing new to hand out."""
    operator.said.clear()
    for words in (
        ("keys", "list"),
        ("keys", "list", "--json"),
        ("keys", "show", made["good"].id),
        ("usage", made["good"].id, "--json"),
        ("check", "--json"),
        ("keys", "revoke", made["good"].secret, "--debug"),
    ):
        operator.run(*words)
    return Haystack("command line", "".join(operator.said).encode())


@pytest.fixture
def guarded_valkey(own_valkey: ValkeyServer) -> ValkeyServer:
    """A server that wants the password."""
    own_valkey.command("CONFIG", "SET", "requirepass", PASSWORD)
    return own_valkey


def _restart_redis(server: ValkeyServer, gateway: Gateway, token: str) -> None:
    """An outage, so that what is logged then is there too."""
    server.kill()
    for _ in range(3):
        gateway.ask("GET", "/pub/outage", token)
        gateway.ask("GET", "/pub/outage", unknown_token())
    server.start()
    server.command("CONFIG", "SET", "requirepass", PASSWORD)
    eventually(lambda: b'"ready"' in gateway.admin("/readyz").body, "Redis to be back")


def needles_of(tokens: Mapping[str, str], pepper: bytes) -> tuple[list[Needle], list[Needle]]:
    """What may be nowhere, and the digests, which may be in Redis alone."""
    secret = [
        *of_tokens(tokens),
        *encoded("pepper", pepper),
        *encoded("password", PASSWORD.encode()),
    ]
    digests = [
        needle
        for name, token in tokens.items()
        for digest in (
            hmac.digest(pepper, token.encode(), "sha256"),
            hashlib.sha256(token.encode()).digest(),
        )
        for needle in encoded(f"{name} digest", digest)
    ]
    return secret, digests


async def test_a_full_run_leaks_nothing(
    new_site: NewSite, sql_url: str, guarded_valkey: ValkeyServer
) -> None:
    """No token, digest, pepper, hash or password in any log, metric, answer, store or upstream request."""
    sql_url = sql_url.replace("of-no-use", PASSWORD)
    redis_url = guarded_valkey.url.replace("unix://", f"unix://:{PASSWORD}@")
    site: Site = new_site(
        redis={"url": redis_url},
        store={"url": sql_url},
        logs={"level": "debug"},
        headers={"legacy": True},
        upstream=QUICK,
        usage={"flush_interval": "100ms"},
    )
    made = make_keys(site.operator)
    gateway = site.start()
    tokens = tokens_of(made)
    assert gateway.ask("GET", "/pub/warm", tokens["revoked"]).status == 200
    site.operator.revoke(made["revoked"].id)

    answers = [said for token in tokens.values() for said in use(gateway, token)]
    answers += misuse(gateway, tokens["good"])
    answers += misuse(gateway, tokens["mistyped"])
    in_redis = Haystack("Redis", redis_dump(redis_url))
    _restart_redis(guarded_valkey, gateway, tokens["good"])
    outputs = [
        Haystack("metrics", gateway.admin("/metrics").body),
        Haystack("answers", b"".join(answers)),
        Haystack("upstream", site.origin.received),
        commands(site.operator, made),
    ]
    assert gateway.stop() == 0
    outputs += [
        Haystack("rows", await rows(sql_url, with_hashes=False)),
        Haystack("log", gateway.log.read_bytes()),
    ]
    path = database_path(sql_url)
    on_disk = files(site.data_dir) + ([] if path is None else files(path.parent))
    hashes = Haystack("rows with hashes", await rows(sql_url, with_hashes=True))

    secret, digests = needles_of(tokens, peppers.load(site.data_dir, None).current.value)
    argon2 = Needle("argon2", b"$argon2id$")
    key_id = Needle("key id", made["good"].id.encode())
    assert found([*secret, *digests, argon2], outputs) == []
    assert found([*secret, *digests], [*on_disk, hashes]) == []
    assert found([*secret, argon2], [in_redis]) == []
    # That nothing was found proves something: there was something to search in.
    assert [hay for _, hay in found([key_id], outputs)] == [*outputs[:5]]
    assert found([argon2, key_id], [hashes])
    assert found([key_id], [in_redis])
    assert outputs[-1].bytes.count(b"\n") > 20

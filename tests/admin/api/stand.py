"""The admin API as it is served: a real socket, a real database, a real Valkey, and tokens to ask it with."""

__all__ = [
    "ADMIN",
    "DOCS_URL",
    "ON_ONE_DATABASE",
    "PATIENCE",
    "Api",
    "Person",
    "listening",
    "serving",
]

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import yaml
from aiohttp import web
from sqlalchemy import update

from admin.api.app import api_app, malformed_answer
from admin.api.streaming import Pace
from admin.core.caller import Permission, Role, operator
from admin.plane.wiring import opened
from admin.services.catalogue import Services
from admin.services.tokens import NewToken
from gateway.clock import SystemClock
from gateway.listening import AppListener
from gateway.settings import load
from gateway.stores.notification_tables import deliveries
from gateway.stores.sql_engine import open_engine, write_transaction

ADMIN = operator("tests")
# For what ends before any database is asked.
ON_ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DOCS_URL = "https://docs.example"
PATIENCE = "30s"
# Nothing here is asked by TLS, and the certificates of all the world take a while to read.
_PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SECTIONS: Mapping[str, Any] = {
    "upstreams": {"origin": {"targets": ["http://127.0.0.1:9"]}},
    "routes": [{"name": "pub", "match": {"path": "/pub/**"}, "upstream": "origin"}],
    "scopes": {
        "read-only": [{"methods": ["GET", "HEAD", "OPTIONS"]}],
        "read-write": [{"methods": ["*"]}],
    },
    "plans": {
        "starter": {
            "limits": [{"name": "default", "quota": 1000, "window": "60s"}],
            "quota": {"requests": 1_000_000},
        },
        "large": {"limits": [{"name": "default", "quota": 9000, "window": "60s"}]},
    },
    "accounts": {"default_plan": "starter", "default_api_access": "approved"},
    "keys": {"accept_imported": True},
}


class Person(NamedTuple):
    """Somebody with an admin token."""

    token: str
    token_id: str

    @property
    def headers(self) -> dict[str, str]:
        """What they send with each request."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True)
class Api:
    """A served API and the admin's client of it."""

    url: str
    client: httpx.AsyncClient
    services: Services
    admin: Person
    sql_url: str

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        who: Person | None = None,
        **headers: str,
    ) -> httpx.Response:
        """The answer; `body` is sent as JSON unless it is None, underscores in `headers` are dashes."""
        sent = {name.replace("_", "-"): text for name, text in headers.items()}
        content = None
        if body is not None:
            content = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        person = self.admin if who is None else who
        return await self.client.request(
            method, path, content=content, headers={**person.headers, **sent}
        )

    async def made(self, path: str, body: object, who: Person | None = None) -> dict[str, Any]:
        """The document of something new; fails with the problem when it is refused."""
        answer = await self.ask("POST", path, body, who=who)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def account(self, name: str = "Example", **more: object) -> str:
        """The id of a new account."""
        return str((await self.made("/v1/accounts", {"name": name, **more}))["id"])

    async def key(self, account: str, **more: object) -> dict[str, Any]:
        """A new key, with its secret."""
        body = {"account": account, "name": "staging-dns-sync", "scopes": ["read-only"], **more}
        return await self.made("/v1/keys", body)

    async def finish(self, delivery_id: str) -> None:
        """Let a delivery be over, as if it had been tried in vain."""
        engine = open_engine(self.sql_url)
        try:
            async with write_transaction(engine, "prepare") as connection:
                await connection.execute(
                    update(deliveries)
                    .where(deliveries.c.id == delivery_id)
                    .values(state="failed", finished_us=deliveries.c.created_us)
                )
        finally:
            await engine.dispose()

    async def person(
        self,
        role: Role,
        account: str | None = None,
        permissions: tuple[Permission, ...] | None = None,
    ) -> Person:
        """Somebody with a token of this role."""
        made = await self.services.tokens.create(
            ADMIN, NewToken(f"a {role}", role, account, permissions)
        )
        return Person(made.secret, made.token.id)


def write_settings(
    folder: Path, sql_url: str, valkey_url: str, sections: Mapping[str, Any]
) -> Path:
    """A configuration file on these stores."""
    file = folder / "keywright.yaml"
    whole = {
        **SECTIONS,
        "data_dir": str(folder / "data"),
        # A machine whose disk stands still for a while fails no test for it.
        "store": {"url": sql_url, "deadline": PATIENCE},
        "redis": {"url": valkey_url},
        **sections,
    }
    file.write_text(yaml.safe_dump(whole, sort_keys=False))
    return file


@contextlib.asynccontextmanager
async def listening(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """The URL at which `app` is served, by the server that serves it in production."""
    listener = AppListener(app, partial(malformed_answer, DOCS_URL))
    try:
        yield f"http://127.0.0.1:{await listener.listen_at('127.0.0.1', port, 'admin')}"
    finally:
        await listener.close()


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    sql_url: str,
    valkey_url: str,
    *,
    failures_per_minute: int = 100_000,
    stream_pace: Pace = Pace(),  # noqa: B008 -- frozen
    **sections: Any,  # noqa: ANN401 -- what YAML can hold
) -> AsyncIterator[Api]:
    """The API on these stores, with an admin; `sections` replace those of `SECTIONS`."""
    settings = load(write_settings(folder, sql_url, valkey_url, sections), {})
    async with opened(settings) as services:
        app = api_app(
            services,
            SystemClock(),
            docs_url=DOCS_URL,
            trusted_proxies=("127.0.0.0/8",),
            failures_per_minute=failures_per_minute,
            stream_pace=stream_pace,
        )
        made = await services.tokens.create(ADMIN, NewToken("the tests", Role.ADMIN))
        async with (
            listening(app) as url,
            httpx.AsyncClient(base_url=url, timeout=30, verify=_PLAIN) as client,
        ):
            yield Api(url, client, services, Person(made.secret, made.token.id), sql_url)

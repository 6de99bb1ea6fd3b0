"""The database goes away: 503 with Retry-After, never a 401 or a 500, and nothing half-done."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator

import asyncpg  # type: ignore[import-untyped]
import httpx
import pytest
from sqlalchemy.engine import make_url

from tests.admin.api.stand import Api
from tests.fixtures_sql import Database

PATIENCE_SECONDS = 20.0


@contextlib.contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else writes to the SQLite file and does not end."""
    other = sqlite3.connect(str(make_url(url).database), isolation_level=None, timeout=10)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@contextlib.asynccontextmanager
async def blocked(
    url: str, tables: str = "accounts, keys, admin_tokens"
) -> AsyncIterator[asyncpg.Connection]:
    """Somebody else holds a lock in PostgreSQL on tables that an answer or a change needs."""
    parsed = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    other = await asyncpg.connect(parsed)
    deal = other.transaction()
    await deal.start()
    await other.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
    try:
        yield other
    finally:
        await deal.rollback()
        await other.close()


@contextlib.asynccontextmanager
async def away(database: Database, url: str) -> AsyncIterator[None]:
    """The database does not answer."""
    if database == "sqlite":
        with locked(url):
            yield
    else:
        async with blocked(url):
            yield


def is_503(answer: httpx.Response) -> bool:
    """Whether this is the answer to whom an outage must not look like a refusal."""
    return (
        answer.status_code == 503
        and answer.json()["code"] == "store_unavailable"
        and int(answer.headers["Retry-After"]) >= 1
        and "WWW-Authenticate" not in answer.headers
    )


async def state(api: Api) -> object:
    """Everything that a change would have left behind."""
    listed = [
        (await api.ask("GET", path)).json()
        for path in ("/v1/accounts", "/v1/keys", "/v1/audit", "/v1/events")
    ]
    verdict = (await api.ask("GET", "/v1/audit/verify")).json()
    return listed, verdict


async def test_outage_in_the_middle_changes_nothing(
    api: Api, database: Database, sql_url: str
) -> None:
    """A change that is asked for while the database is away is answered 503, and nothing of it is there afterwards."""
    account = await api.account()
    key = await api.key(account)
    before = await state(api)
    changes = [
        ("POST", "/v1/accounts", {"name": "Lost"}),
        ("PATCH", f"/v1/accounts/{account}", {"status": "suspended"}),
        ("POST", "/v1/keys", {"account": account, "name": "lost-dns-sync"}),
        ("POST", f"/v1/keys/{key['id']}/rotate", {}),
        ("POST", f"/v1/keys/{key['id']}/revoke", {}),
        ("DELETE", f"/v1/keys/{key['id']}", None),
    ]
    async with away(database, sql_url):
        answers = await asyncio.gather(
            *(
                api.ask(method, path, body, Idempotency_Key=f"k{number}")
                for number, (method, path, body) in enumerate(changes)
            )
        )
    after = await state(api)

    assert [answer.text for answer in answers if not is_503(answer)] == []
    assert after == before


async def test_good_token_is_not_refused_while_the_database_is_away(
    api: Api, database: Database, sql_url: str
) -> None:
    """Whoever has a good token is told to come back, and can; nobody is told that their token is wrong."""
    async with away(database, sql_url):
        answer = await api.ask("GET", "/v1/me")
    again = await api.ask("GET", "/v1/me")

    assert is_503(answer) or (database == "sqlite" and answer.status_code == 200)
    assert again.status_code == 200


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_connection_that_breaks_within_a_change_undoes_it(api: Api, sql_url: str) -> None:
    """A database that is killed when half of a change is written leaves none of it, and serves the next one."""
    account = await api.account()
    key = await api.key(account)
    path = f"/v1/keys/{key['id']}"
    before = await state(api)
    # The key is written, and its audit entry waits.
    async with blocked(sql_url, "audit_head") as other:
        asked = asyncio.gather(api.ask("POST", f"{path}/rotate", {}, Idempotency_Key="k"))
        ended = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not ended:
                await asyncio.sleep(0.02)
                ended = await other.fetchval(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                )
        (answer,) = await asked
    after = await state(api)
    again = await api.ask("POST", f"{path}/rotate", {}, Idempotency_Key="k")

    assert is_503(answer), answer.text
    assert after == before
    assert again.status_code == 200

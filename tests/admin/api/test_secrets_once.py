"""A secret is in the answer to the request that made it, and nowhere else, ever."""

import asyncio
import io
import json
import logging
import sqlite3
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy.engine import make_url

from admin.core.caller import Role
from gateway.logs import configure
from tests.admin.api.stand import ON_ONE_DATABASE, Api

REQUESTS = 1000
AT_ONCE = 8


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that the process would write to its log, from `debug` upwards."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure("debug", stream)
    yield stream
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


class Work:
    """What clients do all day, and the secrets that they were told."""

    def __init__(self, api: Api, account: str, key_id: str) -> None:
        """Nothing is done yet."""
        self.api = api
        self.secrets: set[str] = set()
        self.later: list[str] = []
        self._account = account
        self._path = f"/v1/keys/{key_id}"

    async def step(self, number: int) -> None:
        """One request of one of ten kinds."""
        new = {"account": self._account, "name": f"staging-sync-{number}"}
        kinds = [
            ("POST", "/v1/keys", new),
            ("POST", f"{self._path}/regenerate", {}),
            ("POST", "/v1/tokens", {"name": f"ci-{number}", "role": "admin"}),
            ("GET", "/v1/keys?limit=20", None),
            ("GET", self._path, None),
            ("GET", "/v1/audit?limit=50", None),
            ("GET", "/v1/events?limit=50", None),
            ("POST", "/v1/verify", {"token": next(iter(self.secrets), "x")}),
            ("PATCH", self._path, {"scopes": [next(iter(self.secrets), "x")]}),
            ("POST", "/v1/accounts", {"name": "x", next(iter(self.secrets), "x"): 1}),
        ]
        method, path, body = kinds[number % len(kinds)]
        answer = await self.api.ask(method, path, body, Idempotency_Key=f"k{number}")
        document = answer.json()
        for name in ("secret", "api_secret"):
            if answer.is_success and name in document:
                self.secrets.add(document.pop(name))
        self.later.append(json.dumps(document))


def inner(secret: str) -> str:
    """The part that nobody could guess: what stands before it is public."""
    return secret[-38:-6] if "_" in secret else secret


@ON_ONE_DATABASE
async def test_a_thousand_requests_leave_no_secret_anywhere(
    api: Api, log: io.StringIO, sql_url: str
) -> None:
    """No log line, other answer, audit entry, event or byte of the database holds what was told once."""
    account = await api.account()
    work = Work(api, account, (await api.key(account))["id"])

    async def client(first: int) -> None:
        for number in range(first, REQUESTS, AT_ONCE):
            await work.step(number)

    await asyncio.gather(*(client(first) for first in range(AT_ONCE)))
    structlog.get_logger().info("the log is heard")
    database = str(make_url(sql_url).database)
    with sqlite3.connect(database) as other:
        stored = "\n".join(other.iterdump())
    other.close()

    assert len(work.secrets) > 200
    assert "the log is heard" in log.getvalue()
    for place in (log.getvalue(), "\n".join(work.later), stored):
        assert [secret[:12] for secret in work.secrets if inner(secret) in place] == []
        assert api.admin.token not in place


@ON_ONE_DATABASE
async def test_a_fault_of_ours_is_told_without_its_inside(api: Api, log: io.StringIO) -> None:
    """Whoever meets a bug gets a request id, and the operator finds the place in the log by it; no token is there."""
    other = await api.person(Role.ADMIN)
    object.__setattr__(api.services, "plans", None)
    answer = await api.ask("GET", "/v1/plans", who=other, X_Request_Id="bug-1")
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    (found,) = [line for line in told if line.get("request_id") == "bug-1"]

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert set(answer.json()) == {"type", "title", "status", "detail", "code", "request_id"}
    assert (found["level"], found["error"], found["path"]) == (
        "error",
        "AttributeError",
        "/v1/plans",
    )
    assert other.token not in log.getvalue()

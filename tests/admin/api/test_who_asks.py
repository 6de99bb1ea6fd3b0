"""Who is let in, and what everybody else learns."""

import itertools
import re
from pathlib import Path

import pytest

from admin.api.app import FAILURES_PER_MINUTE
from admin.core.caller import Role
from admin.services.tokens import NewToken
from admin.wire.endpoints import ENDPOINTS
from gateway.core.token import compose_admin
from tests.admin.api.stand import ADMIN, ON_ONE_DATABASE, Api, serving

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PATHS = sorted({re.sub(r"\{\w+\}", "key_0000000000000000", one.path) for one in ENDPOINTS})
WRONG = compose_admin("0" * 12, "0" * 32)


@ON_ONE_DATABASE
async def test_without_a_token_nothing_is_told(api: Api) -> None:
    """No path, known or not, with any method, says more to a stranger than that a token is needed."""
    strange = ["/v1", "/v1/", "/v1/none", "/v1/keys/", "/v1//keys", "/v1/%6beys", "/%761/keys"]
    for path, method in itertools.product([*PATHS, *strange], METHODS):
        answer = await api.client.request(method, path, content=b"{}")

        assert answer.status_code == 401, (method, path)
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="keywright-admin"'
        if method != "HEAD":
            assert answer.json()["code"] == "missing_token"


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "path", ["/", "/none", "/V1/keys", "//v1/keys", "/v1x", "/../v1/keys", "/docs/none"]
)
async def test_outside_of_the_api_there_is_nothing(api: Api, path: str) -> None:
    """No other spelling of a path leads past the door."""
    answer = await api.client.get(path)

    assert answer.status_code in {401, 404}
    assert answer.json()["code"] in {"missing_token", "not_found"}


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param("", "missing_token", id="empty"),
        pytest.param("Bearer", "missing_token", id="scheme-alone"),
        pytest.param("Basic YTpi", "missing_token", id="other-scheme"),
        pytest.param("Bearer x", "invalid_token", id="no-token"),
        pytest.param(f"Bearer {WRONG}", "invalid_token", id="unknown"),
        pytest.param(f"Bearer {WRONG[:-1]}", "invalid_token", id="truncated"),
        pytest.param(f"Bearer {WRONG}, Bearer {WRONG}", "invalid_token", id="two-in-one"),
        pytest.param("Bearer " + "a" * 5000, "invalid_token", id="long"),
        pytest.param("Bearer kwadmin_é", "invalid_token", id="not-ascii"),
    ],
)
async def test_wrong_tokens(api: Api, value: str, code: str) -> None:
    """Whatever is no token of ours is a 401 that says what to send, and repeats nothing of it."""
    answer = await api.client.get("/v1/me", headers={b"Authorization": value.encode()})

    assert (answer.status_code, answer.json()["code"]) == (401, code)
    assert 'realm="keywright-admin"' in answer.headers["WWW-Authenticate"]
    assert ('error="invalid_token"' in answer.headers["WWW-Authenticate"]) is (
        code == "invalid_token"
    )
    assert WRONG[8:20] not in answer.text


async def test_two_authorization_fields_are_refused(api: Api) -> None:
    """Nobody has to guess which of two tokens counts."""
    both = [("Authorization", f"Bearer {api.admin.token}")] * 2
    answer = await api.client.get("/v1/me", headers=both)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_scheme_is_written_as_one_likes(api: Api) -> None:
    """The scheme's case does not count (RFC 9110 §11.1)."""
    for scheme in ("bearer", "BEARER", "Bearer  "):
        answer = await api.client.get(
            "/v1/me", headers={"Authorization": f"{scheme} {api.admin.token}"}
        )
        assert answer.status_code == 200


async def test_revoked_token_ends_with_its_revocation(api: Api) -> None:
    """The request after the revocation is refused, though the token was good a moment ago."""
    other = await api.person(Role.ADMIN)
    before = await api.ask("GET", "/v1/me", who=other)
    await api.ask("POST", f"/v1/tokens/{other.token_id}/revoke")
    after = await api.ask("GET", "/v1/me", who=other)

    assert (before.status_code, before.json()["id"]) == (200, other.token_id)
    assert (after.status_code, after.json()["code"]) == (401, "invalid_token")


async def test_addresses_are_those_behind_trusted_proxies(api: Api) -> None:
    """The audit log has the address of whoever asked, and the request id that they were told."""
    answer = await api.ask(
        "POST",
        "/v1/accounts",
        {"name": "Acme"},
        X_Forwarded_For="203.0.113.9, 198.51.100.7, 127.0.0.9",
        X_Request_Id="mine-1",
    )
    entry = (await api.ask("GET", "/v1/audit?action=account.create")).json()["entries"][0]

    assert answer.headers["X-Request-Id"] == "mine-1"
    assert (entry["address"], entry["request_id"]) == ("198.51.100.7", "mine-1")
    assert (entry["actor_kind"], entry["actor_id"]) == ("token", api.admin.token_id)


@ON_ONE_DATABASE
@pytest.mark.parametrize("sent", ["a b", "x" * 129, "ü", "a\tb"])
async def test_an_insane_request_id_is_replaced(api: Api, sent: str) -> None:
    """Nobody writes what they like into the log."""
    answer = await api.client.get("/v1/me", headers={b"X-Request-Id": sent.encode()})

    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-Id"])
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


@ON_ONE_DATABASE
async def test_guessing_is_slowed_down_and_locks_nobody_out(
    sql_url: str, valkey_url: str, tmp_path: Path
) -> None:
    """An address that keeps being wrong has to wait; a token that was good there, and other addresses, need not."""
    async with serving(
        tmp_path, sql_url, valkey_url, failures_per_minute=FAILURES_PER_MINUTE
    ) as api:
        assert (await api.ask("GET", "/v1/me", X_Forwarded_For="203.0.113.9")).status_code == 200
        statuses = []
        for number in range(FAILURES_PER_MINUTE + 5):
            wrong = compose_admin(f"{number:012}", "0" * 32)
            answer = await api.client.get(
                "/v1/me",
                headers={"Authorization": f"Bearer {wrong}", "X-Forwarded-For": "203.0.113.9"},
            )
            statuses.append(answer.status_code)
        fresh = await api.person(Role.ADMIN)
        waits = await api.ask("GET", "/v1/me", who=fresh, X_Forwarded_For="203.0.113.9")
        known = await api.ask("GET", "/v1/me", X_Forwarded_For="203.0.113.9")
        elsewhere = await api.ask("GET", "/v1/me", who=fresh, X_Forwarded_For="203.0.113.10")

    assert statuses[:FAILURES_PER_MINUTE] == [401] * FAILURES_PER_MINUTE
    assert 429 in statuses[FAILURES_PER_MINUTE:]
    assert waits.status_code == 429
    assert int(waits.headers["Retry-After"]) >= 1
    assert (known.status_code, elsewhere.status_code) == (200, 200)


async def test_token_of_some_permissions_may_do_those_alone(api: Api) -> None:
    """A narrowed token is told which permission it lacks, and nothing is done."""
    made = await api.services.tokens.create(
        ADMIN, NewToken("reader", Role.ADMIN, permissions=("accounts:read",))
    )
    who = {"Authorization": f"Bearer {made.secret}"}
    read = await api.client.get("/v1/accounts", headers=who)
    written = await api.client.post("/v1/accounts", headers=who, json={"name": "Acme"})

    assert (read.status_code, written.status_code) == (200, 403)
    assert written.json()["code"] == "not_allowed"
    assert "accounts:write" in written.json()["detail"]
    assert (await api.ask("GET", "/v1/accounts")).json()["accounts"] == []

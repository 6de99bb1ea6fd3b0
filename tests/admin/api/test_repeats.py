"""Idempotency-Key: a lost answer can be had again."""

import asyncio

import pytest

from admin.api.problems import Declined, Problem
from admin.api.reading import idempotency
from admin.core.caller import Role
from tests.admin.api.stand import Api


@pytest.mark.parametrize(
    "fields", [[""], [" "], ["a b"], ["ü"], ["x" * 256], ["a", "b"], ["a\x7f"]]
)
def test_what_is_no_idempotency_key_is_refused(fields: list[str]) -> None:
    """A key that cannot be kept is refused, rather than a change made twice."""
    with pytest.raises(Declined) as caught:
        idempotency(fields, "POST", "/v1/keys", b"{}")

    assert caught.value.problem is Problem.BAD_REQUEST


def test_fingerprint_tells_requests_apart() -> None:
    """Another method, path or body is another request."""
    requests = [
        ("POST", "/v1/keys", b"{}"),
        ("PATCH", "/v1/keys", b"{}"),
        ("POST", "/v1/users", b"{}"),
        ("POST", "/v1/keys", b"{ }"),
        ("POST", "/v1/keys\n", b"{}"),
    ]
    made = [idempotency(["k"], *request) for request in requests]

    assert len({one.fingerprint for one in made if one is not None}) == len(requests)
    assert idempotency([], *requests[0]) is None
    assert idempotency(["x" * 255], *requests[0]) is not None


async def test_lost_secret_is_told_again(api: Api) -> None:
    """Creating a key twice with one Idempotency-Key makes one key, and both answers hold its secret."""
    body = {"account": await api.account(), "name": "staging-dns-sync"}
    first = await api.ask("POST", "/v1/keys", body, Idempotency_Key="once")
    again = await api.ask("POST", "/v1/keys", body, Idempotency_Key="once")
    listed = (await api.ask("GET", "/v1/keys")).json()["keys"]

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json()["secret"] == first.json()["secret"]
    assert [key["id"] for key in listed] == [first.json()["id"]]


async def test_each_endpoint_that_makes_something_makes_it_once(api: Api) -> None:
    """Accounts, users, tokens and rotations are done once, however often they are asked for."""
    account = await api.account()
    key = await api.key(account)
    asked = {
        "/v1/accounts": {"name": "Twice"},
        "/v1/users": {"email": "t@example.com", "name": "T", "role": "member", "account": account},
        "/v1/tokens": {"name": "twice", "role": "viewer", "account": account},
        f"/v1/keys/{key['id']}/rotate": {"overlap": "1h"},
        f"/v1/keys/{key['id']}/regenerate": {},
        f"/v1/keys/{key['id']}/revoke": {},
    }
    for path, body in asked.items():
        first, again = [
            (await api.ask("POST", path, body, Idempotency_Key=f"k{path}")) for _ in range(2)
        ]
        told = {name: first.json().get(name) for name in ("id", "secret", "version")}

        assert first.is_success, first.text
        assert again.status_code == first.status_code, again.text
        assert {name: again.json().get(name) for name in told} == told


async def test_same_key_for_another_request_is_refused(api: Api) -> None:
    """A mistake in the caller's program does not get the answer to something else."""
    await api.ask("POST", "/v1/accounts", {"name": "One"}, Idempotency_Key="k")
    other_body = await api.ask("POST", "/v1/accounts", {"name": "Two"}, Idempotency_Key="k")
    other_path = await api.ask(
        "POST", "/v1/tokens", {"name": "One", "role": "admin"}, Idempotency_Key="k"
    )

    assert (other_body.status_code, other_body.json()["code"]) == (409, "conflict")
    assert (other_path.status_code, other_path.json()["code"]) == (409, "conflict")
    assert len((await api.ask("GET", "/v1/accounts")).json()["accounts"]) == 1


async def test_same_key_of_another_caller_is_another_key(api: Api) -> None:
    """Nobody gets an answer, or a secret, that was somebody else's."""
    body = {"account": await api.account(), "name": "staging-dns-sync"}
    other = await api.person(Role.ADMIN)
    ours = await api.ask("POST", "/v1/keys", body, Idempotency_Key="k")
    theirs = await api.ask("POST", "/v1/keys", body, who=other, Idempotency_Key="k")

    assert theirs.status_code == 201
    assert theirs.json()["id"] != ours.json()["id"]


async def test_eight_at_once_make_one(api: Api) -> None:
    """A client that sends the same request again before the answer has come makes one account."""
    answers = await asyncio.gather(
        *(api.ask("POST", "/v1/accounts", {"name": "Once"}, Idempotency_Key="k") for _ in range(8))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len((await api.ask("GET", "/v1/accounts")).json()["accounts"]) == 1


async def test_repeated_rotation_on_condition_is_told_again(api: Api) -> None:
    """A rotation whose answer was lost is repeated with the If-Match it had, and is not taken for somebody else's."""
    key = await api.key(await api.account())
    path = f"/v1/keys/{key['id']}/rotate"
    tag = f'"{key["version"]}"'
    first = await api.ask("POST", path, {}, If_Match=tag, Idempotency_Key="k")
    again = await api.ask("POST", path, {}, If_Match=tag, Idempotency_Key="k")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["secret"] == first.json()["secret"]

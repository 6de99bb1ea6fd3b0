"""Verify and explain as they are served: on both databases, a real Valkey, and keys that the API itself made."""

import itertools
from typing import Any

import pytest

from admin.core.caller import Permission, Role
from admin.services.checks import TokenCheck
from gateway.core.keys import Environment, KeyType
from gateway.core.token import compose
from tests.admin.api.stand import ADMIN, Api

UNKNOWN = compose(KeyType.SECRET, Environment.LIVE, "0" * 12, "0" * 32)
READ: dict[str, Any] = {"method": "GET", "path": "/pub/x"}
FEW = [{"name": "few", "quota": 4, "window": 60}]


async def verified(api: Api, token: str, **more: object) -> dict[str, Any]:
    """The answer to a question about a key."""
    answer = await api.ask("POST", "/v1/verify", {"token": token, **more})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def explained(api: Api, key_id: str, **more: object) -> dict[str, Any]:
    """The answer to a question about a request."""
    answer = await api.ask("POST", "/v1/explain", {"key_id": key_id, **READ, **more})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_a_good_key_is_told_with_all_there_is(api: Api) -> None:
    """Whose it is, what it may, until when, and what is left after the use."""
    account = await api.account()
    key = await api.key(account, limits=FEW, expires_in="90d")
    told = await verified(api, key["secret"], **READ)

    assert told["active"] is True
    assert (told["key"], told["client_id"], told["scope"]) == (key["id"], account, "read-only")
    assert (told["name"], told["type"], told["environment"]) == (key["name"], "sk", "live")
    assert (told["route"], told["code"], told["reason"]) == ("pub", None, None)
    assert told["exp"] > 1_700_000_000
    assert told["limits"] == [
        {"name": "few", "quota": 4, "window": 60, "remaining": 3, "reset_in": 15}
    ]


async def test_strangers_tokens_are_told_nothing_about(api: Api) -> None:
    """Unknown and malformed keys get a code and a sentence, and not one fact."""
    for token, code in ((UNKNOWN, "unknown_key"), ("nonsense", "malformed_key")):
        told = await verified(api, token, **READ)
        facts = {name: value for name, value in told.items() if name not in {"code", "reason"}}

        assert (told["active"], told["code"]) == (False, code)
        assert told["reason"]
        assert set(map(str, facts.values())) == {"False", "None", "[]"}


@pytest.mark.parametrize(
    ("step", "code"),
    [
        pytest.param("/v1/keys/{key}/disable", "disabled_key", id="disabled"),
        pytest.param("/v1/keys/{key}/revoke", "revoked_key", id="revoked"),
        pytest.param("/v1/keys/{key}/regenerate", "revoked_key", id="regenerated"),
        pytest.param("/v1/accounts/{account}/api-access/disable", "api_access_disabled", id="account"),
    ],
)  # fmt: skip
async def test_what_stops_a_key_is_told_to_its_holder(api: Api, step: str, code: str) -> None:
    """The very next question after a change gets the new answer, and explain gives the same reason."""
    account = await api.account()
    key = await api.key(account)
    before = await verified(api, key["secret"], **READ)
    changed = await api.ask("POST", step.format(key=key["id"], account=account), {})
    after = await verified(api, key["secret"], **READ)
    why = await explained(api, key["id"])

    assert changed.status_code == 200, changed.text
    assert before["active"] is True
    assert (after["active"], after["code"], after["key"]) == (False, code, key["id"])
    # A regenerated key goes on with its new secret, and that is what explain looks at.
    assert why["code"] == (None if "regenerate" in step else code)


async def test_used_up_limits_are_told_with_the_time_to_come_back(api: Api) -> None:
    """A use that does not fit is refused, takes nothing, and says when it will; looking at it costs nothing."""
    key = await api.key(await api.account(), limits=FEW)
    spent = [await verified(api, key["secret"], cost=cost) for cost in (3, 2, 1, 1, 0)]

    assert [told["active"] for told in spent] == [True, False, True, False, True]
    assert (spent[1]["code"], spent[1]["limits"][0]["remaining"]) == ("rate_limited", 1)
    assert 1 <= spent[3]["retry_after"] <= 15
    assert spent[4]["limits"][0]["remaining"] == 0


async def test_scopes_must_all_be_held(api: Api) -> None:
    """A key that lacks one of the scopes asked for is not good for the purpose."""
    key = await api.key(await api.account())
    held = await verified(api, key["secret"], scopes=["read-only"])
    lacking = await verified(api, key["secret"], scopes=["read-only", "read-write"])

    assert held["active"] is True
    assert (lacking["active"], lacking["code"]) == (False, "insufficient_scope")
    assert lacking["reason"].endswith("It lacks read-write.")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param({"path": "/pub/x"}, "method and path together", id="path-alone"),
        pytest.param({"method": "GET"}, "method and path together", id="method-alone"),
        pytest.param({"address": "here"}, "'here' is no address", id="address"),
    ],
)
async def test_half_questions_are_not_answered(api: Api, body: dict[str, str], words: str) -> None:
    """Nobody gets a yes to a question that they did not mean to ask."""
    answer = await api.ask("POST", "/v1/verify", {"token": UNKNOWN, **body})

    assert answer.status_code == 422
    assert words in answer.json()["detail"]


async def test_explain_lists_every_rule_and_takes_nothing(api: Api) -> None:
    """Asked twice it says the same, with the whole limit left, and every rule has a sentence."""
    key = await api.key(await api.account(), limits=FEW)
    first, again = [await explained(api, key["id"], method="POST") for _ in range(2)]
    outcomes = {rule["rule"]: rule["outcome"] for rule in first["rules"]}

    assert first == again
    assert (first["allowed"], first["status"], first["code"]) == (False, 403, "insufficient_scope")
    assert [name for name, outcome in outcomes.items() if outcome != "pass"] == ["scope"]
    assert all(rule["detail"].endswith(".") for rule in first["rules"])
    assert first["limits"][0]["remaining"] == 4


async def test_explain_and_verify_agree(api: Api) -> None:
    """The two answers to the same request are one."""
    account = await api.account()
    bound = await api.key(account, allowed_ips=["192.0.2.0/24"], limits=FEW)
    free = await api.key(account, scopes=["read-write"])
    methods, paths, addresses = ("GET", "POST"), ("/pub/x", "/other"), ("192.0.2.1", "10.0.0.1")
    for key, method, path, address in itertools.product((bound, free), methods, paths, addresses):
        request = {"method": method, "path": path, "address": address}
        why = await explained(api, key["id"], **request)
        told = await verified(api, key["secret"], cost=0, **request)

        assert (why["allowed"], why["code"]) == (told["active"], told["code"])


async def test_explain_looks_at_the_newest_secret(api: Api) -> None:
    """After a rotation the key is explained as whoever has taken over the new secret knows it."""
    key = await api.key(await api.account())
    rotated = (await api.ask("POST", f"/v1/keys/{key['id']}/regenerate", {})).json()
    why = await explained(api, key["id"])
    old, new = [await verified(api, token) for token in (key["secret"], rotated["secret"])]

    assert (old["active"], old["code"]) == (False, "revoked_key")
    assert why["allowed"] is new["active"] is True


async def test_explain_tells_only_of_keys_that_the_caller_sees(api: Api) -> None:
    """A key of another account is as unknown as one that never was; without the permission nothing is said."""
    own, other = await api.account("Own"), await api.account("Other")
    mine, theirs = await api.key(own), await api.key(other)
    viewer = await api.person(Role.VIEWER, own)
    verifier = await api.person(Role.ADMIN, None, (Permission.VERIFY,))

    def asked(key_id: str) -> dict[str, str]:
        return {"key_id": key_id, **READ}

    seen = await api.ask("POST", "/v1/explain", asked(mine["id"]), who=viewer)
    hidden = await api.ask("POST", "/v1/explain", asked(theirs["id"]), who=viewer)
    missing = await api.ask("POST", "/v1/explain", asked("key_AAAAAAAAAAAAAAAA"), who=viewer)
    narrow = await api.ask("POST", "/v1/explain", asked(mine["id"]), who=verifier)
    refused = await api.ask("POST", "/v1/verify", {"token": mine["secret"]}, who=viewer)

    assert [answer.status_code for answer in (seen, hidden, missing, narrow, refused)] == [
        200,
        404,
        404,
        403,
        403,
    ]
    assert hidden.json()["detail"] == missing.json()["detail"].replace(
        "key_AAAAAAAAAAAAAAAA", theirs["id"]
    )


async def test_tokens_are_not_shown_by_what_holds_them(api: Api) -> None:
    """A question about a key can be logged without telling the key."""
    key = await api.key(await api.account())

    assert key["secret"] not in repr(TokenCheck(token=key["secret"]))
    with pytest.raises(Exception, match="together") as caught:
        await api.services.checks.verify(ADMIN, TokenCheck(token=key["secret"], method="GET"))
    assert key["secret"] not in str(caught.value)

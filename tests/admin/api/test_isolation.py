"""A member sees and touches nothing of another account: tried for every endpoint and every place for an id.

What is tried comes out of the served OpenAPI document, so that an endpoint that is added is tried, too.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from admin.core.caller import PERMISSIONS, Role
from tests.admin.api.stand import Api, Person

# Every word with which another account's things can be told apart.
MARK = "Zebra"
Json = Any


@dataclass(frozen=True)
class Account:
    """One account with everything in it, by the name of the parameter that takes its id."""

    ids: Mapping[str, str]
    secret: str

    @property
    def words(self) -> set[str]:
        """What only those may read who belong to it."""
        return {*self.ids.values(), self.secret}


@dataclass(frozen=True)
class Two:
    """A member of one account, and another account that is none of their business."""

    api: Api
    member: Person
    own: Account
    other: Account
    document: Json


async def filled(api: Api, name: str) -> Account:
    """An account with a user, a token, a rotated key, requests for access, and what was audited of that."""
    account = await api.account(name)
    person = {"email": f"{name.lower()}@example.com", "name": name, "role": "member"}
    user = await api.made("/v1/users", {**person, "account": account})
    token = await api.made("/v1/tokens", {"name": name, "role": "viewer", "account": account})
    key = await api.key(account, name=f"{name}-dns-sync", metadata={"of": name})
    rotated = await api.ask("POST", f"/v1/keys/{key['id']}/rotate", {"overlap": "1h"})
    hook = {"kind": "webhook", "name": name, "url": f"https://{name}.example.com/"}
    channel = await api.made("/v1/channels", {**hook, "account": account})
    trial = await api.ask("POST", f"/v1/channels/{channel['id']}/test", {})
    more = {"requests": 1000, "lasts": "1d", "reason": "a launch"}
    raised = await api.made(f"/v1/accounts/{account}/quota/raises", more)
    ids = {
        "account_id": account,
        "raise_id": raised["raise_id"],
        "user_id": user["id"],
        "token_id": token["id"],
        "key_id": key["id"],
        "secret_id": rotated.json()["secrets"][0]["id"],
        "channel_id": channel["id"],
        "delivery_id": trial.json()["id"],
    }
    return Account(ids, key["secret"])


@pytest.fixture
async def two(api: Api) -> Two:
    """Both accounts are alike, but for their names."""
    other = await filled(api, MARK)
    own = await filled(api, "Lion")
    member = await api.person(Role.MEMBER, own.ids["account_id"])
    document = (await api.client.get("/openapi.json")).json()
    return Two(api, member, own, other, document)


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Method, path and description of everything that can be asked."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            # What would go on for an hour is asked for what there is now.
            is_endless = "text/event-stream" in str(operation["responses"].get("200"))
            yield method.upper(), path + "?seconds=0" * is_endless, operation


def resolved(document: Json, node: Json) -> Json:
    """What a reference leads to."""
    if "$ref" not in node:
        return node
    here = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        here = here[part]
    return here


# Which kind of id a query parameter or a field of a body takes.
TAKES = {
    "account": ("account_id",),
    "owner": ("user_id",),
    "target": ("account_id", "user_id", "token_id", "key_id"),
    "actor": ("token_id", "user_id"),
    "q": ("account_id", "user_id", "key_id"),
    "key_id": ("key_id",),
    "id": ("key_id",),
}


def paths(path: str, own: Account, other: Account) -> Iterator[str]:
    """The path with each mixture of ids in which at least one is the other account's."""
    names = re.findall(r"\{(\w+)\}", path)
    for choice in itertools.product((own, other), repeat=len(names)):
        if names and other not in choice:
            continue
        whole = path
        for name, whose in zip(names, choice, strict=True):
            whole = whole.replace(f"{{{name}}}", whose.ids[name])
        yield whole


def queries(operation: Json, document: Json, other: Account) -> Iterator[str]:
    """No query, and each parameter that can name something, naming the other account's things."""
    yield ""
    for given in operation["parameters"]:
        parameter = resolved(document, given)
        if parameter["in"] == "query":
            for kind in TAKES.get(parameter["name"], ()):
                yield f"?{parameter['name']}={other.ids[kind]}"
            if parameter["name"] == "q":
                yield f"?q={MARK}"


def bodies(operation: Json, document: Json, own: Account, other: Account) -> Iterator[Json]:
    """The example, with each field that can name something naming the other account's thing, in each list, too."""
    if "requestBody" not in operation:
        yield None
        return
    content = operation["requestBody"]["content"]["application/json"]
    example = localised(content["example"], own)
    yield example
    yield from named(example, resolved(document, content["schema"]), document, other)


def localised(node: Json, own: Account) -> Json:
    """The example, about the member's own account."""
    if isinstance(node, list):
        return [localised(one, own) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        name: own.ids[TAKES[name][0]]
        if name in TAKES and isinstance(value, str)
        else localised(value, own)
        for name, value in node.items()
    }


def named(example: Json, schema: Json, document: Json, other: Account) -> Iterator[Json]:
    """Copies of `example`, each with one id that is the other account's."""
    for name, field in schema.get("properties", {}).items():
        for kind in TAKES.get(name, ()):
            yield {**example, name: other.ids[kind]}
        items = resolved(document, field.get("items", {}))
        if items.get("properties") and example.get(name):
            for inner in named(example[name][0], items, document, other):
                yield {**example, name: [inner]}


async def whole_state(two: Two) -> Json:
    """Everything of the other account, as an admin sees it, less what time alone changes."""
    found = {}
    for path, name in (
        (f"/v1/accounts/{two.other.ids['account_id']}", "account"),
        (f"/v1/users/{two.other.ids['user_id']}", "user"),
        (f"/v1/tokens/{two.other.ids['token_id']}", "token"),
        (f"/v1/keys/{two.other.ids['key_id']}", "key"),
        (f"/v1/keys?account={two.other.ids['account_id']}", "keys"),
        (f"/v1/users?account={two.other.ids['account_id']}", "users"),
        (f"/v1/channels?account={two.other.ids['account_id']}", "channels"),
        (f"/v1/channels/{two.other.ids['channel_id']}/deliveries", "deliveries"),
        (f"/v1/audit?account={two.other.ids['account_id']}", "audit"),
    ):
        found[name] = (await two.api.ask("GET", path)).json()
    return found


def told_of(text: str, other: Account, asked: str) -> list[str]:
    """What of the other account's an answer holds that was not in the question."""
    return [word for word in (*other.words, MARK) if word in text and word not in asked]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER, Role.ADMIN])
async def test_nothing_of_another_account_is_seen_or_touched(two: Two, role: Role) -> None:
    """With the other account's ids in path, query or body, alone or beside one's own, the answer is a refusal
    or empty, and afterwards the other account is as it was. An admin's requests do show and change it: the
    same requests, so that this test would see it.
    """
    who = two.api.admin
    if role is not Role.ADMIN:
        who = await two.api.person(role, two.own.ids["account_id"])
    before = await whole_state(two)
    seen, asked_for = [], 0
    for method, path, operation in operations(two.document):
        for target, query, body in itertools.product(
            paths(path, two.own, two.other),
            queries(operation, two.document, two.other),
            bodies(operation, two.document, two.own, two.other),
        ):
            answer = await two.api.ask(method, target + query, body, who=who)
            asked = f"{target}{query}{json.dumps(body)}"
            asked_for += 1
            if told := told_of(answer.text, two.other, asked):
                seen.append((method, asked, answer.status_code, told))
    after = await whole_state(two)

    assert asked_for > 60
    if role is Role.ADMIN:
        assert len(seen) > 20
        assert after != before
    else:
        assert seen == []
        assert after == before


async def test_what_is_hidden_reads_like_what_does_not_exist(two: Two) -> None:
    """Nobody can find out by asking which ids exist elsewhere."""
    for method, path, operation in operations(two.document):
        if "{" not in path:
            continue
        body = next(bodies(operation, two.document, two.own, two.other))
        hidden = path
        missing = path
        for name, theirs in two.other.ids.items():
            prefix = theirs.partition("_")[0] + "_" if "_" in theirs else ""
            nothing = prefix + "0" * (len(theirs) - len(prefix))
            hidden = hidden.replace(f"{{{name}}}", theirs)
            missing = missing.replace(f"{{{name}}}", nothing)
        answers = [
            await two.api.ask(method, target, body, who=two.member) for target in (hidden, missing)
        ]
        told = [
            re.sub(r"(acc|usr|tok|key|chn|dlv)_\w+|[0-9a-f]{32}", "…", answer.text)
            for answer in answers
        ]

        assert answers[0].status_code in {403, 404}, (method, path, answers[0].text)
        assert answers[0].status_code == answers[1].status_code, (method, path)
        assert told[0] == told[1]


async def test_lists_hold_the_own_account_alone(two: Two) -> None:
    """A member's lists, without any filter, hold what is theirs, all of it, and nothing else."""
    shown = {}
    for path, name in (
        ("/v1/accounts", "accounts"),
        ("/v1/users", "users"),
        ("/v1/keys", "keys"),
        ("/v1/channels", "channels"),
        ("/v1/inbox", "notices"),
        ("/v1/audit?limit=200", "entries"),
        ("/v1/events?limit=200", "events"),
    ):
        answer = await two.api.ask("GET", path, who=two.member)
        assert answer.status_code == 200
        shown[name] = answer.json()[name]
        assert told_of(answer.text, two.other, "") == []

    assert [one["id"] for one in shown["accounts"]] == [two.own.ids["account_id"]]
    assert [one["id"] for one in shown["users"]] == [two.own.ids["user_id"]]
    assert [one["id"] for one in shown["keys"]] == [two.own.ids["key_id"]]
    assert {one["account"] for one in shown["entries"]} == {two.own.ids["account_id"]}
    assert {one["account"] for one in shown["events"]} == {two.own.ids["account_id"]}


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
async def test_role_may_do_what_its_row_says(two: Two, role: Role) -> None:
    """In their own account, members and viewers are refused exactly what their role does not have."""
    who = await two.api.person(role, two.own.ids["account_id"])
    for method, path, operation in operations(two.document):
        needed = re.search(r"Needs `([\w:]+)`", operation["description"])
        target = path
        for name, value in two.own.ids.items():
            target = target.replace(f"{{{name}}}", value)
        body = next(bodies(operation, two.document, two.own, two.other))
        answer = await two.api.ask(method, target, body, who=who)
        may = needed is None or needed[1] in PERMISSIONS[role]

        if not may:
            assert answer.status_code == 403, (method, path, answer.text)
        elif answer.status_code == 403:
            assert needed is None or needed[1] not in answer.json()["detail"], (method, path)

"""The client has every endpoint, in both its shapes, and what it sends is what the API reads."""

import asyncio
import inspect
import operator
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, get_args

import pytest
from pydantic import BaseModel, ValidationError

from admin.client import UNSET, AsyncClient, Client
from admin.client.calls import choices
from admin.wire.endpoints import ENDPOINTS, Endpoint, endpoint
from admin.wire.keys import KeyPage, LimitDocument
from admin.wire.records import EventPage
from admin.wire.transfer import ImportLine
from tests.admin.samples import KEY, SAMPLES
from tests.admin.wire_server import Asked, WireServer

TOKEN = "kwadmin_" + "x" * 50
# Nothing is asked by TLS here, and the certificates of all the world take a while to read.
PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
WHEN = datetime(2027, 3, 1, tzinfo=UTC)

KEY_FIELDS: Mapping[str, Any] = {
    "name": "ci",
    "scopes": ["read-only"],
    "expires_at": WHEN,
    "not_before": WHEN,
    "allowed_ips": ["192.0.2.0/24"],
    "allowed_origins": ["https://app.example.com"],
    "limits": [LimitDocument(name="burst", quota=5, window=1)],
    "metadata": {"team": "dns"},
    "owner": "usr_1",
}
CHANNEL_FIELDS: Mapping[str, Any] = {
    "name": "desk",
    "url": "https://hooks.example.com/",
    "recipients": ["jo@example.com"],
    "events": ["key.*"],
    "severity": "critical",
}
PAGE = {"limit": 10, "cursor": "abc"}
REQUESTS: Mapping[str, Any] = {
    "since": "24h",
    "until": "2027-03-01t00:00:00z",
    "status": "4xx",
    "outcome": "rate_limited",
    "route": "dns",
    "method": "get",
    "path": "/v1/*",
    "address": "192.0.2.7",
    "request_id": "r1",
    **PAGE,
}
USAGE: Mapping[str, Any] = {
    "from_": "30d",
    "to": "2027-03-01t00:00:00z",
    "step": "hour",
    "route": "dns",
    "outcome": "served",
    "status": "2xx",
}
REASON = {"reason": "they paid", "if_match": 1}


class Example(NamedTuple):
    """A method, and every argument it takes."""

    method: str
    ids: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = {}


EXAMPLES: Mapping[str, Example] = {
    "me": Example("me"),
    "accounts.list": Example(
        "accounts.list",
        arguments={"q": "ac", "plan": "big", "status": "active", "api_access": "denied", **PAGE},
    ),
    "accounts.create": Example("accounts.create", arguments={"name": "Acme", "plan": "big"}),
    "accounts.show": Example("accounts.show", ("acc_1",)),
    "accounts.update": Example(
        "accounts.update",
        ("acc_1",),
        {"name": "A", "plan": "big", "status": "suspended", "if_match": 1},
    ),
    "access.request": Example(
        "accounts.request_access", ("acc_1",), {"note": "for CI", "if_match": 1}
    ),
    "access.approve": Example("accounts.approve_access", ("acc_1",), REASON),
    "access.deny": Example("accounts.deny_access", ("acc_1",), REASON),
    "access.disable": Example("accounts.disable_access", ("acc_1",), REASON),
    "users.list": Example(
        "users.list",
        arguments={"q": "jo", "account": "acc_1", "role": "member", "status": "disabled", **PAGE},
    ),
    "users.create": Example(
        "users.create",
        arguments={
            "email": "jo@example.com",
            "name": "Jo",
            "role": "member",
            "account": "acc_1",
            "scopes": ["read-only"],
        },
    ),
    "users.show": Example("users.show", ("usr_1",)),
    "users.update": Example(
        "users.update",
        ("usr_1",),
        {
            "name": "Jo",
            "role": "viewer",
            "account": "acc_1",
            "scopes": None,
            "status": "disabled",
            "if_match": 3,
        },
    ),
    "tokens.list": Example("tokens.list", arguments=PAGE),
    "tokens.create": Example(
        "tokens.create",
        arguments={
            "name": "deploy",
            "role": "admin",
            "account": "acc_1",
            "permissions": ["keys:read"],
            "expires_in": "90d",
        },
    ),
    "tokens.show": Example("tokens.show", ("tok_1",)),
    "tokens.revoke": Example("tokens.revoke", ("tok_1",)),
    "keys.list": Example(
        "keys.list",
        arguments={
            "q": "ci",
            "account": "acc_1",
            "owner": "usr_1",
            "state": "expired",
            "type": "pk",
            "environment": "test",
            "unused_for": "30d",
            "older_than": "90d",
            "expiring_in": "7d",
            "deleted": True,
            "sort": "-name",
            **PAGE,
        },
    ),
    "keys.create": Example(
        "keys.create",
        arguments={
            "account": "acc_1",
            "type": "pk",
            "environment": "test",
            "expires_in": "90d",
            **KEY_FIELDS,
        },
    ),
    "keys.import": Example(
        "keys.import_lines",
        arguments={
            "lines": [
                ImportLine.model_validate(
                    {"number": 1, "account": "a", "name": "n", "value": "old-value"}
                )
            ],
            "dry_run": True,
        },
    ),
    "keys.export": Example("keys.export", arguments={"account": "acc_1", "deleted": True, **PAGE}),
    "keys.show": Example("keys.show", ("key_1",)),
    "keys.update": Example("keys.update", ("key_1",), {**KEY_FIELDS, "if_match": 2}),
    "keys.delete": Example("keys.delete", ("key_1",), {"if_match": 2}),
    "keys.disable": Example("keys.disable", ("key_1",), {"if_match": 2}),
    "keys.enable": Example("keys.enable", ("key_1",), {"if_match": 2}),
    "keys.rotate": Example("keys.rotate", ("key_1",), {"overlap": "until_unused", "if_match": 2}),
    "keys.regenerate": Example("keys.regenerate", ("key_1",), {"if_match": 2}),
    "keys.revoke": Example("keys.revoke", ("key_1",), {"if_match": 2}),
    "keys.end_secret": Example("keys.end_secret", ("key_1", "9aB3xxxxxxxx"), {"if_match": 2}),
    "keys.requests": Example("keys.requests", ("key_1",), REQUESTS),
    "accounts.requests": Example("accounts.requests", ("acc_1",), REQUESTS),
    "alerts.list": Example(
        "alerts.list",
        arguments={
            "account": "acc_1",
            "key": "key_1",
            "kind": "key.expiring",
            "severity": "warning",
            **PAGE,
        },
    ),
    "alerts.show": Example("alerts.show", ("acc_1",)),
    "alerts.update": Example(
        "alerts.update",
        ("acc_1",),
        {"thresholds": [50], "kinds": {"key.unused": False}, "if_match": 2},
    ),
    "quota.show": Example("quota.show", ("acc_1",)),
    "quota.raise": Example(
        "quota.raise_",
        ("acc_1",),
        {"requests": 5, "bytes": 6, "until": WHEN, "lasts": "7d", "reason": "launch"},
    ),
    "quota.end_raise": Example("quota.end_raise", ("acc_1", "raise_1")),
    "usage.billing": Example(
        "quota.billing", arguments={"month": "2027-01", "account": "acc_1", **PAGE}
    ),
    "keys.usage": Example("keys.usage", ("key_1",), USAGE),
    "accounts.usage": Example("accounts.usage", ("acc_1",), USAGE),
    "usage.show": Example("usage", arguments=USAGE),
    "plans.list": Example("plans"),
    "audit.list": Example(
        "audit.list",
        arguments={
            "account": "acc_1",
            "target": "key_1",
            "actor": "jo",
            "action": "key.revoke",
            "since": WHEN,
            "until": WHEN,
            **PAGE,
        },
    ),
    "audit.verify": Example("audit.verify", arguments={"expect": f"7:{'0' * 64}"}),
    "events.list": Example("events.list", arguments={"after": 3, "limit": 7, "account": "acc_1"}),
    "inbox.list": Example(
        "inbox.list",
        arguments={"account": "acc_1", "severity": "warning", "unread": True, **PAGE},
    ),
    "inbox.read": Example("inbox.read", arguments={"notices": [3, 4], "up_to": 2}),
    "channels.list": Example(
        "channels.list", arguments={"account": "acc_1", "kind": "email", **PAGE}
    ),
    "channels.create": Example(
        "channels.create",
        arguments={
            "kind": "webhook",
            "account": "acc_1",
            **CHANNEL_FIELDS,
        },
    ),
    "channels.show": Example("channels.show", ("chn_1",)),
    "channels.update": Example(
        "channels.update", ("chn_1",), {**CHANNEL_FIELDS, "status": "paused", "if_match": 2}
    ),
    "channels.delete": Example("channels.delete", ("chn_1",), {"if_match": 2}),
    "channels.rotate": Example("channels.rotate", ("chn_1",), {"overlap": "1h", "if_match": 2}),
    "channels.test": Example("channels.test", ("chn_1",)),
    "channels.deliveries": Example("channels.deliveries", ("chn_1",), {"state": "failed", **PAGE}),
    "deliveries.show": Example("deliveries.show", ("dlv_1",)),
    "deliveries.replay": Example("deliveries.replay", ("dlv_1",)),
    "verify": Example(
        "verify",
        arguments={
            "token": "sk_live_x",
            "method": "GET",
            "path": "/v1/dns",
            "scopes": ["read-only"],
            "cost": 0,
            "address": "192.0.2.7",
            "origin": "https://app.example.com",
        },
    ),
    "explain": Example(
        "explain",
        arguments={
            "key_id": "key_1",
            "method": "GET",
            "path": "/v1/dns",
            "address": "192.0.2.7",
            "origin": "https://app.example.com",
        },
    ),
}


async def said(server: WireServer, kind: type[Client | AsyncClient], example: Example) -> BaseModel:
    """What the method answers."""
    find = operator.attrgetter(example.method)
    if kind is AsyncClient:
        async with AsyncClient(server.url, token=TOKEN, tls=PLAIN) as client:
            answer: BaseModel = await find(client)(*example.ids, **example.arguments)
    else:
        with Client(server.url, token=TOKEN, tls=PLAIN) as waiting:
            answer = await asyncio.to_thread(find(waiting), *example.ids, **example.arguments)
    return answer


def sent(asked: Asked) -> dict[str, Any]:
    """What the server read, but for ids, under the client's names."""
    body = {} if asked.body is None else asked.body.model_dump(exclude_unset=True)
    condition = asked.headers.get("If-Match")
    more = {} if condition is None else {"if_match": int(condition.strip('"'))}
    query = {"from_" if name == "from" else name: value for name, value in asked.query.items()}
    return {**query, **body, **more}


def plain(value: object) -> object:
    """A value as it is compared: tuples as lists, enumerations and times as texts, secrets as nothing."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump(exclude_unset=True))
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return "2027-03-01t00:00:00.000z"
    return None if value is None else str(value).lower()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("one", ENDPOINTS, ids=lambda one: one.name)
async def test_every_endpoint_has_its_method(
    one: Endpoint, kind: type[Client | AsyncClient]
) -> None:
    """Whatever the API can do, a program can ask for by a method, and it gets the API's own document."""
    example = EXAMPLES[one.name]
    async with WireServer().open() as server:
        answer = await said(server, kind, example)
        (asked,) = server.asked

    assert answer == SAMPLES[one.answer]
    assert asked.name == one.name
    assert tuple(asked.ids.values()) == example.ids
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    wanted, got = dict(example.arguments), sent(asked)
    if one.name in {"verify", "keys.import"}:
        assert wanted.pop("token", "sk_live_x") == "sk_live_x"
        for hidden in ("token", "lines"):
            wanted.pop(hidden, None)
            got.pop(hidden, None)
    assert plain(got) == plain(wanted)


async def test_what_is_secret_arrives_whole() -> None:
    """A token to verify and a key to import reach the API as they are, and nobody else."""
    async with WireServer().open() as server:
        await said(server, AsyncClient, EXAMPLES["verify"])
        await said(server, AsyncClient, EXAMPLES["keys.import"])
        bodies = [asked.body for asked in server.asked]

    assert bodies[0].token.get_secret_value() == "sk_live_x"  # type: ignore[union-attr]
    assert bodies[1].lines[0].value.get_secret_value() == "old-value"  # type: ignore[union-attr]


@pytest.mark.parametrize("one", ENDPOINTS, ids=lambda one: one.name)
def test_a_method_takes_all_that_its_endpoint_takes(one: Endpoint) -> None:
    """No field of the API is out of a program's reach, and both clients take the same."""
    example = EXAMPLES[one.name]
    method = operator.attrgetter(example.method)
    takes = {
        kind: inspect.signature(method(kind("http://localhost", token=TOKEN, tls=PLAIN)))
        for kind in (Client, AsyncClient)
    }
    fields = {
        field
        for model in (one.body, one.query)
        if model is not None
        for field in model.model_fields
    }
    if one.is_versioned and one.method != "GET" and not one.name.endswith(".create"):
        fields |= {"if_match"}
    named = set(list(takes[Client].parameters)[len(example.ids) :]) - {"idempotency_key"}

    assert takes[Client] == takes[AsyncClient]
    assert named == fields
    assert set(example.arguments) == fields


def test_both_clients_have_the_same_methods() -> None:
    """Whoever changes from one client to the other finds everything where it was."""

    def methods(client: Client | AsyncClient) -> set[str]:
        return {
            f"{group}.{name}"
            for group in (
                "accounts",
                "users",
                "tokens",
                "keys",
                "audit",
                "events",
                "alerts",
                "quota",
                "inbox",
                "channels",
                "deliveries",
            )
            for name in dir(getattr(client, group))
            if not name.startswith("_")
        } | {name for name in dir(client) if not name.startswith("_")}

    both = [
        methods(kind("http://localhost", token=TOKEN, tls=PLAIN)) for kind in (Client, AsyncClient)
    ]

    assert both[0] == both[1]
    assert {example.method for example in EXAMPLES.values()} < both[0]


@pytest.mark.parametrize(
    ("alias", "members"),
    [pytest.param(getattr(choices, name), name, id=name) for name in choices.__all__],
)
def test_words_are_those_of_the_wire(alias: object, members: str) -> None:
    """A type checker lets a program write each of the API's words, and no other."""
    enumeration, literal = get_args(alias)

    assert list(get_args(literal)) == [member.value for member in enumeration], members


def test_nothing_is_sent_of_what_stays() -> None:
    """A change says what changes: None takes away, and what is not given stays as it is."""
    client = Client("http://localhost", token=TOKEN)
    call = client.keys.update.__wrapped__("key_1", expires_at=None, owner=UNSET)  # type: ignore[attr-defined]

    assert call.body.model_dump(exclude_unset=True) == {"expires_at": None}


def test_wrong_arguments_are_told_before_anything_is_sent() -> None:
    """A mistake is found where it was made, and its text does not repeat what may be a secret."""
    client = Client("http://localhost", token=TOKEN)
    with pytest.raises(ValidationError) as caught:
        client.verify(token="sk_live_x" * 1000, path="/")

    assert "sk_live_x" not in str(caught.value)


def pages() -> list[KeyPage]:
    """Three keys on two pages."""
    keys = [KEY.model_copy(update={"id": f"key_{number}"}) for number in range(3)]
    return [
        KeyPage(keys=tuple(keys[:2]), next_cursor="next"),
        KeyPage(keys=tuple(keys[2:]), next_cursor=None),
    ]


async def test_all_goes_through_every_page() -> None:
    """A program sees each key once, whatever the pages, and asks for no page before it is needed."""
    async with (
        WireServer().open() as server,
        AsyncClient(server.url, token=TOKEN, tls=PLAIN) as client,
    ):
        server.answer("keys.list", *pages())
        seen = []
        async for key in client.keys.all(account="acc_1"):
            seen.append((key.id, len(server.asked)))
        server.answer("keys.list", *pages())
        with Client(server.url, token=TOKEN, tls=PLAIN) as waiting:
            again = await asyncio.to_thread(
                lambda: [key.id for key in waiting.keys.all(account="acc_1", limit=2)]
            )

    assert seen == [("key_0", 1), ("key_1", 1), ("key_2", 2)]
    assert again == ["key_0", "key_1", "key_2"]
    queries = [dict(asked.query) for asked in server.asked]
    assert queries == [
        {"account": "acc_1", "limit": "200"},
        {"account": "acc_1", "limit": "200", "cursor": "next"},
        {"account": "acc_1", "limit": "2"},
        {"account": "acc_1", "limit": "2", "cursor": "next"},
    ]


async def test_all_events_end_where_there_are_no_more() -> None:
    """Events are asked for from the last one on, until none is behind it."""
    some = SAMPLES[endpoint("events.list").answer]
    async with (
        WireServer().open() as server,
        AsyncClient(server.url, token=TOKEN, tls=PLAIN) as client,
    ):
        server.answer("events.list", some, EventPage(events=(), last_sequence=9))
        seen = [event.sequence async for event in client.events.all(after=3)]

    assert seen == [9]
    assert [asked.query["after"] for asked in server.asked] == ["3", "9"]

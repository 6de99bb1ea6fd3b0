"""Every endpoint answers as its row in the table says, with a document of its model."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest

from admin.api.examples import BODIES
from admin.wire.endpoints import ENDPOINTS, Endpoint, endpoint
from tests.admin.api.stand import ON_ONE_DATABASE, Api


class World:
    """One of each thing, made when somebody asks for its id."""

    def __init__(self, api: Api) -> None:
        """Nothing is made yet."""
        self.api = api
        self._made: dict[str, str] = {}

    async def id(self, name: str) -> str:
        """The id to put in the place of `{name}` in a path."""
        if name not in self._made:
            makers: Mapping[str, Callable[[], Awaitable[str]]] = {
                "account_id": self.api.account,
                "user_id": self._user,
                "token_id": self._token,
                "key_id": self._key,
                "secret_id": self._replaced_secret,
                "channel_id": self._channel,
                "delivery_id": self._delivery,
                "raise_id": self._raise,
            }
            self._made[name] = await makers[name]()
        return self._made[name]

    async def _user(self) -> str:
        body = {"email": "ada@example.com", "name": "Ada", "role": "member"}
        made = await self.api.made("/v1/users", {**body, "account": await self.id("account_id")})
        return str(made["id"])

    async def _token(self) -> str:
        return str((await self.api.made("/v1/tokens", {"name": "ci", "role": "admin"}))["id"])

    async def _key(self) -> str:
        return str((await self.api.key(await self.id("account_id")))["id"])

    async def _replaced_secret(self) -> str:
        path = f"/v1/keys/{await self.id('key_id')}"
        rotated = await self.api.ask("POST", f"{path}/rotate", {"overlap": "24h"})
        return str(rotated.json()["secrets"][0]["id"])

    async def _channel(self) -> str:
        body = {**BODIES["channels.create"], "account": await self.id("account_id")}
        return str((await self.api.made("/v1/channels", body))["id"])

    async def _delivery(self) -> str:
        """One that nobody will try: nothing delivers here, so it is ended by hand."""
        path = f"/v1/channels/{await self.id('channel_id')}/test"
        delivery_id = str((await self.api.ask("POST", path, {})).json()["id"])
        await self.api.finish(delivery_id)
        return delivery_id

    async def _raise(self) -> str:
        path = f"/v1/accounts/{await self.id('account_id')}/quota/raises"
        return str((await self.api.made(path, BODIES["quota.raise"]))["raise_id"])

    async def body(self, one: Endpoint) -> Any:  # noqa: ANN401 -- JSON
        """The example of the document, with ids that exist here."""
        if one.body is None:
            return None
        body = dict(BODIES[one.name])
        for field, name in (("account", "account_id"), ("key_id", "key_id")):
            if field in body:
                body[field] = await self.id(name)
        if one.name == "verify":
            body["token"] = (await self.api.key(await self.id("account_id")))["secret"]
        if one.name == "keys.import":
            line = {**body["lines"][0], "account": await self.id("account_id")}
            body = {"lines": [{**line, "value": "an-old-value-of-a-key"}], "dry_run": False}
        return body

    async def ask(self, one: Endpoint) -> httpx.Response:
        """The answer to a good request."""
        path = one.path
        for name in re.findall(r"\{(\w+)\}", one.path):
            path = path.replace(f"{{{name}}}", await self.id(name))
        if one.name == "access.request":
            await self.api.ask("POST", path.replace("/request", "/disable"), {})
        return await self.api.ask(one.method, path, await self.body(one))


@pytest.mark.parametrize("one", ENDPOINTS, ids=lambda one: one.name)
async def test_good_request_is_answered_as_the_table_says(api: Api, one: Endpoint) -> None:
    """Status, model, tag and place of what is answered are those that the endpoint promises."""
    answer = await World(api).ask(one)
    document = one.answer.model_validate_json(answer.content) if answer.is_success else None

    assert answer.status_code == one.status, answer.text
    assert document is not None
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]
    assert answer.headers["Server"] == "Keywright"
    assert ("ETag" in answer.headers) is one.is_versioned
    assert ("Location" in answer.headers) is (one.status == 201)


@ON_ONE_DATABASE
async def test_head_is_get_without_its_body(api: Api) -> None:
    """HEAD tells what GET would, less the body."""
    world = World(api)
    for one in ENDPOINTS:
        if one.method != "GET":
            continue
        got = await world.ask(one)
        head = await api.ask("HEAD", got.request.url.raw_path.decode())

        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        assert head.headers.get("ETag") == got.headers.get("ETag")


@ON_ONE_DATABASE
async def test_other_methods_are_told_which_there_are(api: Api) -> None:
    """OPTIONS names the methods of a path, and so does the refusal of any other."""
    for path in sorted({one.path for one in ENDPOINTS}):
        served = {one.method for one in ENDPOINTS if one.path == path} | {"OPTIONS"}
        served |= {"HEAD"} if "GET" in served else set()
        target = re.sub(r"\{\w+\}", "key_0000000000000000", path)
        options = await api.ask("OPTIONS", target)
        refused = await api.ask("PUT", target, {})

        assert (options.status_code, options.content) == (204, b"")
        assert set(options.headers["Allow"].split(", ")) == served
        assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
        assert set(refused.headers["Allow"].split(", ")) == served


async def test_what_was_created_is_where_the_answer_says(api: Api) -> None:
    """Location leads to the new thing."""
    for name in ("accounts.create", "users.create", "tokens.create", "keys.create"):
        made = await World(api).ask(endpoint(name))
        if name == "users.create":
            assert made.status_code == 201, made.text
        found = await api.ask("GET", made.headers["Location"])

        assert (found.status_code, found.json()["id"]) == (200, made.json()["id"])


async def test_pages_of_a_list_hold_everything_once(api: Api) -> None:
    """Whoever follows `next_cursor` to the end has seen each account once, though one was added meanwhile."""
    made = [await api.account(f"Account {number:02}") for number in range(7)]
    seen: list[str] = []
    cursor = ""
    for _ in range(10):
        page = (await api.ask("GET", f"/v1/accounts?limit=3{cursor}")).json()
        seen += [one["id"] for one in page["accounts"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
        if len(seen) == 3:
            made.append(await api.account("Account 99"))

    assert seen == made


async def test_nothing_is_changed_by_what_is_left_out_of_a_patch(api: Api) -> None:
    """A PATCH changes the fields it names, and null takes away."""
    key = await api.key(await api.account(), expires_in="90d", metadata={"team": "dns"})
    path = f"/v1/keys/{key['id']}"
    renamed = (await api.ask("PATCH", path, {"name": "production-dns-sync"})).json()
    endless = (await api.ask("PATCH", path, {"expires_at": None})).json()

    assert (renamed["expires_at"], renamed["metadata"]) == (key["expires_at"], {"team": "dns"})
    assert (endless["expires_at"], endless["name"]) == (None, "production-dns-sync")


async def test_pair_is_the_secret_in_two_halves(api: Api) -> None:
    """The API key and API secret of the answer are those that the gateway takes as a pair."""
    key = await api.key(await api.account())

    assert key["api_key"] == key["secrets"][0]["id"]
    assert key["secret"].startswith(f"sk_live_{key['api_key']}{key['api_secret']}")
    assert len(key["api_secret"]) == 32


async def test_refused_changes_say_why(api: Api) -> None:
    """What does not go with how things stand is a conflict, what cannot be is invalid, each with its sentence."""
    account = await api.account()
    key = await api.key(account)
    path = f"/v1/keys/{key['id']}"
    await api.ask("POST", f"{path}/revoke")
    rotated = await api.ask("POST", f"{path}/rotate")
    denied = await api.ask("POST", f"/v1/accounts/{account}/api-access/deny", {})
    planless = await api.ask("PATCH", f"/v1/accounts/{account}", {"plan": "none"})

    assert (rotated.status_code, rotated.json()["code"]) == (409, "conflict")
    assert (denied.status_code, denied.json()["code"]) == (422, "invalid_request")
    assert (planless.status_code, planless.json()["code"]) == (422, "invalid_request")
    assert "starter" in planless.json()["detail"]

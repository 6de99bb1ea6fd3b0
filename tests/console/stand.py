"""The console as it is served: a real socket, a real database, a real Valkey, two accounts, and people of each role."""

__all__ = ["NO_TLS", "PASSWORD", "Account", "Browsing", "House", "Person", "housed"]

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from admin.api.app import api_app
from admin.console.operate.unused import Disabling
from admin.core.caller import Caller, Idempotency, Role, operator
from admin.plane.console_mounting import mount_console
from admin.plane.ended import Ended
from admin.plane.gathering import Gatherer
from admin.plane.overview import Source, overview_of
from admin.plane.wiring import opened
from admin.services.catalogue import Services
from admin.services.channels import NewChannel
from admin.services.hashing import SlowHashes
from admin.services.jobs import Job
from admin.services.keys import NewKey
from admin.services.sign_ins import user_caller
from admin.services.tokens import NewToken
from admin.services.users import NewUser
from admin.stores.users import UserView
from gateway.settings import load
from gateway.stores.secret_hash import CostClass, hash_token
from gateway.tasks import Crew
from tests.admin.api.stand import DOCS_URL, listening, write_settings
from tests.doubles import ManualClock

ADMIN = operator("tests")
PASSWORD = "correct horse battery staple"
# A control plane without workers to ask.
NOBODY = Gatherer(
    {}, lambda: b"", lambda: {"status": "ready", "redis": "ok", "sql": "ok"}, Ended(None)
)
# Nothing here speaks TLS; to read the machine's certificates takes longer than most tests.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_CSRF = re.compile(r'name="_csrf" value="([^"]+)"')


@dataclass(frozen=True)
class Person:
    """A user; `token` is the cookie of one sign-in of theirs."""

    user: UserView
    token: str

    @property
    def email(self) -> str:
        """What they sign in with."""
        return self.user.email

    @property
    def caller(self) -> Caller:
        """Them, as somebody who asks a service."""
        return user_caller(self.user, "127.0.0.1", "tests")


@dataclass(frozen=True)
class Account:
    """An account with a member and a key; `ids` are by the name of the place that takes them in a path."""

    id: str
    name: str
    member: Person
    ids: Mapping[str, str]
    words: frozenset[str] = field(default_factory=frozenset)


@dataclass
class House:
    """All of it. `own` and `other` are two accounts that must know nothing of each other."""

    url: str
    services: Services
    clock: ManualClock
    admin: Person
    own: Account
    other: Account

    async def person(
        self,
        role: Role,
        account: str | None = None,
        name: str = "Ada",
        email: str = "",
        password: str = "",
    ) -> Person:
        """Somebody new, who is signed in, and has a password if one is given."""
        return await person(self.services, role, account, name=name, email=email, password=password)

    @contextlib.asynccontextmanager
    async def browsing(self, who: Person | None = None) -> AsyncIterator["Browsing"]:
        """A browser without a screen: cookies, and forms as a browser sends them."""
        async with httpx.AsyncClient(base_url=self.url, timeout=30, verify=NO_TLS) as client:
            if who is not None:
                client.cookies.set("keywright", who.token, domain="127.0.0.1")
            yield Browsing(client, self.url)


@dataclass(frozen=True)
class Browsing:
    """Pages are got, forms are sent."""

    client: httpx.AsyncClient
    origin: str

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """A page."""
        return await self.client.get(path, headers=headers)

    async def csrf(self, path: str = "/sign-in") -> str:
        """What the forms of a page carry."""
        found = _CSRF.search((await self.get(path)).text)
        assert found is not None
        return found[1]

    async def send(
        self,
        path: str,
        fields: Mapping[str, Any] | None = None,
        *,
        page: str | None = None,
        **headers: str,
    ) -> httpx.Response:
        """Send a form of the page at `page`, or of the one that answers every signed-in user."""
        token = await self.csrf(page or "/")
        sent = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", **headers}
        return await self.client.post(path, data={"_csrf": token, **(fields or {})}, headers=sent)

    async def ended(self, begun: httpx.Response) -> httpx.Response:
        """The last page of the long work that this answer has begun."""
        async with asyncio.timeout(30):
            path = begun.headers["Location"]
            while "data-running" in (page := await self.get(path)).text:  # noqa: ASYNC110 -- as a browser looks again
                await asyncio.sleep(0.01)
            return page

    async def upload(
        self, path: str, body: bytes, name: str = "keys.csv", **fields: str
    ) -> httpx.Response:
        """Send the form of the page at this path, which has a file."""
        sent = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin"}
        data = {"_csrf": await self.csrf(path), **fields}
        return await self.client.post(path, data=data, files={"file": (name, body)}, headers=sent)

    async def sign_in(self, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        """Send the sign-in form."""
        fields = {"email": email, "password": password, **more}
        return await self.send("/sign-in", fields, page="/sign-in")

    @property
    def cookie(self) -> str:
        """The sign-in's cookie; empty without one."""
        return self.client.cookies.get("keywright") or ""


async def person(
    services: Services,
    role: Role,
    account: str | None = None,
    *,
    name: str = "Ada",
    email: str = "",
    password: str = "",
) -> Person:
    """A user who is signed in; without `password` they have none, and no time is spent on hashing one."""
    place = (account or "all").replace("_", "-").lower()
    email = email or f"{name.lower()}.{role}@{place}.example"
    made = await services.users.create(ADMIN, NewUser(email, name, role, account))
    caller = user_caller(made, "127.0.0.1", "tests")
    console = services.console
    begun = await console.sign_ins.begin(caller, made, "password", "tests")
    who = Person(made, begun.token)
    if password:
        await console.passwords.change(caller, password, begun.sign_in.id)
    return who


async def _account(services: Services, name: str) -> Account:
    account = await services.accounts.create(ADMIN, name)
    slug = account.id.replace("acc_", "").lower()
    member = await person(
        services, Role.MEMBER, account.id, name=name, email=f"member@{slug}.example"
    )
    key = await services.keys.create(
        member.caller, NewKey(account.id, f"{name}-dns-sync", scopes=["read-only"])
    )
    once = f"made-by-{name.lower():_<12}"
    asking = replace(member.caller, idempotency=Idempotency(once, "tests"))
    await services.keys.create(asking, NewKey(account.id, f"{name}-spare", scopes=["read-only"]))
    channel_once = f"told-by-{name.lower():_<12}"
    asking = replace(member.caller, idempotency=Idempotency(channel_once, "tests"))
    webhook = NewChannel("webhook", f"{name} hook", account.id, url="https://hooks.example/in")
    channel = (await services.channels.create(asking, webhook)).channel
    token = await services.tokens.create(ADMIN, NewToken(f"{name} reader", "viewer", account.id))
    ids = {
        "once": once,
        "channel_once": channel_once,
        "channel_id": channel.id,
        "raise_id": "raise_0123456789ABCDEF",
        "delivery_id": (await services.deliveries.test(member.caller, channel.id)).id,
        "account_id": account.id,
        "token_id": token.token.id,
        "token_once": "0123456789abcdef",
        "key_id": key.key.id,
        "secret_id": key.key.secrets[0].id,
        "user_id": member.user.id,
        "work_id": services.console.jobs.begin(member.caller, "disable", Disabling(), _nothing).id,
        "sign_in_id": (await services.console.sign_ins.list(member.caller))[0].id,
    }
    return Account(account.id, name, member, ids, frozenset(ids.values()) | {name, member.email})


def _quick_hashes() -> SlowHashes:
    """Passwords are hashed as keys are; what a password must cost is tested where that is decided (tests/stores)."""
    return SlowHashes(lambda text, _: hash_token(text, CostClass.GENERATED))


async def _nothing(_job: Job) -> AsyncGenerator[None, None]:
    """Work that is done before it has begun."""
    for _ in ():
        yield


@contextlib.asynccontextmanager
async def housed(
    folder: Path,
    sql_url: str,
    valkey_url: str,
    *,
    clock: ManualClock | None = None,
    port: int = 0,
    **sections: Any,  # noqa: ANN401 -- what YAML can hold
) -> AsyncIterator[House]:
    """The console on these stores; `sections` replace those of the stand's settings."""
    limits = [{"name": "default", "quota": 1000, "window": "60s"}]
    usual: dict[str, Any] = {
        "listen": {"trusted_proxies": ["127.0.0.0/8"]},
        "plans": {
            "starter": {"limits": limits, "quota": {"requests": 100_000}},
            "large": {"limits": limits},
        },
    }
    sections = {**usual, **sections}
    settings = load(write_settings(folder, sql_url, valkey_url, sections), {})
    clock = clock or ManualClock()
    source = Source(folder / "keywright.yaml", {})
    async with opened(settings, clock=clock, hashes=_quick_hashes()) as services, Crew() as crew:
        _ = crew.start("long work", services.console.jobs.run())
        app = api_app(
            services,
            clock,
            docs_url=DOCS_URL,
            trusted_proxies=settings.listen.trusted_proxies,
        )
        mount_console(app, settings, services, clock, overview_of(settings, NOBODY, source))
        admin = await person(services, Role.ADMIN, name="Grace")
        own, other = await _account(services, "Acme"), await _account(services, "Zebra")
        async with listening(app, port) as url:
            yield House(url, services, clock, admin, own, other)

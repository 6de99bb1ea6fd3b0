"""Creating, showing and revoking keys, as the command line, the API and the console do it."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Sequence

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.faults import NotFound
from admin.core.page import PAGE_MAX, PageRequest
from admin.services.accounts import AccountFilter, AccountService, AccountView
from admin.services.keys import KeyRules, KeyService, NewKey
from admin.services.usage import UsageService
from admin.stores.keys import KeyStore
from gateway.core.changes import Change, Receipt
from gateway.core.errors import Misuse, StoreError
from gateway.core.keys import Environment, KeyStatus, KeyType
from gateway.core.limits import CountedPer, Limit
from gateway.core.token import parse
from gateway.stores.secret_hash import verify
from gateway.stores.sql_engine import open_engine, read_rows
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.sql_usage import SqlKeyUsage, SqlUsageStore
from gateway.stores.tables import secrets
from tests.admin.world import OPERATOR, accounts_of
from tests.contracts.test_usage_store import RECORD
from tests.doubles import ManualClock
from tests.fixtures_sql import free_port
from tests.hostile import HOSTILE

SCOPES = ("read-only", "read-write", "dns-only")
DAY_SECONDS = 86_400.0


class Listeners:
    """Announcer: two workers who hear everything, and what SQL said at that moment."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = SqlKeyReader(engine)
        self.heard: list[tuple[Change, tuple[str, ...]]] = []
        self.status_in_sql: list[KeyStatus] = []

    async def announce(self, change: Change, buried: Sequence[tuple[str, int]]) -> Receipt:
        """Answer at once."""
        secret_ids = tuple(secret_id for secret_id, _ in buried)
        self.heard.append((change, secret_ids))
        for secret_id in secret_ids:
            found = await self._reader.find(secret_id)
            assert found is not None
            self.status_in_sql.append(found.key.status)
        return Receipt(workers=2, acknowledged=2, milliseconds=1)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock()


@pytest.fixture
def listeners(sql_engine: AsyncEngine) -> Listeners:
    """Whoever is told of changes."""
    return Listeners(sql_engine)


def service_of(
    engine: AsyncEngine, listeners: Listeners, clock: ManualClock, **rules: str
) -> KeyService:
    """A key service under the rules of the example configuration, or others."""
    return KeyService(KeyStore(engine), listeners, clock, KeyRules(SCOPES, **rules))


@pytest.fixture
def service(sql_engine: AsyncEngine, listeners: Listeners, clock: ManualClock) -> KeyService:
    """The key service on a real database."""
    return service_of(sql_engine, listeners, clock)


@pytest.fixture
def account_service(
    sql_engine: AsyncEngine, listeners: Listeners, clock: ManualClock
) -> AccountService:
    """The account service on the same database."""
    return accounts_of(sql_engine, listeners, clock)


@pytest.fixture
async def account(account_service: AccountService) -> AccountView:
    """An account to give keys to."""
    return await account_service.create(OPERATOR, "Ada")


@pytest.mark.parametrize("vendor", ["", "acme"])
async def test_created_key_works(
    sql_engine: AsyncEngine,
    listeners: Listeners,
    clock: ManualClock,
    account: AccountView,
    vendor: str,
) -> None:
    """The token that is handed out is the one that the gateway will find and verify."""
    service = service_of(sql_engine, listeners, clock, vendor=vendor)
    order = NewKey(account.id, "ci", type="pk", environment="test", scopes=["dns-only"])
    created = await service.create(order)
    parsed = parse(created.secret, vendor)
    assert parsed is not None
    stored = await SqlKeyReader(sql_engine).find(parsed.secret_id)

    assert (parsed.type, parsed.environment) == (KeyType.PUBLISHABLE, Environment.TEST)
    assert stored is not None
    assert verify(stored.token_hash, created.secret.encode())
    assert stored.key.id == created.key.id
    assert stored.key.scopes == ("dns-only",)
    assert stored.key.version == created.key.version == 2


async def test_created_key_keeps_all_it_was_given(
    service: KeyService, account: AccountView, clock: ManualClock
) -> None:
    """What was asked for is what is shown, now and later."""
    order = NewKey(
        account.id,
        "everything",
        scopes=["dns-only", "read-only", "dns-only"],
        expires_in_seconds=90 * DAY_SECONDS,
        not_before=clock.now() + DAY_SECONDS,
        addresses=["192.0.2.1", "2001:DB8::/32"],
        origins=["https://App.example.com"],
        limits=[Limit("own", 5, 60, CountedPer.ACCOUNT)],
        metadata={"team": "dns"},
    )
    created = (await service.create(order)).key

    assert created.scopes == ("dns-only", "read-only")
    assert created.expires_at == clock.now() + 90 * DAY_SECONDS
    assert created.not_before == clock.now() + DAY_SECONDS
    assert created.addresses == ("192.0.2.1/32", "2001:db8::/32")
    assert created.origins == ("https://app.example.com",)
    assert created.limits == (Limit("own", 5, 60, CountedPer.ACCOUNT),)
    assert created.metadata == {"team": "dns"}
    assert await service.show(created.id) == created


async def test_token_is_shown_once(
    sql_engine: AsyncEngine, service: KeyService, account: AccountView
) -> None:
    """After its creation nothing, neither the database nor any answer or printed value, holds the token."""
    created = await service.create(NewKey(account.id, "once"))
    secret_part = created.secret[20:]
    rows = await read_rows(sql_engine, "look", select(secrets))
    told = [created, created.key, await service.show(created.key.id), await service.list(), *rows]

    assert created.key.secrets[0].shown == created.secret[:12] + "…"
    for value in told:
        assert secret_part not in repr(value)


async def test_scopes_default_to_reading(
    sql_engine: AsyncEngine, listeners: Listeners, clock: ManualClock, account: AccountView
) -> None:
    """A key made without a thought can only read; where there is no such scope the thought is asked for."""
    with_reading = KeyService(
        KeyStore(sql_engine), listeners, clock, KeyRules(["read-only", "all"])
    )
    without = KeyService(KeyStore(sql_engine), listeners, clock, KeyRules(["all", "dns"]))
    created = await with_reading.create(NewKey(account.id, "k"))

    assert created.key.scopes == ("read-only",)
    with pytest.raises(Misuse, match=r"Say which scopes.*all, dns"):
        await without.create(NewKey(account.id, "k"))


async def test_lists_tell_accounts_apart(
    service: KeyService, account_service: AccountService, account: AccountView, clock: ManualClock
) -> None:
    """A list of one account's keys has all of them, oldest first, and nobody else's."""
    other = await account_service.create(OPERATOR, "Grace")
    made = []
    for owner in (account, other, account):
        made.append((await service.create(NewKey(owner.id, "k"))).key)
        clock.advance(1)

    assert await service.list(account.id) == (made[0], made[2])
    assert await service.list() == tuple(made)
    assert await service.list("acc_nobody") == ()


async def test_revocation_is_committed_before_it_is_announced(
    sql_engine: AsyncEngine,
    service: KeyService,
    account: AccountView,
    listeners: Listeners,
    clock: ManualClock,
) -> None:
    """A worker that forgets its copy can only read the revoked key, whose version has grown."""
    created = await service.create(NewKey(account.id, "k"))
    clock.advance(60)
    revoked = await service.revoke(created.key.id)
    secret_id = created.key.secrets[0].id

    assert listeners.heard == [(Change(3, key_id=created.key.id), (secret_id,))]
    assert listeners.status_in_sql == [KeyStatus.REVOKED]
    assert revoked.receipt == Receipt(2, 2, 1)
    assert revoked.key.status is KeyStatus.REVOKED
    assert revoked.key.revoked_at == clock.now()
    assert await SqlKeyReader(sql_engine).versions([secret_id]) == {secret_id: 3}


async def test_revoking_again_changes_nothing(
    service: KeyService, account: AccountView, listeners: Listeners, clock: ManualClock
) -> None:
    """Whoever did not get the receipt asks again: same key, same moment, and the workers are told again."""
    created = await service.create(NewKey(account.id, "k"))
    first = await service.revoke(created.key.id)
    clock.advance(60)
    second = await service.revoke(created.key.id)

    assert second.key == first.key
    assert [change.version for change, _ in listeners.heard] == [3, 3]


async def test_revoking_twice_at_once(
    service: KeyService, account: AccountView, listeners: Listeners
) -> None:
    """Two operators who act together revoke once."""
    created = await service.create(NewKey(account.id, "k"))
    await asyncio.gather(*(service.revoke(created.key.id) for _ in range(5)))

    assert {change.version for change, _ in listeners.heard} == {3}


async def test_unknown_ids_are_told(service: KeyService) -> None:
    """An id that names nothing is refused in words that lead on, and nobody is told of anything."""
    for ask in (service.show, service.revoke):
        with pytest.raises(NotFound, match=r"no key key_0.*keys list"):
            await ask("key_0")
    with pytest.raises(NotFound, match=r"no account acc_0.*accounts list"):
        await service.create(NewKey("acc_0", "k"))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param({"name": ""}, "name of 1 to 100", id="no-name"),
        pytest.param({"name": " "}, "name of 1 to 100", id="blank-name"),
        pytest.param({"name": "n" * 101}, "name of 1 to 100", id="long-name"),
        pytest.param({"name": "a\nb"}, "name of 1 to 100", id="name-of-two-lines"),
        pytest.param({"type": "xx"}, "no key type 'xx'. There are: sk, pk", id="type"),
        pytest.param({"environment": "prod"}, "There are: live, test", id="environment"),
        pytest.param({"scopes": ["dns"]}, "no scope 'dns'. There are: read-only", id="scope"),
        pytest.param({"expires_in_seconds": 0.0}, "more than 0 seconds", id="expires-now"),
        pytest.param({"expires_in_seconds": -1.0}, "more than 0 seconds", id="expired"),
        pytest.param({"expires_in_seconds": float("nan")}, "more than 0", id="no-number"),
        pytest.param({"expires_in_seconds": 1e12}, "at most 100 years", id="for-ever"),
        pytest.param({"not_before": -1.0}, "between the years", id="before-1970"),
        pytest.param({"not_before": float("inf")}, "between the years", id="never"),
        pytest.param({"addresses": ["192.0.2.1/24"]}, "no bits set behind", id="host-bits"),
        pytest.param({"addresses": ["localhost"]}, "'192.0.2.0/24'", id="host-name"),
        pytest.param({"addresses": ["::"] * 101}, "at most 100 addresses", id="many"),
        pytest.param({"origins": ["https://a.example/x"]}, "without a path", id="path"),
        pytest.param({"origins": ["https://a.example/"]}, "without a path", id="slash"),
        pytest.param({"origins": ["a.example"]}, "'https://app.example.com'", id="no-scheme"),
        pytest.param({"origins": ["https://u@a.example"]}, "not an origin", id="user"),
        pytest.param({"origins": ["https://a.example:x"]}, "not an origin", id="port"),
        pytest.param({"origins": ["https://[::1"]}, "not an origin", id="bracket"),
        pytest.param({"limits": [Limit("a", 0, 60)]}, "from 1 to", id="no-quota"),
        pytest.param({"limits": [Limit("a", 1, 0)]}, "from 1 to", id="no-window"),
        pytest.param({"limits": [Limit("a", 1, 1)] * 2}, "same name", id="limit-twice"),
        pytest.param({"metadata": {"a\0": "x"}}, "name of 1 to 100", id="metadata-name"),
        pytest.param({"metadata": {"a": "\ud800"}}, "printable", id="metadata-text"),
        pytest.param({"metadata": {"a": "x" * 1001}}, "at most 1000", id="metadata-long"),
    ],
)
async def test_what_cannot_be(
    service: KeyService, account: AccountView, wrong: dict[str, object], words: str
) -> None:
    """A mistake is told with what would be right, and leaves nothing behind."""
    order: dict[str, object] = {"account_id": account.id, "name": "k", **wrong}
    with pytest.raises(Misuse) as raised:
        await service.create(NewKey(**order))  # type: ignore[arg-type]

    assert words in str(raised.value)
    assert await service.list() == ()


async def test_hostile_texts_are_names_or_mistakes(
    service: KeyService, account_service: AccountService, account: AccountView
) -> None:
    """No text in place of an id or a name is run, or breaks anything: it is kept as it is, or refused."""
    assert len(HOSTILE) >= 200
    kept = 0
    for text in HOSTILE:
        for ask in (service.show, service.revoke):
            with pytest.raises(NotFound):
                await ask(text)
        with contextlib.suppress(NotFound):
            assert await service.list(text) == ()
        try:
            created = await account_service.create(OPERATOR, text)
        except Misuse:
            continue
        kept += 1
        assert created.name == text
        with pytest.raises(Misuse):
            await service.create(NewKey(text, "k"))
        with pytest.raises(Misuse):
            await service.create(NewKey(account.id, "k", scopes=[text]))
        with pytest.raises(Misuse):
            await account_service.create(OPERATOR, "k", plan=text)

    found = await account_service.list(OPERATOR, AccountFilter(), PageRequest(PAGE_MAX))
    names = [each.name for each in found.items]
    assert len(names) == kept + 1
    assert kept > 100
    assert set(names) <= {*HOSTILE, "Ada"}


async def test_refusals_can_be_printed(service: KeyService) -> None:
    """What is told of a hostile text is one short, plain line."""
    for text in HOSTILE:
        with pytest.raises(NotFound) as raised:
            await service.show(text)

        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 700


async def test_usage_of_a_key(
    sql_engine: AsyncEngine, service: KeyService, account: AccountView
) -> None:
    """A key's requests are shown; a key without any is told from one that does not exist."""
    usage = UsageService(service, SqlKeyUsage(sql_engine))
    created = (await service.create(NewKey(account.id, "k"))).key
    assert await usage.latest(OPERATOR, created.id) == ()
    records = [dataclasses.replace(RECORD, key_id=created.id)] * 30
    await SqlUsageStore(sql_engine).write("w", 1, records)

    assert len(await usage.latest(OPERATOR, created.id)) == 20
    assert len(await usage.latest(OPERATOR, created.id, 0)) == 1
    with pytest.raises(NotFound):
        await usage.latest(OPERATOR, "key_0")


async def test_no_database_is_no_answer(listeners: Listeners, clock: ManualClock) -> None:
    """While SQL is away nothing is done, nothing is announced, and nothing is called unknown."""
    engine = open_engine(f"postgresql://u@127.0.0.1:{free_port()}/d")
    service = service_of(engine, listeners, clock)
    for asked in (service.revoke("key_1"), service.show("key_1"), service.list()):
        with pytest.raises(StoreError):
            await asked

    assert listeners.heard == []
    await engine.dispose()

"""What the source of truth owes the look-up, on either database."""

from dataclasses import replace

import pytest
from sqlalchemy import Table, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.keys import Account, ApiAccess, Environment, Key, KeyStatus, KeyType, Owner
from gateway.core.limits import CountedPer, Limit
from gateway.ports import KeyReader, StoredKey
from gateway.stores.sql_engine import write_transaction
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.tables import accounts, keys, secrets, users
from tests.hostile import HOSTILE

FIRST = "0123456789AB"
SECOND = "zzzzzzzzzzzz"
HASH = "$argon2id$v=19$m=1$not-a-real-hash"

ACCOUNT_ROW = {
    "id": "acc_1",
    "name": "Ada's Ångström GmbH",
    "plan": "starter",
    "status": "active",
    "api_access": "approved",
    "version": 40,
    "created_us": 1,
    "updated_us": 1,
}
KEY_ROW = {
    "id": "key_1",
    "account_id": "acc_1",
    "name": "deploy 🚀",
    "type": "sk",
    "environment": "live",
    "status": "active",
    "scopes": ["read-only", "dns-only"],
    "not_before_us": 1_500_000,
    "expires_us": 1_795_239_000_123_456,
    "addresses": ["192.0.2.0/24"],
    "origins": ["https://app.example.com"],
    "limits": [{"name": "own", "quota": 5, "window_seconds": 60, "per": "account"}],
    "metadata": {"team": "dns"},
    "version": 2,
    "created_us": 1,
    "updated_us": 1,
    "revoked_us": None,
}
USER_ROW = {
    "id": "user_1",
    "email": "ada@example.com",
    "name": "Ada",
    "role": "member",
    "account_id": "acc_1",
    "scopes": None,
    "status": "active",
    "version": 100,
    "created_us": 1,
    "updated_us": 1,
}
SECRET_ROW = {
    "id": FIRST,
    "key_id": "key_1",
    "token_hash": HASH,
    "cost_class": "generated",
    "created_us": 1,
    "expires_us": None,
    "revoked_us": None,
}
KEY = Key(
    id="key_1",
    name="deploy 🚀",
    account=Account("acc_1", "Ada's Ångström GmbH", "starter", ApiAccess.APPROVED),
    type=KeyType.SECRET,
    environment=Environment.LIVE,
    status=KeyStatus.ACTIVE,
    scopes=("read-only", "dns-only"),
    secret_id=FIRST,
    version=42,
    not_before=1.5,
    expires_at=1_795_239_000.123456,
    addresses=("192.0.2.0/24",),
    origins=("https://app.example.com",),
    limits=(Limit("own", 5, 60, CountedPer.ACCOUNT),),
)


@pytest.fixture
async def reader(sql_engine: AsyncEngine) -> KeyReader:
    """A reader over one key with two secrets, the second of which ends and is revoked."""
    async with write_transaction(sql_engine, "prepare") as connection:
        await connection.execute(insert(accounts), ACCOUNT_ROW)
        await connection.execute(insert(keys), KEY_ROW)
        await connection.execute(insert(secrets), SECRET_ROW)
        second = {"id": SECOND, "expires_us": 2_000_000, "revoked_us": 3_000_000}
        await connection.execute(insert(secrets), {**SECRET_ROW, **second})
    return SqlKeyReader(sql_engine)


async def test_find_tells_everything(reader: KeyReader) -> None:
    """Admission decides on what was stored, to the microsecond and the last character."""
    assert await reader.find(FIRST) == StoredKey(KEY, HASH)


async def test_find_sees_the_key_through_the_secret(reader: KeyReader) -> None:
    """A revoked secret ends for its holder, while the key's other secret still serves."""
    found = await reader.find(SECOND)

    assert found is not None
    assert found.key.status is KeyStatus.REVOKED
    assert found.key.secret_expires_at == 2.0


@pytest.mark.parametrize("status", list(KeyStatus))
async def test_find_hides_no_status(
    reader: KeyReader, sql_engine: AsyncEngine, status: KeyStatus
) -> None:
    """A key that may not be used is found all the same: its holder is told why."""
    async with write_transaction(sql_engine, "change") as connection:
        await connection.execute(update(keys).values(status=status.value))
    found = await reader.find(FIRST)

    assert found is not None
    assert found.key.status is status


async def give_owner(engine: AsyncEngine, **columns: object) -> None:
    """The key becomes that of a member, with these columns otherwise than usual."""
    async with write_transaction(engine, "change") as connection:
        await connection.execute(insert(users).values({**USER_ROW, **columns}))
        await connection.execute(update(keys).values(owner_id="user_1"))


@pytest.mark.parametrize(
    ("columns", "owner"),
    [
        pytest.param({}, Owner("member", None), id="member"),
        pytest.param({"scopes": []}, Owner("member", ()), id="member-without-scopes"),
        pytest.param(
            {"scopes": ["read-only", "ä"]}, Owner("member", ("read-only", "ä")), id="narrowed"
        ),
        pytest.param({"role": "admin", "account_id": None}, Owner("admin", None), id="admin"),
    ],
)
async def test_find_tells_the_owner(
    reader: KeyReader, sql_engine: AsyncEngine, columns: dict[str, object], owner: Owner
) -> None:
    """A key is narrowed by what its owner may do at this moment."""
    await give_owner(sql_engine, **columns)
    found = await reader.find(FIRST)

    assert found == StoredKey(replace(KEY, owner=owner, version=142), HASH)
    assert await reader.versions([FIRST]) == {FIRST: 142}


@pytest.mark.parametrize(
    ("of_the_key", "seen"),
    [
        (KeyStatus.ACTIVE, KeyStatus.DISABLED),
        (KeyStatus.DISABLED, KeyStatus.DISABLED),
        (KeyStatus.REVOKED, KeyStatus.REVOKED),
    ],
)
async def test_a_disabled_owner_disables_the_key(
    reader: KeyReader, sql_engine: AsyncEngine, of_the_key: KeyStatus, seen: KeyStatus
) -> None:
    """Who may not sign in may not call either; a revoked key stays revoked, through either secret."""
    await give_owner(sql_engine, status="disabled")
    async with write_transaction(sql_engine, "change") as connection:
        await connection.execute(update(keys).values(status=of_the_key.value))
    first, second = await reader.find(FIRST), await reader.find(SECOND)

    assert first is not None
    assert second is not None
    assert (first.key.status, second.key.status) == (seen, KeyStatus.REVOKED)


@pytest.mark.parametrize("api_access", list(ApiAccess))
async def test_a_suspended_account_has_no_api_access(
    reader: KeyReader, sql_engine: AsyncEngine, api_access: ApiAccess
) -> None:
    """Whatever was approved before, a suspended account's keys are not let through."""
    async with write_transaction(sql_engine, "change") as connection:
        await connection.execute(
            update(accounts).values(status="suspended", api_access=api_access.value)
        )
    found = await reader.find(FIRST)

    assert found is not None
    assert found.key.account.api_access is ApiAccess.DISABLED


@pytest.mark.parametrize(
    "secret_id",
    [
        pytest.param("0123456789AC", id="another"),
        pytest.param("0123456789ab", id="other-case"),
        pytest.param("", id="empty"),
        pytest.param(FIRST[:-1], id="too-short"),
        pytest.param(FIRST + "A", id="too-long"),
        pytest.param("%" * 12, id="wildcards"),
        pytest.param("_" * 12, id="single-wildcards"),
    ],
)
async def test_find_nothing(reader: KeyReader, secret_id: str) -> None:
    """An id that names no secret is no outage and nobody else's key."""
    assert await reader.find(secret_id) is None


async def test_hostile_texts_find_nothing(reader: KeyReader) -> None:
    """No text in place of an id is ever run, and none breaks the look-up."""
    for text in HOSTILE:
        assert await reader.find(text) is None, repr(text)

    assert await reader.versions(HOSTILE) == {}
    assert await reader.find(FIRST) == StoredKey(KEY, HASH)


@pytest.mark.parametrize("table", [accounts, keys, users], ids=["account", "key", "owner"])
async def test_version_grows_with_key_account_and_owner(
    reader: KeyReader, sql_engine: AsyncEngine, table: Table
) -> None:
    """A change of the account or owner outdates the copies of its keys just as a change of the key does."""
    await give_owner(sql_engine)
    async with write_transaction(sql_engine, "change") as connection:
        await connection.execute(update(table).values(version=table.c.version + 1))
    found = await reader.find(FIRST)

    assert found is not None
    assert found.key.version == KEY.version + 101
    assert await reader.versions([FIRST]) == {FIRST: KEY.version + 101}


async def test_versions_of_what_exists(reader: KeyReader) -> None:
    """A poll learns of every known secret in few statements, and of none that is gone."""
    gone = [f"{number:012d}" for number in range(2500)]

    assert await reader.versions([*gone, FIRST, SECOND]) == {FIRST: 42, SECOND: 42}
    assert await reader.versions([]) == {}


async def test_a_stored_key_hides_its_hash(reader: KeyReader) -> None:
    """What is printed of a key, by a careless log line too, cannot be guessed against."""
    assert "argon2" not in repr(await reader.find(FIRST))

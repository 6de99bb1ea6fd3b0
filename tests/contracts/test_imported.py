"""How the source of truth finds values that were made elsewhere, on either database."""

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.credential import Credential, Pepper
from gateway.core.keys import KeyDigest, KeyStatus
from gateway.ports import FoundImported, StoredKey
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.sql_imported import SqlImportedDigests
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.tables import accounts, imported_digests, keys, secrets
from tests.contracts.test_key_reader import ACCOUNT_ROW, FIRST, HASH, KEY, KEY_ROW, SECRET_ROW
from tests.hostile import HOSTILE

OLD, NEW = Pepper("p1", b"o" * 32), Pepper("p2", b"n" * 32)
VALUE = "AIza-legacy ✓"
IMPORTED = StoredKey(KEY, HASH, is_imported=True)


def digest_of(pepper: Pepper, value: str = VALUE) -> KeyDigest:
    """As the import writes it."""
    return Credential(value).digest(pepper)


@pytest.fixture
async def engine(sql_engine: AsyncEngine) -> AsyncEngine:
    """A database with one key, whose only secret was imported under the older pepper."""
    async with write_transaction(sql_engine, "prepare") as connection:
        await connection.execute(insert(accounts), ACCOUNT_ROW)
        await connection.execute(insert(keys), KEY_ROW)
        await connection.execute(insert(secrets), {**SECRET_ROW, "cost_class": "imported"})
        await connection.execute(
            insert(imported_digests),
            {"pepper_id": "p1", "digest": digest_of(OLD).value.hex(), "secret_id": FIRST},
        )
    return sql_engine


async def digests_in(engine: AsyncEngine) -> list[tuple[str, str, str]]:
    """Every row of the table."""
    rows = await read_rows(engine, "look", select(imported_digests).order_by("pepper_id"))
    return [(row.pepper_id, row.digest, row.secret_id) for row in rows]


async def test_a_value_is_found_under_any_pepper(engine: AsyncEngine) -> None:
    """The key comes back whole, with the pepper under which it stands."""
    reader = SqlKeyReader(engine)

    assert await reader.find_imported([digest_of(NEW), digest_of(OLD)]) == FoundImported(
        IMPORTED, "p1"
    )
    assert await reader.find(FIRST) == IMPORTED


async def test_the_first_digest_goes_before_the_next(engine: AsyncEngine) -> None:
    """A value that stands under both peppers is found under the current one, and not written again."""
    await SqlImportedDigests(engine).add(digest_of(NEW), FIRST)
    found = await SqlKeyReader(engine).find_imported([digest_of(NEW), digest_of(OLD)])

    assert found == FoundImported(IMPORTED, "p2")


@pytest.mark.parametrize(
    "digests",
    [
        pytest.param([], id="none"),
        pytest.param([digest_of(NEW)], id="another-pepper"),
        pytest.param([digest_of(OLD, "another")], id="another-value"),
        pytest.param([KeyDigest("p2", digest_of(OLD).value)], id="right-bytes-wrong-pepper"),
        pytest.param([KeyDigest("p1", b"")], id="empty"),
    ],
)
async def test_nothing_else_is_found(engine: AsyncEngine, digests: list[KeyDigest]) -> None:
    """Only the digest of this value under this pepper finds the key."""
    assert await SqlKeyReader(engine).find_imported(digests) is None


async def test_no_value_breaks_the_look_up(engine: AsyncEngine) -> None:
    """Of a value only its digest ever reaches the database."""
    reader = SqlKeyReader(engine)

    for text in HOSTILE:
        assert await reader.find_imported([digest_of(OLD, text)]) is None, repr(text)


async def test_a_revoked_imported_key_is_found_revoked(engine: AsyncEngine) -> None:
    """Its holder is told why it does not work any more."""
    async with write_transaction(engine, "change") as connection:
        await connection.execute(update(secrets).values(revoked_us=1))
    found = await SqlKeyReader(engine).find_imported([digest_of(OLD)])

    assert found is not None
    assert found.stored.key.status is KeyStatus.REVOKED


async def test_a_digest_is_added_once(engine: AsyncEngine) -> None:
    """Workers that renew the same digest at the same time leave one row, and the older one stays."""
    digests = SqlImportedDigests(engine)
    await digests.add(digest_of(NEW), FIRST)
    await digests.add(digest_of(NEW), FIRST)

    assert await digests_in(engine) == [
        ("p1", digest_of(OLD).value.hex(), FIRST),
        ("p2", digest_of(NEW).value.hex(), FIRST),
    ]


async def test_a_digest_of_no_secret_is_not_added(engine: AsyncEngine) -> None:
    """A secret that is gone meanwhile is no fault, and leaves nothing behind."""
    await SqlImportedDigests(engine).add(digest_of(NEW), "zzzzzzzzzzzz")

    assert len(await digests_in(engine)) == 1

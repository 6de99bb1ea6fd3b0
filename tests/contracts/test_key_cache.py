"""What L2 owes the look-up."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from gateway.core.credential import Pepper, Peppers
from gateway.core.errors import StoreError
from gateway.core.keys import (
    Account,
    ApiAccess,
    Environment,
    Key,
    KeyDigest,
    KeyStatus,
    KeyType,
    Owner,
)
from gateway.core.limits import CountedPer, Limit
from gateway.ports import CachedKey, KeyCache
from gateway.stores.key_cache import RedisKeyCache, bury
from gateway.stores.redis_client import RedisStore
from tests.doubles import MemoryKeyCache
from tests.fixtures_valkey import ValkeyServer

SECRET_ID = "0123456789AB"
REDIS_KEY = "keywright:key:{0123456789AB}"
KEY = Key(
    id="key_1",
    name="deploy 🚀",
    account=Account("acc_1", "Ada's Ångström GmbH", "starter", ApiAccess.APPROVED),
    type=KeyType.SECRET,
    environment=Environment.LIVE,
    status=KeyStatus.ACTIVE,
    scopes=("read-only", "dns-only"),
    secret_id=SECRET_ID,
    version=42,
    not_before=1.5,
    expires_at=1_795_239_000.123456,
    secret_expires_at=None,
    addresses=("192.0.2.0/24",),
    origins=("https://app.example.com",),
    limits=(Limit("own", 5, 60, CountedPer.ACCOUNT),),
    owner=Owner("member", ("read-only",)),
)
PEPPER = Pepper("p1", b"p" * 32)
PEPPERS = Peppers(PEPPER)
CACHED = CachedKey(KEY, KeyDigest("p1", bytes(range(32))))
BARE = replace(
    CACHED, key=replace(KEY, scopes=(), addresses=(), origins=(), limits=(), name="", owner=None)
)
UNNARROWED = replace(CACHED, key=replace(KEY, owner=Owner("member", None)))

Bury = Callable[[str, int], Awaitable[None]]


def at_version(version: int) -> CachedKey:
    """The same key, as read when it had this version."""
    return replace(CACHED, key=replace(KEY, version=version))


class KeyCacheContract:
    @pytest.mark.parametrize(
        "cached",
        [CACHED, BARE, UNNARROWED],
        ids=["everything-set", "nothing-set", "owner-without-a-list"],
    )
    async def test_what_was_filled_is_found(self, cache: KeyCache, cached: CachedKey) -> None:
        """A key comes back field by field as it was."""
        assert await cache.find(SECRET_ID) is None
        assert await cache.fill(cached)
        assert await cache.find(SECRET_ID) == cached
        assert await cache.find("AB0123456789") is None

    @pytest.mark.parametrize(
        ("first", "second", "is_written", "found"),
        [
            pytest.param(7, 8, True, 8, id="newer-replaces"),
            pytest.param(8, 8, True, 8, id="same-replaces"),
            pytest.param(8, 7, False, 8, id="older-is-kept-out"),
            pytest.param(10, 9, False, 10, id="as-numbers-not-as-text"),
        ],
    )
    async def test_the_newest_copy_stays(
        self, cache: KeyCache, first: int, second: int, is_written: bool, found: int
    ) -> None:
        """Of two workers that fill at once the one with the older copy loses."""
        await cache.fill(at_version(first))

        assert await cache.fill(at_version(second)) is is_written
        assert await cache.find(SECRET_ID) == at_version(found)

    async def test_a_slow_fill_does_not_undo_a_revocation(
        self, cache: KeyCache, bury: Bury
    ) -> None:
        """A copy read before the revocation is not written after it, however often it is tried."""
        await cache.fill(at_version(41))
        await bury(SECRET_ID, 43)
        written = [await cache.fill(at_version(version)) for version in (41, 42)]

        assert written == [False, False]
        assert await cache.find(SECRET_ID) is None
        assert await cache.fill(at_version(43))
        assert await cache.find(SECRET_ID) == at_version(43)

    async def test_a_race_of_fills_and_a_revocation_never_ends_with_the_old_key(
        self, cache: KeyCache, bury: Bury
    ) -> None:
        """In whatever order they arrive, no older copy is there afterwards."""
        for version in range(50, 70):
            await asyncio.gather(
                cache.fill(at_version(version)),
                bury(SECRET_ID, version + 1),
                cache.fill(at_version(version)),
            )

            assert await cache.find(SECRET_ID) is None

    async def test_a_pointer_leads_where_it_was_told(self, cache: KeyCache) -> None:
        """An imported value is led to its secret, a later word replaces an earlier, and a stranger finds nothing."""
        digest, other = CACHED.digest, CACHED.digest._replace(value=bytes(32))
        await cache.point(digest, "AAAAAAAAAAAA")
        await cache.point(digest, SECRET_ID)

        assert await cache.pointed(digest) == SECRET_ID
        assert await cache.pointed(other) is None

    async def test_a_pointer_outlives_its_entry(self, cache: KeyCache, bury: Bury) -> None:
        """A tombstone stands before whatever a pointer leads to."""
        await cache.fill(CACHED)
        await cache.point(CACHED.digest, SECRET_ID)
        await bury(SECRET_ID, 43)

        assert await cache.pointed(CACHED.digest) == SECRET_ID
        assert await cache.find(SECRET_ID) is None


class TestMemoryKeyCache(KeyCacheContract):
    @pytest.fixture
    def cache(self) -> MemoryKeyCache:
        """The double that other tests use."""
        return MemoryKeyCache()

    @pytest.fixture
    def bury(self, cache: MemoryKeyCache) -> Bury:
        """How a revocation reaches it."""

        async def leave(secret_id: str, version: int) -> None:
            cache.leave_tombstone(secret_id, version)

        return leave


class TestRedisKeyCache(KeyCacheContract):
    @pytest.fixture
    def cache(self, redis_store: RedisStore) -> RedisKeyCache:
        """The real one."""
        return RedisKeyCache(redis_store, PEPPERS)

    @pytest.fixture
    def bury(self, redis_store: RedisStore) -> Bury:
        """How a revocation reaches it."""

        async def leave(secret_id: str, version: int) -> None:
            await bury(redis_store, [(secret_id, version)])

        return leave


async def test_an_older_tombstone_does_not_erase_a_newer_one(redis_store: RedisStore) -> None:
    """Announcements that overtake each other leave the newest floor."""
    cache = RedisKeyCache(redis_store, PEPPERS)
    await bury(redis_store, [(SECRET_ID, 9)])
    await bury(redis_store, [(SECRET_ID, 5)])

    assert not await cache.fill(at_version(8))


async def test_entries_and_tombstones_do_not_stay_for_ever(redis_store: RedisStore) -> None:
    """An entry lives an hour, a tombstone a day: longer than any fill can be on its way."""
    cache = RedisKeyCache(redis_store, PEPPERS)
    await cache.fill(CACHED)
    entry = await redis_store.read("ttl", "TTL", REDIS_KEY)
    await bury(redis_store, [(SECRET_ID, 43)])
    tombstone = await redis_store.read("ttl", "TTL", REDIS_KEY)

    assert (3590 <= entry <= 3600, 86_390 <= tombstone <= 86_400) == (True, True)


async def test_a_pointer_gives_nothing_away(redis_store: RedisStore) -> None:
    """Who reads Redis finds neither the value nor its digest in a pointer, and a pointer does not stay for ever."""
    cache = RedisKeyCache(redis_store, PEPPERS)
    await cache.point(CACHED.digest, SECRET_ID)
    (name,) = await redis_store.read("keys", "KEYS", "*")
    life = await redis_store.read("ttl", "TTL", name)

    assert name.startswith(b"keywright:imported:")
    assert CACHED.digest.value.hex().encode() not in name
    assert CACHED.digest.value not in name
    assert 3590 <= life <= 3600


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("SET", b"\xff\xfe"), id="not-text"),
        pytest.param(("SET", ""), id="empty"),
        pytest.param(("RPUSH", "x"), id="list"),
    ],
)
async def test_garbage_in_place_of_a_pointer_leads_nowhere(
    redis_store: RedisStore, command: tuple[str, str | bytes]
) -> None:
    """What somebody else wrote under a pointer's name breaks nothing, finds no entry, and is replaced."""
    cache = RedisKeyCache(redis_store, PEPPERS)
    await cache.fill(CACHED)
    await cache.point(CACHED.digest, SECRET_ID)
    (name,) = await redis_store.read("keys", "KEYS", "keywright:imported:*")
    await redis_store.write("spoil", "DEL", name)
    await redis_store.write("spoil", command[0], name, command[1])
    led = await cache.pointed(CACHED.digest)

    assert led is None or await cache.find(led) is None
    assert redis_store.is_healthy
    await cache.point(CACHED.digest, SECRET_ID)
    assert await cache.pointed(CACHED.digest) == SECRET_ID


async def test_a_pointer_needs_its_pepper(redis_store: RedisStore) -> None:
    """A pepper that was thrown away leads nowhere; an older one that is kept still does."""
    later = Pepper("p2", b"q" * 32)
    await RedisKeyCache(redis_store, PEPPERS).point(CACHED.digest, SECRET_ID)
    kept = RedisKeyCache(redis_store, Peppers(later, (PEPPER,)))
    gone = RedisKeyCache(redis_store, Peppers(later))
    await gone.point(CACHED.digest, "AAAAAAAAAAAA")

    assert await kept.pointed(CACHED.digest) == SECRET_ID
    assert await gone.pointed(CACHED.digest) is None


_BODY = {"scopes": ["read-write"], "secret_id": SECRET_ID, "version": 42}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("SET", REDIS_KEY, ""), id="empty-string"),
        pytest.param(("SET", REDIS_KEY, "x"), id="string"),
        pytest.param(("RPUSH", REDIS_KEY, "x"), id="list"),
        pytest.param(("HSET", REDIS_KEY, "body", "{}"), id="half-an-entry"),
        pytest.param(("HSET", REDIS_KEY, "body", ""), id="empty-body"),
        pytest.param(("HSET", REDIS_KEY, "body", "[1]"), id="body-is-a-list"),
        pytest.param(("HSET", REDIS_KEY, "body", "[" * 100_000), id="body-is-a-bomb"),
        pytest.param(("HSET", REDIS_KEY, "body", b"\xff\xfe"), id="body-is-not-text"),
        pytest.param(("HSET", REDIS_KEY, "body", json.dumps(_BODY)), id="body-lacks-fields"),
        pytest.param(("HSET", REDIS_KEY, "d", "short"), id="short-digest"),
        pytest.param(("HSET", REDIS_KEY, "v", "x"), id="version-is-no-number"),
        pytest.param(("HSET", REDIS_KEY, "v", "43"), id="version-of-another-body"),
        pytest.param(("HSET", REDIS_KEY, "p", b"\xff"), id="pepper-is-not-text"),
        pytest.param(("HDEL", REDIS_KEY, "d"), id="no-digest"),
    ],
)
async def test_garbage_is_a_miss(redis_store: RedisStore, command: tuple[str | bytes, ...]) -> None:
    """What somebody else wrote under a key's name neither allows nor breaks anything, and is replaced."""
    cache = RedisKeyCache(redis_store, PEPPERS)
    if command[0] in {"HSET", "HDEL"}:
        await cache.fill(CACHED)
    await redis_store.write("spoil", *command)

    assert await cache.find(SECRET_ID) is None
    assert redis_store.is_healthy
    assert await cache.fill(at_version(44))
    assert await cache.find(SECRET_ID) == at_version(44)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("expires_at", "NaN", id="never-expires"),
        pytest.param("expires_at", "1e999", id="beyond-a-double"),
        pytest.param("expires_at", '"9"', id="text-for-a-moment"),
        pytest.param("status", '"great"', id="unknown-status"),
        pytest.param("scopes", '"read-write"', id="text-for-a-list"),
        pytest.param("version", "true", id="truth-for-a-number"),
        pytest.param("secret_id", '"AB0123456789"', id="of-another-secret"),
        pytest.param("limits", "[[1]]", id="half-a-limit"),
        pytest.param("owner", '["member"]', id="half-an-owner"),
        pytest.param("owner", '"ab"', id="text-for-an-owner"),
        pytest.param("owner", '["member", "read-only"]', id="text-for-an-owner's-scopes"),
        pytest.param("owner", "[1, null]", id="number-for-a-role"),
    ],
)
async def test_a_body_with_a_wrong_field_is_a_miss(
    redis_store: RedisStore, field: str, value: str
) -> None:
    """Every field is what we would have written, or the entry does not count."""
    cache = RedisKeyCache(redis_store, PEPPERS)
    await cache.fill(CACHED)
    body = json.loads(await redis_store.read("get", "HGET", REDIS_KEY, "body"))
    texts = {name: json.dumps(old) for name, old in body.items()} | {field: value}
    spoilt = "{" + ",".join(f'"{name}":{text}' for name, text in texts.items()) + "}"
    seal = PEPPER.hmac_sha256(b"keywright cached key\0" + CACHED.digest.value + spoilt.encode())
    await redis_store.write("spoil", "HSET", REDIS_KEY, "body", spoilt, "seal", seal)

    assert await cache.find(SECRET_ID) is None


@pytest.mark.parametrize(
    ("field", "old", "new"),
    [
        pytest.param("body", b"read-only", b"read-write", id="wider-scopes"),
        pytest.param("body", b"starter", b"unlimited", id="another-plan"),
        pytest.param("d", bytes(range(32)), bytes(32), id="another-secret"),
        pytest.param("seal", b"", b"", id="no-seal"),
    ],
)
async def test_who_can_write_to_redis_cannot_change_a_key(
    redis_store: RedisStore, field: str, old: bytes, new: bytes
) -> None:
    """Only who knows the pepper can make an entry that counts; any other is a miss, and SQL decides."""
    cache = RedisKeyCache(redis_store, PEPPERS)
    await cache.fill(CACHED)
    held = await redis_store.read("get", "HGET", REDIS_KEY, field)
    await redis_store.write(
        "spoil", "HSET", REDIS_KEY, field, held.replace(old, new) if old else b""
    )

    assert await cache.find(SECRET_ID) is None


async def test_an_entry_is_good_under_an_older_pepper(redis_store: RedisStore) -> None:
    """A change of pepper does not empty the cache; a pepper that was thrown away does."""
    later = Peppers(Pepper("p2", b"q" * 32), (PEPPER,))
    await RedisKeyCache(redis_store, PEPPERS).fill(CACHED)

    assert await RedisKeyCache(redis_store, later).find(SECRET_ID) == CACHED
    assert await RedisKeyCache(redis_store, Peppers(later.current)).find(SECRET_ID) is None


async def test_nothing_that_proves_a_key_is_in_an_entry_but_the_digest(
    redis_store: RedisStore,
) -> None:
    """Redis holds HMAC digests, never a token nor its argon2 hash."""
    await RedisKeyCache(redis_store, PEPPERS).fill(CACHED)
    entry = await redis_store.read("get", "HGETALL", REDIS_KEY)

    assert set(entry[::2]) == {b"v", b"d", b"p", b"body", b"seal"}
    assert b"argon2" not in b"".join(entry)


async def test_a_dead_server_is_a_fault_and_not_a_miss(own_valkey: ValkeyServer) -> None:
    """An outage is never taken for an unknown key."""
    own_valkey.kill()
    async with RedisStore.open(own_valkey.url) as store:
        cache = RedisKeyCache(store, PEPPERS)
        with pytest.raises(StoreError):
            await cache.find(SECRET_ID)
        with pytest.raises(StoreError):
            await cache.fill(CACHED)
        with pytest.raises(StoreError):
            await cache.pointed(CACHED.digest)
        with pytest.raises(StoreError):
            await cache.point(CACHED.digest, SECRET_ID)


async def test_each_secret_is_buried_at_its_own_version(valkey_url: str) -> None:
    """An account's thousands of secrets, each with the version of its key, within a command's usual deadline."""
    buried = [(f"{number:012d}", number) for number in range(1, 3001)]
    async with RedisStore.open(valkey_url) as store:
        await store.check()
        await bury(store, buried)
        cache = RedisKeyCache(store, PEPPERS)
        for secret_id, version in (buried[0], buried[1499], buried[-1]):
            key = replace(KEY, secret_id=secret_id, version=version - 1)

            assert not await cache.fill(replace(CACHED, key=key))
            assert await cache.fill(replace(CACHED, key=replace(key, version=version)))

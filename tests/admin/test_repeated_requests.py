"""A repeated request: its answer is given again, for ten minutes, to the same caller, and nothing is done twice."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller, Idempotency, Role
from admin.core.faults import Changed, Conflict
from admin.services.accounts import AccountView
from admin.services.repeats import Earlier
from admin.services.sealing import Sealer
from admin.services.shown_once import ShownOnce
from admin.services.tokens import CreatedToken, NewToken, TokenService
from admin.services.users import NewUser
from admin.stores.idempotency import IdempotencyStore
from admin.stores.tokens import TokenStore
from gateway.core.credential import Pepper, Peppers
from gateway.core.keys import ApiAccess
from gateway.stores.tables import (
    accounts,
    admin_tokens,
    audit_entries,
    events,
    idempotency,
    to_us,
    users,
)
from tests.admin.world import OPERATOR, PEPPERS, World, caller_of, repeats_of

OLD = Peppers(Pepper("p0", b"an older pepper" * 3))
BOTH = Peppers(PEPPERS.current, (OLD.current,))
TEN_MINUTES = 600.0


@pytest.fixture
def world(sql_engine: AsyncEngine) -> World:
    """The services on a real database."""
    return World(sql_engine)


@pytest.fixture
async def account(world: World) -> AccountView:
    """Somebody's account."""
    return await world.accounts.create(OPERATOR, "Ada")


@pytest.mark.parametrize(
    ("make", "table"),
    [
        pytest.param(
            lambda world, caller: world.accounts.create(caller, "Grace"), accounts, id="account"
        ),
        pytest.param(
            lambda world, caller: world.users.create(
                caller, NewUser("g@example.com", "G", "admin")
            ),
            users,
            id="user",
        ),
        pytest.param(
            lambda world, caller: world.tokens.create(caller, NewToken("ci", "admin")),
            admin_tokens,
            id="token",
        ),
    ],
)
async def test_made_once(
    world: World,
    account: AccountView,
    make: Callable[[World, Caller], Awaitable[object]],
    table: object,
) -> None:
    """However often and at once a request to make something is repeated, it is made once, and each answer says so."""
    before = len(await world.rows(table))  # type: ignore[arg-type]
    entries = len(await world.rows(audit_entries))
    caller = caller_of(Role.ADMIN, key="k")
    made = await asyncio.gather(*(make(world, caller) for _ in range(6)))
    world.clock.advance(TEN_MINUTES)
    made.append(await make(world, caller))

    assert made == [made[0]] * 7
    assert len(await world.rows(table)) == before + 1  # type: ignore[arg-type]
    assert len(await world.rows(audit_entries)) == entries + 1


async def test_without_a_key_each_request_is_its_own(world: World) -> None:
    """Nobody is taken for repeating themselves who did not say so."""
    first = await world.accounts.create(OPERATOR, "Ada")
    second = await world.accounts.create(OPERATOR, "Ada")

    assert first.id != second.id
    assert await world.rows(idempotency) == []


async def test_a_decision_taken_once(world: World, account: AccountView) -> None:
    """A repeated decision is written down and told once; its answer has the state of now, and a receipt."""
    caller = caller_of(Role.ADMIN, key="k")
    first = await world.accounts.deny_access(caller, account.id, "no contract")
    await world.accounts.approve_access(OPERATOR, account.id)
    second = await world.accounts.deny_access(caller, account.id, "no contract")

    assert first.account.api_access is ApiAccess.DENIED
    assert second.account.api_access is ApiAccess.APPROVED
    assert second.receipt is not None
    assert [row.kind for row in await world.rows(events)] == ["access.denied", "access.approved"]


async def test_a_token_revoked_once(world: World) -> None:
    """A repeated revocation is answered like the first."""
    token, _ = await world.tokens.create(OPERATOR, NewToken("ci", "admin"))
    caller = caller_of(Role.ADMIN, key="k")
    first = await world.tokens.revoke(caller, token.id)
    world.clock.advance(5)

    assert await world.tokens.revoke(caller, token.id) == first


async def test_another_request_under_the_same_key(world: World, account: AccountView) -> None:
    """A key that comes back with another request is a mistake, told as one; nothing is done."""
    caller = caller_of(Role.ADMIN, key="k")
    await world.accounts.create(caller, "Grace")
    other = dataclasses.replace(caller, idempotency=Idempotency("k", "of another request"))
    before = len(await world.rows(audit_entries))
    for ask in (
        world.accounts.create(other, "Hedy"),
        world.accounts.disable_access(other, account.id),
        world.tokens.create(other, NewToken("ci", "admin")),
    ):
        with pytest.raises(Conflict, match="another request"):
            await ask

    assert len(await world.rows(audit_entries)) == before


async def test_everybody_has_their_own_keys(world: World) -> None:
    """Two callers who choose the same key do not get each other's answers."""
    one = await world.tokens.create(caller_of(Role.ADMIN, key="k"), NewToken("ci", "admin"))
    two = await world.tokens.create(
        caller_of(Role.ADMIN, key="k", id="usr_2"), NewToken("ci", "admin")
    )

    assert one.token.id != two.token.id


async def test_a_refused_request_leaves_its_key_free(world: World, account: AccountView) -> None:
    """Who repeats a request that failed may do so under the same key, and it is done."""
    caller = caller_of(Role.ADMIN, key="k")
    with pytest.raises(Changed):
        await world.accounts.disable_access(caller, account.id, expected=9)
    changed, _ = await world.accounts.disable_access(caller, account.id, expected=1)

    assert changed.api_access is ApiAccess.DISABLED


async def test_ten_minutes_later(world: World) -> None:
    """After ten minutes a key may be used anew, and the earlier answer is neither given nor kept."""
    caller = caller_of(Role.ADMIN, key="k")
    first = await world.tokens.create(caller, NewToken("ci", "admin"))
    world.clock.advance(TEN_MINUTES + 0.001)
    second = await world.tokens.create(caller, NewToken("ci", "admin"))
    (row,) = await world.rows(idempotency)

    assert second.token.id != first.token.id
    assert second.secret != first.secret
    assert (row.target_id, row.created_us) == (second.token.id, to_us(world.clock.now()))


async def test_what_is_old_is_swept_out(world: World) -> None:
    """Sealed secrets of requests that nobody repeated are gone from the database after ten minutes."""
    store = IdempotencyStore(world.engine)
    await world.tokens.create(caller_of(Role.ADMIN, key="old"), NewToken("ci", "admin"))
    world.clock.advance(TEN_MINUTES)
    await world.tokens.create(caller_of(Role.ADMIN, key="new"), NewToken("ci", "admin"))
    early = await store.forget_old(world.clock.now())
    world.clock.advance(0.001)
    late = await store.forget_old(world.clock.now())

    assert (early, late) == (0, 1)
    assert [row.key for row in await world.rows(idempotency)] == ["new"]
    assert await store.find("usr_admin", "old", world.clock.now()) is None


async def test_the_secret_is_sealed(world: World) -> None:
    """Who reads the database finds no token in it, not even in the minutes in which it can be asked for again."""
    created = await world.tokens.create(caller_of(Role.ADMIN, key="k"), NewToken("ci", "admin"))
    (row,) = await world.rows(idempotency)

    assert created.secret.encode() not in bytes(row.sealed)
    assert created.secret[20:40].encode() not in bytes(row.sealed)
    assert Sealer(lambda: OLD).open("9:usr_admink", bytes(row.sealed)) is None
    assert Sealer(lambda: PEPPERS).open("9:usr_admink", bytes(row.sealed)) == created.secret


def tokens_under(world: World, peppers: Peppers) -> TokenService:
    """The token service of a process that has these peppers."""
    return TokenService(
        TokenStore(world.engine),
        repeats_of(world.engine, peppers),
        world.clock,
        lambda: peppers,
        world.argon2.verify,
    )


async def test_a_new_pepper_in_between(world: World) -> None:
    """A pepper that was put in front of another loses no answer; one that replaced it does, and says what to do."""
    caller = caller_of(Role.ADMIN, key="k")
    new = NewToken("ci", "admin")
    first: CreatedToken = await tokens_under(world, OLD).create(caller, new)

    assert await tokens_under(world, BOTH).create(caller, new) == first
    with pytest.raises(Conflict, match=f"{first.token.id}.*cannot be shown again"):
        await tokens_under(world, PEPPERS).create(caller, new)


@pytest.mark.parametrize(
    "context", ["", "one", "1:ab", "2:a", "usr_1 and a key", "an id with ü and \ud83d\ude00"]
)
def test_what_was_sealed_opens_in_its_own_context(context: str) -> None:
    """A sealed secret that is moved to another row, cut or changed is no secret any more."""
    sealer = Sealer(lambda: PEPPERS)
    context = context.encode("utf-16", "surrogatepass").decode("utf-16")
    sealed = sealer.seal(context, "kwadmin_secret")

    assert sealer.open(context, sealed) == "kwadmin_secret"
    assert sealer.open(context + "x", sealed) is None
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        assert sealer.open(context, bytes(changed)) is None
        assert sealer.open(context, sealed[:at]) is None
    assert sealer.seal(context, "kwadmin_secret") != sealed


async def test_a_secret_is_taken_once(world: World, account: AccountView) -> None:
    """The page that shows a new secret has it once: neither reloading it nor repeating the request gives it again."""
    caller = caller_of(Role.ADMIN, None, "make-a-token")
    once = ShownOnce(repeats_of(world.engine), world.clock)
    made = await world.tokens.create(caller, NewToken("ci", Role.VIEWER, account.id))
    someone_else = dataclasses.replace(caller, id="usr_else")

    assert await once.take(someone_else) is None
    assert await once.take(caller) == Earlier(made.token.id, made.secret)
    assert await once.take(caller) is None
    with pytest.raises(Conflict, match="cannot be shown again"):
        await world.tokens.create(caller, NewToken("ci", Role.VIEWER, account.id))


async def test_of_two_who_take_a_secret_at_once_one_gets_it(
    world: World, account: AccountView
) -> None:
    """Two tabs that open the page at the same instant do not both show the secret."""
    caller = caller_of(Role.ADMIN, None, "make-a-token")
    once = ShownOnce(repeats_of(world.engine), world.clock)
    _ = await world.tokens.create(caller, NewToken("ci", Role.VIEWER, account.id))

    taken = await asyncio.gather(*(once.take(caller) for _ in range(4)))

    assert len([one for one in taken if one is not None]) == 1


async def test_a_secret_that_nobody_took_is_gone_after_ten_minutes(
    world: World, account: AccountView
) -> None:
    """Whoever comes back later has to make a new one."""
    caller = caller_of(Role.ADMIN, None, "make-a-token")
    once = ShownOnce(repeats_of(world.engine), world.clock)
    _ = await world.tokens.create(caller, NewToken("ci", Role.VIEWER, account.id))
    world.clock.advance(TEN_MINUTES + 1)

    assert await once.take(caller) is None
    assert await once.take(dataclasses.replace(caller, idempotency=None)) is None

"""Admin tokens: made for machines, narrowed, recognised, and ended at once."""

import asyncio
import dataclasses
import json

import pytest
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import PERMISSIONS, ActorKind, Caller, Idempotency, Permission, Role
from admin.core.faults import Conflict, NotAllowed, NotFound
from admin.core.page import PAGE_MAX, PageRequest
from admin.services.accounts import AccountView
from admin.services.tokens import CreatedToken, NewToken
from gateway.core.errors import Misuse, StoreError
from gateway.core.token import compose_admin, parse_admin, without_tokens
from gateway.stores.sql_engine import write_transaction
from gateway.stores.tables import admin_tokens, audit_entries, events, idempotency
from tests.admin.world import OPERATOR, World, caller_of
from tests.hostile import HOSTILE

ALL = PageRequest(PAGE_MAX)
READS = (Permission.KEYS_READ, Permission.USAGE_READ)


@pytest.fixture
def world(sql_engine: AsyncEngine) -> World:
    """The services on a real database."""
    return World(sql_engine)


@pytest.fixture
async def account(world: World) -> AccountView:
    """Somebody's account."""
    return await world.accounts.create(OPERATOR, "Ada")


async def asked(world: World, text: str) -> Caller | None:
    """Who this is, when it calls from somewhere."""
    return await world.tokens.authenticate(text, "192.0.2.9", "req_9")


async def made(world: World, role: str = "admin", **more: object) -> CreatedToken:
    """A new token."""
    return await world.tokens.create(OPERATOR, NewToken("ci", role, **more))  # type: ignore[arg-type]


async def test_a_token_is_its_holder(world: World, account: AccountView) -> None:
    """What is handed out is let in, as what it was made for, from where it calls."""
    token, secret = await made(world, "member", account_id=account.id)
    caller = await asked(world, secret)

    assert caller == Caller(
        kind=ActorKind.TOKEN,
        id=token.id,
        name="ci",
        role=Role.MEMBER,
        permissions=PERMISSIONS[Role.MEMBER],
        account_id=account.id,
        address="192.0.2.9",
        request_id="req_9",
    )
    assert f"tok_{parse_admin(secret)}" == token.id


async def test_only_a_hash_is_kept(world: World) -> None:
    """Who reads the database, the audit log or a log line cannot use the token."""
    created = await made(world)
    secret = created.secret
    stored = [
        str(row._asdict())
        for table in (admin_tokens, audit_entries, events, idempotency)
        for row in await world.rows(table)
    ]

    assert all(secret[25:45] not in text for text in stored)
    assert (await world.rows(admin_tokens))[0].token_hash.startswith("$argon2id$")
    assert secret not in repr(created)
    assert secret not in without_tokens(f"Bearer {secret}")


async def test_whatever_else_is_sent_is_nobody(world: World) -> None:
    """A wrong secret, an unknown id, and anything that is no token at all: nobody, in the same way."""
    _, secret = await made(world)
    public = parse_admin(secret)
    assert public is not None
    strangers = [
        compose_admin(public, "0" * 32),
        compose_admin("0" * 12, secret[20:52]),
        secret[:-1],
        secret + "0",
        secret.swapcase(),
        f"sk_live_{secret[8:]}",
        *HOSTILE,
    ]

    assert [text for text in strangers if await asked(world, text) is not None] == []
    assert await asked(world, secret) is not None


async def test_a_wrong_secret_after_a_right_one(world: World) -> None:
    """What is remembered of the right token lets no other one in."""
    _, secret = await made(world)
    public = parse_admin(secret)
    assert public is not None
    assert await asked(world, secret) is not None

    assert await asked(world, compose_admin(public, "1" * 32)) is None
    assert await asked(world, secret) is not None


async def test_argon2_runs_once(world: World) -> None:
    """A token in constant use costs one slow hash in the life of a process; a wrong one costs each time."""
    _, secret = await made(world)
    for _ in range(5):
        assert await asked(world, secret) is not None
    once = world.argon2.calls
    for _ in range(3):
        assert await asked(world, compose_admin("0" * 12, "0" * 32)) is None

    assert once == 1
    assert world.argon2.calls == 4


async def test_expiry_to_the_instant(world: World) -> None:
    """A token with a life ends when it is over, also one that was used before."""
    token, secret = await made(world, expires_in_seconds=60.0)
    assert token.expires_at == world.clock.now() + 60
    world.clock.advance(59.999)
    before = await asked(world, secret)
    world.clock.advance(0.001)
    after = await asked(world, secret)

    assert before is not None
    assert after is None


async def test_what_the_audit_log_says_of_tokens(world: World, account: AccountView) -> None:
    """Who gave what to whom can be told later: the role, the account, the permissions, the end."""
    token, _ = await made(world, "viewer", account_id=account.id, permissions=["keys:read"])
    await world.tokens.revoke(OPERATOR, token.id)
    created, revoked = (await world.rows(audit_entries))[-2:]

    assert json.loads(created.after) == {
        "name": "ci",
        "role": "viewer",
        "account": account.id,
        "permissions": ["keys:read"],
    }
    assert {(row.target_kind, row.target_id, row.account_id) for row in (created, revoked)} == {
        ("token", token.id, account.id)
    }
    assert (json.loads(revoked.before), json.loads(revoked.after)) == (
        {"status": "active"},
        {"status": "revoked"},
    )


async def test_revocation_is_immediate(world: World) -> None:
    """The next request of a revoked token is refused, although the process knew it well; twice does no harm."""
    token, secret = await made(world)
    assert await asked(world, secret) is not None
    first = await world.tokens.revoke(OPERATOR, token.id)
    world.clock.advance(5)
    second = await world.tokens.revoke(OPERATOR, token.id)

    assert await asked(world, secret) is None
    assert first.revoked_at is not None
    assert second == first
    assert [row.action for row in await world.rows(audit_entries)] == [
        "token.create",
        "token.revoke",
    ]


async def test_a_token_that_was_taken_out_of_the_database(world: World) -> None:
    """Nothing that a process remembers outlives the row."""
    _, secret = await made(world)
    assert await asked(world, secret) is not None
    async with write_transaction(world.engine, "tamper") as connection:
        await connection.execute(delete(admin_tokens))

    assert await asked(world, secret) is None


async def test_an_outage_is_no_refusal(world: World) -> None:
    """When the database is away nobody is told that their token is wrong."""
    _, secret = await made(world)
    await world.run("ALTER TABLE admin_tokens RENAME TO away")

    with pytest.raises(StoreError):
        await asked(world, secret)


async def test_narrowed_to_some_permissions(world: World, account: AccountView) -> None:
    """A token may do less than its role, never more."""
    token, secret = await made(world, permissions=[*READS, "keys:read"])
    caller = await asked(world, secret)

    assert token.permissions == READS
    assert caller is not None
    assert caller.permissions == frozenset(READS)
    with pytest.raises(NotAllowed, match="keys:write"):
        caller.require(Permission.KEYS_WRITE)
    with pytest.raises(Misuse, match=r"'member' does not have keys:import, tokens:write"):
        await made(
            world,
            "member",
            account_id=account.id,
            permissions=["tokens:write", "keys:import", "keys:read"],
        )
    with pytest.raises(Misuse, match=r"no permission 'keys:all'.*keys:read"):
        await made(world, permissions=["keys:all"])
    with pytest.raises(Misuse, match="nothing"):
        await made(world, permissions=[])


async def test_a_permission_of_a_later_release(world: World) -> None:
    """After going back to an older release a token has what that one knows, and no more."""
    _, secret = await made(world, permissions=READS)
    await world.put(admin_tokens, permissions=["keys:read", "moon:fly"])
    caller = await asked(world, secret)

    assert caller is not None
    assert caller.permissions == {Permission.KEYS_READ}


@pytest.mark.parametrize(
    ("role", "has_account", "words"),
    [
        ("admin", False, None),
        ("admin", True, "no account"),
        ("member", True, None),
        ("member", False, "say which"),
        ("viewer", True, None),
        ("viewer", False, "say which"),
        ("root", False, "no role 'root'"),
    ],
)
async def test_roles_and_accounts(
    world: World, account: AccountView, role: str, has_account: bool, words: str | None
) -> None:
    """An admin's token is for all accounts, any other for one."""
    account_id = account.id if has_account else None
    if words is None:
        assert (await made(world, role, account_id=account_id)).token.account_id == account_id
        return
    with pytest.raises(Misuse, match=words):
        await made(world, role, account_id=account_id)


async def test_an_account_that_is_not_there(world: World) -> None:
    """A token of no account is not made."""
    for account_id in ("acc_0", "nothing", "\0"):
        with pytest.raises(NotFound, match="acc"):
            await made(world, "member", account_id=account_id)

    assert await world.rows(admin_tokens) == []


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 1e12])
async def test_a_life_that_cannot_be(world: World, seconds: float) -> None:
    """A token's life is more than nothing and less than a century."""
    with pytest.raises(Misuse, match="life"):
        await made(world, expires_in_seconds=seconds)


async def test_nobody_gives_what_they_do_not_have(world: World, account: AccountView) -> None:
    """Who may make tokens cannot climb by making one: not above their permissions, nor out of their account."""
    some = frozenset({Permission.TOKENS_WRITE, Permission.KEYS_READ})
    caller = dataclasses.replace(caller_of(Role.ADMIN), permissions=some)
    for new in (
        NewToken("all", "admin"),
        NewToken("more", "admin", permissions=["keys:read", "keys:write"]),
        NewToken("other role", "viewer", account.id),
    ):
        with pytest.raises(NotAllowed, match="what you do not have"):
            await world.tokens.create(caller, new)
    same = await world.tokens.create(
        caller, NewToken("same", "admin", permissions=["keys:read", "tokens:write"])
    )
    less = await world.tokens.create(
        caller, NewToken("less", "member", account.id, permissions=["keys:read"])
    )
    of_one = caller_of(Role.ADMIN, account.id)
    with pytest.raises(NotAllowed, match="one account"):
        await world.tokens.create(of_one, NewToken("out", "admin"))
    other = await world.accounts.create(OPERATOR, "Grace")
    with pytest.raises(NotFound, match="no account"):
        await world.tokens.create(of_one, NewToken("across", "member", other.id))

    assert {each.id for each in (await world.tokens.list(OPERATOR, ALL)).items} == {
        same.token.id,
        less.token.id,
    }


async def test_only_admins_have_to_do_with_tokens(world: World, account: AccountView) -> None:
    """Members and viewers neither make, see nor end admin tokens."""
    token, _ = await made(world)
    for role in (Role.MEMBER, Role.VIEWER):
        caller = caller_of(role, account.id)
        for ask in (
            world.tokens.create(caller, NewToken("x", "viewer", account.id)),
            world.tokens.list(caller, ALL),
            world.tokens.show(caller, token.id),
            world.tokens.revoke(caller, token.id),
        ):
            with pytest.raises(NotAllowed, match="tokens:"):
                await ask


async def test_tokens_of_others_cannot_be_told_from_none(
    world: World, account: AccountView
) -> None:
    """Somebody whose view is one account finds its tokens only."""
    own, _ = await made(world, "member", account_id=account.id)
    hidden, _ = await made(world)
    caller = caller_of(Role.ADMIN, account.id)
    for ask in (world.tokens.show, world.tokens.revoke):
        said = []
        for token_id in (hidden.id, "tok_0"):
            with pytest.raises(NotFound) as raised:
                await ask(caller, token_id)
            said.append(str(raised.value).replace(token_id, "ID"))
        assert said[0] == said[1]

    assert (await world.tokens.list(caller, ALL)).items == (own,)
    assert await world.tokens.show(caller, own.id) == own
    assert (await world.tokens.show(OPERATOR, hidden.id)).revoked_at is None


async def test_pages_of_tokens(world: World) -> None:
    """All tokens are listed, revoked ones too, page after page."""
    tokens = [(await made(world)).token.id for _ in range(5)]
    await world.tokens.revoke(OPERATOR, tokens[0])
    seen: list[str] = []
    cursor = None
    for _ in range(3):
        page = await world.tokens.list(OPERATOR, PageRequest(2, cursor))
        seen += [each.id for each in page.items]
        cursor = page.next_cursor

    assert cursor is None
    assert sorted(seen) == sorted(tokens)


async def test_a_lost_answer_is_given_again(world: World) -> None:
    """Who lost the answer gets the very same token by asking again, and no second one is made."""
    caller = caller_of(Role.ADMIN, key="once")
    first, *others = await asyncio.gather(
        *(world.tokens.create(caller, NewToken("ci", "admin")) for _ in range(4))
    )

    assert [tuple(each) for each in others] == [tuple(first)] * 3
    assert await asked(world, first.secret) is not None
    assert len(await world.rows(admin_tokens)) == 1
    with pytest.raises(Conflict, match="another request"):
        await world.tokens.create(
            caller_of(Role.ADMIN, idempotency=Idempotency("once", "of something else")),
            NewToken("other", "admin"),
        )

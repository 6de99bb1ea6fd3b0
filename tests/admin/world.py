"""The services on a real database, for tests of the control plane."""

__all__ = [
    "OPERATOR",
    "PEPPERS",
    "PLANS",
    "SCOPES",
    "World",
    "accounts_of",
    "caller_of",
    "enforcement_of",
    "repeats_of",
]

import dataclasses
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import PERMISSIONS, ActorKind, Caller, Idempotency, Role, operator
from admin.services.accounts import AccountRules, AccountService
from admin.services.enforcing import Enforcement
from admin.services.records import RecordService
from admin.services.repeats import Repeats
from admin.services.sealing import Sealer
from admin.services.tokens import TokenService
from admin.services.users import UserService
from admin.stores.accounts import AccountStore
from admin.stores.concerned import ConcernedSecrets
from admin.stores.idempotency import IdempotencyStore
from admin.stores.records import RecordStore
from admin.stores.tokens import TokenStore
from admin.stores.users import UserStore
from gateway.core.changes import Change, Receipt
from gateway.core.credential import Pepper, Peppers
from gateway.core.keys import ApiAccess, Key
from gateway.ports import Announcer, Clock
from gateway.stores.secret_hash import verify
from gateway.stores.sql_engine import read_rows, write_transaction
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.tables import keys, secrets, to_us
from tests.contracts.test_key_reader import KEY_ROW, SECRET_ROW
from tests.doubles import ManualClock

OPERATOR = operator("tests")
PLANS = ("starter", "vps")
SCOPES = ("read-only", "read-write", "dns-only")
PEPPERS = Peppers(Pepper("p1", b"of these tests" * 3))


class Listeners:
    """Announcer: two workers who hear everything, and what SQL had for them at that very moment."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._reader = SqlKeyReader(engine)
        self.heard: list[tuple[Change, dict[str, int]]] = []
        self.in_sql: dict[str, Key] = {}

    async def announce(self, change: Change, buried: Sequence[tuple[str, int]]) -> Receipt:
        """Answer at once."""
        self.heard.append((change, dict(buried)))
        for secret_id, _ in buried:
            found = await self._reader.find(secret_id)
            assert found is not None
            self.in_sql[secret_id] = found.key
        return Receipt(workers=2, acknowledged=2, milliseconds=1)


class Argon2:
    """Checks hashes, and counts how often it had to."""

    def __init__(self) -> None:
        self.calls = 0

    async def verify(self, token_hash: str, token_bytes: bytes) -> bool:
        """Whether they belong together."""
        self.calls += 1
        return verify(token_hash, token_bytes)


class World:
    """All services on one database, with a clock that stands still."""

    def __init__(
        self, engine: AsyncEngine, default_api_access: ApiAccess = ApiAccess.APPROVED
    ) -> None:
        self.engine = engine
        self.clock = ManualClock()
        self.listeners = Listeners(engine)
        self.argon2 = Argon2()
        enforcement, repeats = enforcement_of(engine, self.listeners), repeats_of(engine)
        self.accounts = accounts_of(engine, self.listeners, self.clock, default_api_access)
        self.users = UserService(UserStore(engine), enforcement, repeats, self.clock, SCOPES)
        self.tokens = TokenService(
            TokenStore(engine), repeats, self.clock, lambda: PEPPERS, self.argon2.verify
        )
        self.records = RecordService(RecordStore(engine))

    async def key(
        self, account_id: str, number: int = 1, owner_id: str | None = None, **more: object
    ) -> str:
        """A key with the given number, and the id of its secret."""
        secret_id = f"{number:012d}"
        now = to_us(self.clock.now())
        row = {
            **KEY_ROW,
            "id": f"key_{number}",
            "account_id": account_id,
            "owner_id": owner_id,
            "not_before_us": None,
            "version": 1,
            "created_us": now,
            **more,
        }
        async with write_transaction(self.engine, "prepare") as connection:
            await connection.execute(insert(keys), row)
            await connection.execute(
                insert(secrets), {**SECRET_ROW, "id": secret_id, "key_id": row["id"]}
            )
        return secret_id

    async def found(self, secret_id: str) -> Key:
        """The key as a gateway finds it."""
        found = await SqlKeyReader(self.engine).find(secret_id)
        assert found is not None
        return found.key

    async def rows(self, table: Table) -> Sequence[Any]:
        """All rows of a table, in the order of its first column."""
        order = next(iter(table.columns))
        return await read_rows(self.engine, "look", select(table).order_by(order))

    async def put(self, table: Table, **values: object) -> None:
        """Change every row of a table behind Keywright's back."""
        async with write_transaction(self.engine, "tamper") as connection:
            await connection.execute(update(table).values(**values))

    async def run(self, *statements: str) -> None:
        """Change the database behind Keywright's back."""
        async with write_transaction(self.engine, "tamper") as connection:
            for statement in statements:
                await connection.execute(text(statement))


def caller_of(
    role: Role,
    account_id: str | None = None,
    key: str | None = None,
    **more: Any,  # noqa: ANN401 -- fields of Caller
) -> Caller:
    """Somebody with all permissions of the role; `key` is their Idempotency-Key."""
    caller = Caller(
        kind=ActorKind.USER,
        id=f"usr_{role}",
        name=f"{role}@example.com",
        role=role,
        permissions=PERMISSIONS[role],
        account_id=account_id,
        address="192.0.2.7",
        request_id="req_1",
        idempotency=None if key is None else Idempotency(key, "fingerprint"),
    )
    return dataclasses.replace(caller, **more)


def enforcement_of(engine: AsyncEngine, announcer: Announcer) -> Enforcement:
    """What finds the secrets concerned in `engine`, and tells `announcer`."""
    return Enforcement(announcer, ConcernedSecrets(engine))


def repeats_of(engine: AsyncEngine, peppers: Peppers = PEPPERS) -> Repeats:
    """The answers kept in `engine`."""
    return Repeats(IdempotencyStore(engine), Sealer(lambda: peppers))


def accounts_of(
    engine: AsyncEngine,
    announcer: Announcer,
    clock: Clock,
    default_api_access: ApiAccess = ApiAccess.APPROVED,
) -> AccountService:
    """The account service, with two plans to choose from."""
    return AccountService(
        AccountStore(engine),
        enforcement_of(engine, announcer),
        repeats_of(engine),
        clock,
        AccountRules(PLANS, PLANS[0], default_api_access),
    )

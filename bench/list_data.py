"""A million keys as an installation has them after three years: who has them, how they are called, how they ended."""

__all__ = ["DAY", "KEYS_MAX", "Counts", "fill"]

import asyncio
import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Dialect, Index, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex

from admin.core.naming import words_of
from admin.stores.key_words import words_column
from admin.stores.migrate import migrate
from gateway.core.token import ALPHABET
from gateway.stores.sql_engine import database_path
from gateway.stores.tables import accounts, key_words, keys, secret_uses, secrets, users

DAY = 86_400_000_000
KEYS_MAX = 10_000_000

_YEARS_3 = 3 * 365 * DAY
_AT_ONCE = 20_000
# The driver's own class has no types.
_POSTGRESQL: Callable[[], Dialect] = postgresql.dialect
_TABLES = (accounts, users, keys, secrets, secret_uses, key_words)
_SERVICES = "billing dns mail search orders stock ledger login maps media metrics notify".split()  # noqa: SIM905
_PURPOSES = "worker import export sync report web mobile partner backup ci".split()  # noqa: SIM905
_LIVES = (30 * DAY, 90 * DAY, 365 * DAY)


@dataclass(frozen=True, slots=True)
class Counts:
    """How much of what there is."""

    keys: int
    accounts: int = 2_000
    users: int = 6_000


async def fill(url: str, counts: Counts, now_us: int, advance: Callable[[int], None]) -> None:
    """Make the schema and fill it; `advance` is told of each so many keys. Raises Misuse for an odd URL."""
    await migrate(url)
    path = database_path(url)
    if path is None:
        await _fill_postgresql(url, counts, now_us, advance)
    else:
        await asyncio.to_thread(_fill_sqlite, path, counts, now_us, advance)


def _fill_sqlite(path: Path, counts: Counts, now_us: int, advance: Callable[[int], None]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    for index in _indexes():
        connection.execute(f"DROP INDEX {index.name}")
    # Words come in any order, and are kept in theirs: sorted once instead of put in between each time.
    connection.execute("CREATE TEMP TABLE unsorted (word, name, key_id)")
    connection.execute("BEGIN")
    for table, rows in _batches(counts, now_us):
        names = list(rows[0])
        places = ", ".join(f":{name}" for name in names)
        where = "unsorted" if table is key_words else table.name
        connection.executemany(
            f"INSERT INTO {where} ({', '.join(names)}) VALUES ({places})",  # noqa: S608
            rows,
        )
        advance(len(rows) if table is keys else 0)
    connection.execute("INSERT INTO key_words SELECT * FROM unsorted ORDER BY 1, 2, 3")
    for index in _indexes():
        connection.execute(str(CreateIndex(index).compile(dialect=sqlite.dialect())))
        advance(0)
    connection.execute("COMMIT")
    # Nothing tells SQLite's planner about the rows: a fresh installation has no ANALYZE either.
    connection.close()


async def _fill_postgresql(
    url: str, counts: Counts, now_us: int, advance: Callable[[int], None]
) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    for index in _indexes():
        await connection.execute(f"DROP INDEX {index.name}")
    await connection.execute("ALTER TABLE key_words DROP CONSTRAINT pk_key_words")
    for table, rows in _batches(counts, now_us):
        names = list(rows[0])
        await connection.copy_records_to_table(
            table.name, records=[tuple(row.values()) for row in rows], columns=names
        )
        advance(len(rows) if table is keys else 0)
    for index in _indexes():
        await connection.execute(str(CreateIndex(index).compile(dialect=_POSTGRESQL())))
        advance(0)
    await connection.execute(
        "ALTER TABLE key_words ADD CONSTRAINT pk_key_words PRIMARY KEY (word, name, key_id)"
    )
    # What autovacuum does by itself within a minute of such an import.
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _indexes() -> Iterator[Index]:
    for table in _TABLES:
        yield from sorted(table.indexes, key=lambda index: str(index.name))


def _batches(counts: Counts, now_us: int) -> Iterator[tuple[Table, Sequence[Mapping[str, Any]]]]:
    dice = random.Random(1)  # noqa: S311 -- the same million each time
    times = {"version": 1, "created_us": 0, "updated_us": 0, "status": "active"}
    yield (
        accounts,
        [
            {"id": _account(n), "name": f"Account {n}", "plan": "starter"}
            | {"api_access": "approved", **times}
            for n in range(counts.accounts)
        ],
    )
    yield (
        users,
        [
            {"id": _user(n), "email": f"user{n}@example.com", "name": f"User {n}", "role": "member"}
            | {"account_id": _account(n % counts.accounts)}
            | {**times, "status": "disabled" if n % 50 == 0 else "active"}
            for n in range(counts.users)
        ],
    )
    for start in range(0, counts.keys, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, counts.keys))
        made = [_key(n, counts, now_us, dice) for n in numbers]
        yield keys, made
        its_secrets = [_secret(n, key) for n, key in zip(numbers, made, strict=True)]
        yield secrets, its_secrets
        yield key_words, _words(made, its_secrets)
        yield secret_uses, [use for use in map(_use, made, its_secrets) if use["at_us"]]


def _key(n: int, counts: Counts, now_us: int, dice: random.Random) -> dict[str, Any]:
    created = now_us - _YEARS_3 + round(_YEARS_3 * n / counts.keys)
    age = (now_us - created) / _YEARS_3
    # A few accounts have most keys: the first has a tenth of all.
    account = min(int(counts.accounts ** dice.random()) - 1, counts.accounts - 1)
    status = "active"
    if dice.random() < 0.35 * age:
        status = "revoked"
    elif dice.random() < 0.02:
        status = "disabled"
    expires = created + dice.choice(_LIVES) if dice.random() < 0.5 else None
    last = min(now_us, expires or now_us, created + round(dice.expovariate(1 / (200 * DAY))))
    environment = "live" if dice.random() < 0.8 else "test"
    name = f"{environment}-{dice.choice(_SERVICES)}-{dice.choice(_PURPOSES)}-{n:07d}"
    return {
        "id": f"key_{_text(dice, 16)}",
        "account_id": _account(account),
        "owner_id": _user(account) if dice.random() < 0.6 else None,
        "name": name,
        "words": words_column(name),
        # Housekeeping has been there a minute ago.
        "lapsed": status == "active" and expires is not None and expires <= now_us - 60_000_000,
        "type": "pk" if dice.random() < 0.03 else "sk",
        "environment": environment,
        "status": status,
        "scopes": '["read-only"]',
        "addresses": "[]",
        "origins": "[]",
        "limits": "[]",
        "metadata": json.dumps({"team": dice.choice(_SERVICES)}),
        "not_before_us": now_us + DAY if dice.random() < 0.001 else None,
        "expires_us": expires,
        "revoked_us": min(now_us, created + DAY) if status == "revoked" else None,
        "deleted_us": now_us if status == "revoked" and dice.random() < 0.2 else None,
        "used_day": 0 if dice.random() < 0.15 else last // DAY,
        "version": 1,
        "created_us": created,
        "updated_us": created,
    }


def _secret(n: int, key: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{key['id'][4:12]}{n:04d}"[:12],
        "key_id": key["id"],
        "token_hash": "-",
        "cost_class": "generated",
        "created_us": key["created_us"],
        "until_unused": False,
    }


def _words(
    made: Sequence[Mapping[str, Any]], its_secrets: Sequence[Mapping[str, Any]]
) -> list[dict[str, str]]:
    found = {(word, key["name"], key["id"]) for key in made for word in words_of(key["name"])}
    found |= {(f"={secret['id']}", "", secret["key_id"]) for secret in its_secrets}
    return [{"word": word, "name": name, "key_id": key_id} for word, name, key_id in sorted(found)]


def _use(key: Mapping[str, Any], secret: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "secret_id": secret["id"],
        "key_id": key["id"],
        "at_us": key["used_day"] * DAY,
        "address": "192.0.2.1",
        "route": "dns",
        "count": 1,
    }


def _text(dice: random.Random, length: int) -> str:
    return "".join(dice.choices(ALPHABET, k=length))


def _account(n: int) -> str:
    return f"acc_{n:016d}"


def _user(n: int) -> str:
    return f"usr_{n:016d}"

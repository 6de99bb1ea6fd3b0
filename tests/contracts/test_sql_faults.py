"""What every use of SQL owes its caller when the database is away, slow, locked or out of reach."""

import asyncio
import contextlib
import socket
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import literal, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.errors import Misuse, StoreError
from gateway.core.keys import KeyDigest
from gateway.core.record import UsageRecord
from gateway.stores.schema import check_schema
from gateway.stores.sql_engine import (
    database_path,
    open_engine,
    read_rows,
    sqlite_url,
    write_transaction,
)
from gateway.stores.sql_imported import SqlImportedDigests
from gateway.stores.sql_keys import SqlKeyReader
from gateway.stores.sql_usage import SqlUsageStore
from gateway.stores.tables import accounts
from tests.fixtures_sql import Database, free_port, run_apart

SECRET_ID = "0123456789AB"
DEADLINE_SECONDS = 0.4
# The deadline, the quarter seconds in which a connection is closed, and a busy machine.
ANSWER_SECONDS = 2.0

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

RECORD = UsageRecord(
    at=1_000_000.5,
    key_id="key_1",
    account_id="acc_1",
    secret_id=SECRET_ID,
    route="dns",
    method="GET",
    path="/v1/dns/zones",
    status=200,
    outcome="served",
    bytes_in=10,
    bytes_out=20,
    duration_seconds=0.25,
    address="192.0.2.1",
    request_id="r-1",
)

DIGEST = KeyDigest("p1", bytes(range(32)))

USES: dict[str, Callable[[AsyncEngine], Awaitable[object]]] = {
    "find-key": lambda engine: SqlKeyReader(engine, DEADLINE_SECONDS).find(SECRET_ID),
    "find-imported": lambda engine: SqlKeyReader(engine, DEADLINE_SECONDS).find_imported([DIGEST]),
    "renew-digest": lambda engine: SqlImportedDigests(engine, DEADLINE_SECONDS).add(
        DIGEST, SECRET_ID
    ),
    "versions": lambda engine: SqlKeyReader(engine, DEADLINE_SECONDS).versions([SECRET_ID]),
    "write-usage": lambda engine: SqlUsageStore(engine, DEADLINE_SECONDS).write("w", 1, [RECORD]),
    "count-refused": lambda engine: SqlUsageStore(engine, DEADLINE_SECONDS).count_refused(
        "w", {(1, "unknown_key"): 1}
    ),
}
WRITES = ("write-usage", "count-refused", "renew-digest")


async def refused_in_time(engine: AsyncEngine, use: str) -> StoreError:
    """The StoreError that `use` raises soon enough."""
    began = time.monotonic()
    with pytest.raises(StoreError) as raised:
        await USES[use](engine)

    assert time.monotonic() - began < ANSWER_SECONDS
    assert raised.value.store == "sql"
    return raised.value


class Relay:
    """A TCP relay to PostgreSQL that can stop passing anything on without closing anything."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._is_open = asyncio.Event()
        self._is_open.set()
        self._writers: list[asyncio.StreamWriter] = []

    def hang(self) -> None:
        """From now on nothing arrives anywhere."""
        self._is_open.clear()

    def heal(self) -> None:
        """What was held back arrives."""
        self._is_open.set()

    def reset(self) -> None:
        """Break every connection off, as a server does that is restarted."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on both ways until one side ends."""
        await self._is_open.wait()
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers += [writer, far_writer]
        with contextlib.suppress(OSError):
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far_writer))
                group.create_task(self._pass_on(far_reader, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._is_open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def relayed(sql_url: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay in front of the PostgreSQL of `sql_url`, and the URL that leads through it."""
    port = int(sql_url.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
    relay = Relay(port)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    own_port = server.sockets[0].getsockname()[1]
    try:
        yield relay, sql_url.replace(f":{port}/", f":{own_port}/")
    finally:
        relay.heal()
        relay.reset()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("use", USES)
async def test_server_falls_silent(sql_url: str, use: str) -> None:
    """A PostgreSQL that stops answering on open connections costs a caller its deadline, and no more."""
    async with relayed(sql_url) as (relay, url):
        engine = open_engine(url)
        await USES[use](engine)
        relay.hang()

        await refused_in_time(engine, use)
        await engine.dispose()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_server_answers_again(sql_url: str) -> None:
    """After a silence the next call is served: no broken connection is kept."""
    async with relayed(sql_url) as (relay, url):
        engine = open_engine(url)
        relay.hang()
        await refused_in_time(engine, "find-key")
        relay.heal()

        assert await SqlKeyReader(engine).find(SECRET_ID) is None
        await engine.dispose()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("use", USES)
async def test_server_was_restarted(sql_url: str, use: str) -> None:
    """Connections that broke while nobody used them are replaced without anyone being refused."""
    async with relayed(sql_url) as (relay, url):
        engine = open_engine(url)
        await USES[use](engine)
        relay.reset()

        await USES[use](engine)
        await engine.dispose()


@pytest.mark.parametrize("use", USES)
async def test_nothing_listens(use: str) -> None:
    """A PostgreSQL that is not running is an outage, not a missing key."""
    engine = open_engine(f"postgresql://u:hidden-word@127.0.0.1:{free_port()}/d")
    error = await refused_in_time(engine, use)

    assert "hidden-word" not in repr(error)
    await engine.dispose()


async def test_connection_is_never_accepted() -> None:
    """A host that swallows packets costs a caller its deadline."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with contextlib.ExitStack() as stack:
            for _ in range(4):  # fill the queue of connections that nobody accepts
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(("127.0.0.1", port))
            engine = open_engine(f"postgresql://u@127.0.0.1:{port}/d")

            await refused_in_time(engine, "find-key")
            await engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("/t_", "/gone_"), id="no-such-database"),
        pytest.param(("//keywright:", "//nobody-known:"), id="no-such-user"),
    ],
)
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_server_does_not_know_us(sql_url: str, change: tuple[str, str]) -> None:
    """A database that turns us away is an outage too, told by the kind of fault only."""
    engine = open_engine(sql_url.replace(*change))
    error = await refused_in_time(engine, "find-key")

    assert "gone_" not in str(error)
    await engine.dispose()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("use", USES)
async def test_table_is_locked_in_postgresql(sql_engine: AsyncEngine, use: str) -> None:
    """Whoever locks a table holds no request up for longer than its deadline."""
    async with sql_engine.connect() as holder:
        await holder.execute(
            text(
                "LOCK TABLE accounts, imported_digests, usage_records, refused_requests"
                " IN ACCESS EXCLUSIVE MODE"
            )
        )

        await refused_in_time(sql_engine, use)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("use", USES)
async def test_sqlite_is_locked(sql_url: str, use: str) -> None:
    """Under BEGIN EXCLUSIVE readers read on, and writers are told within the deadline."""
    engine = open_engine(sql_url, busy_seconds=0.2)
    async with engine.connect() as holder:
        await holder.execute(text("BEGIN EXCLUSIVE"))
        if use in WRITES:
            error = await refused_in_time(engine, use)
            assert error.cause == "OperationalError SQLITE_BUSY"
        else:
            await USES[use](engine)
    await USES[use](engine)
    await engine.dispose()


async def run_without_end(engine: AsyncEngine) -> None:
    """Keep SQLite's thread busy until somebody interrupts it."""
    async with write_transaction(engine, "hang", DEADLINE_SECONDS) as connection:
        await connection.execute(text(ENDLESS))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_sqlite_hangs(sql_url: str) -> None:
    """A SQLite call that does not return is cut by the deadline, and its thread does not go on for ever."""
    engine = open_engine(sql_url)
    threads = set(threading.enumerate())
    began = time.monotonic()
    with pytest.raises(StoreError, match="TimeoutError"):
        await run_without_end(engine)

    assert time.monotonic() - began < ANSWER_SECONDS
    async with asyncio.timeout(ANSWER_SECONDS):
        while set(threading.enumerate()) - threads:  # noqa: ASYNC110 -- a thread sets no event
            await asyncio.sleep(0.01)
    assert await SqlKeyReader(engine).find(SECRET_ID) is None
    await engine.dispose()


async def test_every_connection_is_in_use(sql_engine: AsyncEngine) -> None:
    """When the pool is empty a caller waits for its deadline only."""
    async with contextlib.AsyncExitStack() as stack:
        size = 15 if sql_engine.dialect.name == "postgresql" else 8
        held = [await stack.enter_async_context(sql_engine.connect()) for _ in range(size)]
        assert len(held) == size

        await refused_in_time(sql_engine, "find-key")
    assert await SqlKeyReader(sql_engine).find(SECRET_ID) is None


async def break_off(engine: AsyncEngine, name: str) -> None:
    """Begin a transaction whose second row lacks what it must have; PostgreSQL then quotes that row."""
    texts = {"id": "acc_1", "name": name, "plan": "p", "status": "active", "api_access": "approved"}
    row = {**texts, "version": 1, "created_us": 1, "updated_us": 1}
    async with write_transaction(engine, "break off") as connection:
        await connection.execute(accounts.insert(), row)
        await connection.execute(accounts.insert(), {**row, "id": "acc_2", "plan": None})


async def test_failed_transaction_leaves_nothing(sql_engine: AsyncEngine) -> None:
    """A transaction that breaks off has written nothing, and its words carry no data."""
    with pytest.raises(StoreError, match="IntegrityError") as raised:
        await break_off(sql_engine, name := "-".join(["row", "quoted"]))

    assert name not in "".join(traceback.format_exception(raised.value))
    assert list(await read_rows(sql_engine, "look", accounts.select())) == []


async def test_empty_database_is_told(empty_sql_url: str) -> None:
    """A gateway on an unprepared database says what to run, and makes nothing itself."""
    engine = open_engine(empty_sql_url)
    with pytest.raises(Misuse, match="keywright migrate"):
        await check_schema(engine)
    await engine.dispose()

    path = database_path(empty_sql_url)
    assert path is None or not path.exists()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_sqlite_file_vanished(sql_url: str, database: Database) -> None:
    """A SQLite file that is gone is an outage; no empty one is made in its place."""
    path = database_path(sql_url)
    assert path is not None
    path.unlink()
    engine = open_engine(sql_url)
    await refused_in_time(engine, "find-key")

    assert not path.exists()
    await engine.dispose()


async def open_what_is_not_there(path: Path) -> None:
    """Fail, and end the loop at once."""
    engine = open_engine(sqlite_url(path))
    with pytest.raises(StoreError, match="SQLITE_CANTOPEN"):
        await SqlKeyReader(engine).find(SECRET_ID)
    await engine.dispose()


def test_failed_opening_leaves_no_thread(tmp_path: Path) -> None:
    """A process that ends because its database is missing ends in silence: no thread outlives its loop."""
    # Which ones, not how many: a thread of an earlier test may end meanwhile.
    threads = set(threading.enumerate())
    for _ in range(50):
        run_apart(open_what_is_not_there(tmp_path / "gone.db"))
    until = time.monotonic() + ANSWER_SECONDS
    while set(threading.enumerate()) - threads and time.monotonic() < until:
        time.sleep(0.001)

    assert not set(threading.enumerate()) - threads


async def test_many_open_a_new_sqlite_file_at_once(tmp_path: Path) -> None:
    """Its first change of mode, which SQLite lets nobody wait for, is nobody's failure."""
    for name in map(str, range(20)):
        path = tmp_path / name
        path.touch()
        engines = [open_engine(sqlite_url(path)) for _ in range(8)]
        try:
            await asyncio.gather(*(read_one(engine) for engine in engines))
        finally:
            await asyncio.gather(*(engine.dispose() for engine in engines))


async def read_one(engine: AsyncEngine) -> None:
    """One statement on a connection of its own."""
    await read_rows(engine, "read", select(literal(1)))

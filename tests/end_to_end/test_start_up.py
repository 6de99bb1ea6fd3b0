"""What stands in the way of a start is said in words that help, and nothing is lost by trying."""

import asyncio
import ctypes
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg  # type: ignore[import-untyped]
import pytest
from sqlalchemy import insert, text

from gateway.stores.places import DATABASE_NAME
from gateway.stores.schema import SCHEMA_REVISION
from gateway.stores.sql_engine import open_engine, write_transaction
from gateway.stores.tables import accounts, keys, secrets
from tests.admin.test_migrate import counted, make_older
from tests.contracts.test_key_reader import ACCOUNT_ROW, KEY_ROW, SECRET_ROW
from tests.fixtures_gateway import CLI, PATIENCE_SECONDS, SERVE, NewSite, Site, clean_environment
from tests.fixtures_sql import Postgres
from tests.fixtures_valkey import ValkeyServer

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
PASSWORD = "Pa55w0rd-of-the-store"
COMMANDS = pytest.mark.parametrize(
    "command", [SERVE, (*CLI, "serve")], ids=["gateway", "keywright-serve"]
)


class Refusal(NamedTuple):
    """How a process ended that could not start."""

    code: int
    text: str


def modes_count() -> None:
    """Take from root the right to write where the mode forbids it; others never had it."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)


def refused(
    config: Path,
    command: tuple[str, ...] = SERVE,
    *,
    environment: Mapping[str, str] | None = None,
    before_exec: Callable[[], None] | None = None,
) -> Refusal:
    """What the process said when it gave up; it must do so by itself, soon, and without a stack trace."""
    done = subprocess.run(
        [*command, "-c", str(config)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
        env=clean_environment(**(environment or {})),
        preexec_fn=before_exec,
    )
    assert done.returncode in {1, 2}, done.stdout
    assert "Traceback" not in done.stdout
    assert '  File "' not in done.stdout
    return Refusal(done.returncode, done.stdout)


def prepared(new_site: NewSite, **sections: Any) -> Site:  # noqa: ANN401 -- of the configuration
    """A site whose database is set up."""
    site: Site = new_site(**sections)
    assert site.operator.account
    return site


@COMMANDS
def test_every_mistake_in_the_configuration_is_told(
    new_site: NewSite, command: tuple[str, ...]
) -> None:
    """One attempt shows all mistakes, each with its line, its field and what would be right."""
    config = new_site().folder / "bad.yaml"
    config.write_text(
        "listen: {prot: 8080}\n"
        "admin: {port: 99999}\n"
        "upstreams: {dns: {targets: ['http://127.0.0.1:9001']}}\n"
        "routes:\n"
        "  - {name: a, match: {path: '/a/**'}, upstream: dsn}\n"
        "plans: {starter: {limits: [{quota: many, window: 60}]}}\n"
    )

    code, said = refused(config, command)

    assert code == 2
    for line, words in {1: "prot", 2: "admin.port", 5: "dsn", 6: "quota"}.items():
        assert any(f"{config}:{line}" in each and words in each for each in said.splitlines()), said
    assert "port" in said
    assert "dns" in said


@COMMANDS
def test_a_configuration_that_is_not_there(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A wrong file name is told with the name."""
    code, said = refused(tmp_path / "nowhere.yaml", command)

    assert code == 2
    assert "nowhere.yaml" in said


@COMMANDS
def test_nothing_to_stand_before(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Without an upstream there is nothing to serve; the message says what to add."""
    config = tmp_path / "empty.yaml"
    config.write_text("")

    code, said = refused(config, command)

    assert code == 2
    assert "upstreams" in said


@pytest.mark.parametrize("section", ["listen", "admin"])
def test_a_port_in_use(new_site: NewSite, section: str) -> None:
    """A port that another program has is named, with the setting that chooses it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        site = prepared(new_site, **{section: {"host": "127.0.0.1", "port": port}})

        code, said = refused(site.config)

    assert code == 1
    assert str(port) in said
    assert f"{section}.port" in said


def _a_file_in_its_place(folder: Path) -> None:
    folder.write_text("something of somebody's")


def _not_ours_to_write(folder: Path) -> None:
    folder.mkdir(0o500)


@COMMANDS
@pytest.mark.parametrize("spoil", [_a_file_in_its_place, _not_ours_to_write], ids=["file", "mode"])
def test_a_data_folder_that_cannot_be_written(
    new_site: NewSite, spoil: Callable[[Path], None], command: tuple[str, ...]
) -> None:
    """The folder is named, and so is the setting that chooses another; what lies there is left alone."""
    site: Site = new_site()
    spoil(site.data_dir)
    had = site.data_dir.read_text() if site.data_dir.is_file() else None

    code, said = refused(site.config, command, before_exec=modes_count)

    assert code in {1, 2}
    assert str(site.data_dir) in said
    assert "data_dir" in said
    assert had is None or site.data_dir.read_text() == had


def test_a_data_folder_whose_path_is_too_long(new_site: NewSite) -> None:
    """A path too long for the private Valkey's socket is told before anything starts."""
    site: Site = new_site()
    deep = site.folder / ("d" * 100)
    site.configure({"data_dir": str(deep)})
    assert site.operator.account

    code, said = refused(site.config)

    assert code == 1
    assert "too long" in said
    assert "data_dir" in said


def test_a_data_folder_in_use(new_site: NewSite) -> None:
    """Two gateways do not fight for one folder: the second says so, and the first goes on."""
    site: Site = new_site()
    first = site.start()

    code, said = refused(site.config)

    assert code == 1
    assert "already" in said
    assert str(site.data_dir) in said
    assert first.admin("/readyz").status == 200


def test_a_pepper_that_others_can_read(new_site: NewSite) -> None:
    """A pepper file with loose permissions is refused, and what to do is said; the file stays as it is."""
    site = prepared(new_site)
    site.start().stop()
    (pepper,) = (path for path in site.data_dir.iterdir() if "pepper" in path.name)
    pepper.chmod(0o644)
    had = pepper.read_bytes()

    code, said = refused(site.config)

    assert code == 1
    assert str(pepper) in said
    assert "600" in said
    assert pepper.read_bytes() == had


@contextmanager
def _nobody() -> Iterator[str]:
    """An address where connections are refused: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+cluster"])
def test_redis_is_not_there(new_site: NewSite, scheme: str) -> None:
    """An unreachable Redis is told with its setting, and never with its password."""
    with _nobody() as address:
        site = prepared(new_site, redis={"url": f"{scheme}://me:{PASSWORD}@{address}/0"})

        code, said = refused(site.config)

    assert code == 1
    assert "redis.url" in said
    assert PASSWORD not in said


def test_redis_does_not_answer(new_site: NewSite, own_valkey: ValkeyServer) -> None:
    """A Redis that accepts and says nothing does not hang the start."""
    site = prepared(new_site, redis={"url": own_valkey.url})
    own_valkey.freeze()
    began_at = time.monotonic()

    code, said = refused(site.config)

    assert code == 1
    assert "redis.url" in said
    assert time.monotonic() - began_at < 20


def test_redis_wants_another_password(new_site: NewSite, own_valkey: ValkeyServer) -> None:
    """A wrong password is told as that, without the password."""
    own_valkey.command("CONFIG", "SET", "requirepass", "another")
    url = own_valkey.url.replace("unix://", f"unix://:{PASSWORD}@")
    site = prepared(new_site, redis={"url": url})

    code, said = refused(site.config)

    assert code == 1
    assert "redis.url" in said
    assert "Auth" in said
    assert PASSWORD not in said


@COMMANDS
def test_sql_is_not_there(new_site: NewSite, command: tuple[str, ...]) -> None:
    """An unreachable database is told with its setting, and never with its password."""
    with _nobody() as address:
        site: Site = new_site(store={"url": f"postgresql://me:{PASSWORD}@{address}/keywright"})

        code, said = refused(site.config, command)

    assert code == 1
    assert "store.url" in said
    assert PASSWORD not in said


@COMMANDS
def test_sql_does_not_answer(new_site: NewSite, command: tuple[str, ...]) -> None:
    """A database that accepts and says nothing does not hang the start."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        site: Site = new_site(store={"url": f"postgresql://me:{PASSWORD}@127.0.0.1:{port}/kw"})
        began_at = time.monotonic()

        code, said = refused(site.config, command)

    assert code == 1
    assert "store.url" in said
    assert time.monotonic() - began_at < 20


def _prepend(file: Path, line: str) -> None:
    file.write_text(line + file.read_text())


async def _with_password(server: Postgres, role: str) -> None:
    """Let `role` in by password only, on a server that otherwise trusts."""
    await server.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'another'")
    connection = await asyncpg.connect(
        host="127.0.0.1", port=server.port, user="keywright", database="postgres"
    )
    rules = Path(await connection.fetchval("SHOW hba_file"))
    await asyncio.to_thread(_prepend, rules, f"host all {role} 127.0.0.1/32 scram-sha-256\n")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@COMMANDS
async def test_sql_wants_another_password(
    new_site: NewSite, postgres: Postgres, command: tuple[str, ...]
) -> None:
    """A wrong password is told as that, without the password."""
    role = f"guarded_{len(command)}"
    await _with_password(postgres, role)
    url = f"postgresql://{role}:{PASSWORD}@127.0.0.1:{postgres.port}/postgres"
    site: Site = new_site(store={"url": url})

    code, said = refused(site.config, command)

    assert code == 1
    assert "store.url" in said
    assert "InvalidPassword" in said
    assert PASSWORD not in said


def test_a_file_that_is_no_database(new_site: NewSite) -> None:
    """A foreign file in the database's place is told, and left alone."""
    site: Site = new_site()
    site.data_dir.mkdir()
    (site.data_dir / DATABASE_NAME).write_text("Dear diary, " * 100)

    code, said = refused(site.config, (*CLI, "serve"))

    assert code in {1, 2}
    assert str(site.data_dir / DATABASE_NAME) in said or "store.url" in said
    assert (site.data_dir / DATABASE_NAME).read_text() == "Dear diary, " * 100


def test_an_empty_database(new_site: NewSite) -> None:
    """`python -m gateway` does not set a database up; it says what does."""
    code, said = refused(new_site().config)

    assert code == 1
    assert "keywright migrate" in said


@COMMANDS
async def test_an_older_schema(
    new_site: NewSite, empty_sql_url: str, command: tuple[str, ...]
) -> None:
    """An older database is left as it is until `keywright migrate`; then it serves, with every row."""
    await make_older(empty_sql_url)
    site: Site = new_site(store={"url": empty_sql_url})

    code, said = refused(site.config, command)

    assert code in {1, 2}
    assert "keywright migrate" in said
    assert await counted(empty_sql_url) == [1, 1, 1]

    done = site.operator.cli("migrate")
    gateway = site.launch(command=command).wait_until_ready()

    assert (done["before"], done["after"]) == ("0001", SCHEMA_REVISION)
    assert await counted(empty_sql_url) == [1, 1, 1]
    (listed,) = site.operator.cli("keys", "list")["keys"]
    assert listed["id"] == KEY_ROW["id"]
    assert gateway.stop() == 0


@COMMANDS
async def test_a_newer_schema(new_site: NewSite, sql_url: str, command: tuple[str, ...]) -> None:
    """A database of a later release is not touched, and the message says which way out there is."""
    engine = open_engine(sql_url)
    async with write_transaction(engine, "prepare") as connection:
        await connection.execute(insert(accounts), ACCOUNT_ROW)
        await connection.execute(insert(keys), KEY_ROW)
        await connection.execute(insert(secrets), SECRET_ROW)
        await connection.execute(text("UPDATE alembic_version SET version_num = '9001'"))
    await engine.dispose()
    site: Site = new_site(store={"url": sql_url})

    code, said = refused(site.config, command)

    assert code in {1, 2}
    assert "newer Keywright" in said
    assert await counted(sql_url) == [1, 1, 1]


@COMMANDS
def test_without_the_c_parser(new_site: NewSite, command: tuple[str, ...]) -> None:
    """aiohttp without its C parser reads ambiguous requests differently, so nothing is served with it."""
    site = prepared(new_site)

    code, said = refused(site.config, command, environment={"AIOHTTP_NO_EXTENSIONS": "1"})

    assert code == 1
    assert "AIOHTTP_NO_EXTENSIONS" in said


def _few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))


def test_what_nobody_foresaw(new_site: NewSite) -> None:
    """A fault without words of its own ends the process with one line, not with a stack trace."""
    site = prepared(new_site)

    code, said = refused(site.config, before_exec=_few_descriptors)

    assert code == 1
    assert said.strip()


def test_a_misspelt_variable(new_site: NewSite) -> None:
    """A setting from the environment that does not exist is a mistake, told by its variable's name."""
    site = prepared(new_site)

    code, said = refused(site.config, environment={"KEYWRIGHT_LISTEN__PROT": "1"})

    assert code == 2
    assert "KEYWRIGHT_LISTEN__PROT" in said


def test_serve_in_an_empty_folder(new_site: NewSite) -> None:
    """`keywright serve` needs no ceremony: database, pepper and private Valkey are made, for the owner alone."""
    site: Site = new_site()
    gateway = site.launch(command=(*CLI, "serve")).wait_until_ready()

    made = {path.name: path.stat().st_mode & 0o077 for path in site.data_dir.iterdir()}

    assert site.data_dir.stat().st_mode & 0o077 == 0
    for name in (DATABASE_NAME, "pepper.json", "valkey.sock"):
        assert made[name] == 0, name
    assert gateway.stop() == 0

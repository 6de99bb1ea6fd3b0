"""Values that were made elsewhere, on a real gateway: from a file to a request that is let through."""

import csv
import io
import json
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.migrations.metadata import METADATA
from gateway.stores.places import database_url
from gateway.stores.sql_engine import open_engine, read_rows
from gateway.stores.tables import keys
from tests.end_to_end.test_secrets_stay_secret import redis_dump
from tests.fixtures_gateway import CLI, Gateway, NewSite, Site, clean_environment, eventually
from tests.fixtures_sql import run_apart
from tests.fixtures_valkey import ValkeyServer

VALUES = {
    "short": "x7",
    "uuid": "d9428888-122b-11e1-b85c-61cd3cbb3210",
    "dots": "legacy.key-with_all.of-them",
    "base64": "aGVsbG8+d29ybGQ/MTIzNDU2Nzg5MA==",
    "spaces": "two words",
    "like-ours": "sk_live_51HxQ2eZvKYlo2C",
    "long": "L" * 4096,
}
PEPPER = "of both installations: 32 characters at least"


@pytest.fixture
def site(new_site: NewSite, own_valkey: ValkeyServer) -> Site:
    """An installation that takes values from elsewhere, with a Redis that the test can flush."""
    return new_site(redis={"url": own_valkey.url, "deadline": "5s"}, keys={"accept_imported": True})


def csv_of(rows: Sequence[tuple[str, ...]], *header: str) -> str:
    """A file as a spreadsheet writes it."""
    written = io.StringIO()
    csv.writer(written).writerows([header, *rows])
    return written.getvalue()


def statuses(gateway: Gateway) -> dict[tuple[str, str], int]:
    """What each value gets, sent in each way."""
    ways = {"Authorization": "Bearer {}", "X-API-Key": "{}"}
    return {
        (name, field): gateway.ask("GET", "/pub/x", headers={field: form.format(value)}).status
        for name, value in VALUES.items()
        for field, form in ways.items()
    }


def test_values_of_every_form_go_on_working(site: Site, own_valkey: ValkeyServer) -> None:
    """Holders of imported keys notice nothing: cold, warm, on another worker, after a restart, with Redis flushed."""
    file = site.folder / "keys.csv"
    rows = [("Acme", name, value, "pub-only") for name, value in VALUES.items()]
    file.write_text(csv_of(rows, "account", "name", "api_key", "scopes"))
    first = site.start()
    done = site.operator.cli("keys", "import", str(file))
    assert (done["created"], done["refused"]) == (len(VALUES), 0)
    expected = {(name, field): 200 for name in VALUES for field in ("Authorization", "X-API-Key")}

    assert statuses(first) == expected
    assert statuses(first) == expected
    assert statuses(site.start()) == expected
    first.stop()
    own_valkey.command("FLUSHALL")
    assert statuses(site.start()) == expected
    assert first.process.returncode == 0


def test_an_imported_key_is_a_key_like_others(site: Site) -> None:
    """It has scopes, is listed without its value, and ends at once when it is revoked."""
    file = site.folder / "keys.csv"
    file.write_text(
        csv_of([("Acme", "robot", "legacy-1", "pub-only")], "account", "name", "key", "scope")
    )
    gateway = site.start()
    site.operator.cli("keys", "import", str(file))
    (key,) = (one for one in site.operator.cli("keys", "list")["keys"] if one["name"] == "robot")
    sent = {"X-API-Key": "legacy-1"}

    assert gateway.ask("GET", "/pub/x", headers=sent).status == 200
    assert gateway.ask("GET", "/adm/x", headers=sent).code == "insufficient_scope"
    assert key["secrets"][0]["shown"] == "imported_…"
    site.operator.revoke(key["id"])
    assert gateway.ask("GET", "/pub/x", headers=sent).code == "revoked_key"
    assert gateway.ask("GET", "/pub/x", headers={"X-API-Key": "legacy-2"}).status == 401


def test_keys_move_to_another_installation(new_site: NewSite) -> None:
    """With the same pepper every key of an export works elsewhere as it did, and is refused as it was."""
    whole = {"keys": {"accept_imported": True, "pepper": PEPPER}}
    old, new = new_site(**whole), new_site(**whole)
    made, disabled, revoked = old.operator.keys(3, "pub-only")
    rotated = old.operator.cli("keys", "rotate", made.id, "--overlap", "1h")["secret"]
    old.operator.cli("keys", "disable", disabled.id)
    old.operator.cli("keys", "revoke", revoked.id)
    file = old.folder / "foreign.jsonl"
    file.write_text(
        json.dumps({"account": "Acme", "name": "f", "value": "foreign-1", "scopes": ["pub-only"]})
    )
    old.operator.cli("keys", "import", str(file))
    moved = old.folder / "moved.jsonl"

    assert old.operator.cli("keys", "export", "-o", str(moved))["count"] == 4
    assert stat.S_IMODE(moved.stat().st_mode) == 0o600
    assert new.operator.cli("keys", "import", str(moved))["created"] == 4
    gateway = new.start()

    codes = {
        value: gateway.ask("GET", "/pub/x", value).code
        for value in (made.secret, rotated, disabled.secret, revoked.secret, "foreign-1")
    }
    assert list(codes.values()) == [None, None, "disabled_key", "revoked_key", None]
    assert new.operator.cli("keys", "show", made.id)["id"] == made.id
    again = new.operator.cli("keys", "import", str(moved))
    assert (again["created"], again["unchanged"]) == (0, 4)
    for secret in (made.secret, rotated, "foreign-1"):
        assert secret not in moved.read_text()


KONG = """\
_format_version: "3.0"
services:
- name: dns
  url: http://dns:8000
  routes:
  - name: dns
    paths: [/v1/dns]
plugins:
- name: key-auth
  config: {key_names: [apikey]}
consumers:
- username: mobile-app
  custom_id: mobile-001
  keyauth_credentials:
  - key: mobile-api-key-123
  acls:
  - group: pub-only
- username: partner
  acls:
  - group: gold
  keyauth_credentials:
  - key: 4174348a-9222-4e81-b33e-5d72d2fd7f1e
    ttl: 86400
  - key: ${{ env "DECK_PARTNER_KEY" }}
"""


def test_a_file_of_kong_is_taken_over(site: Site) -> None:
    """Consumers' keys work here as they did behind Kong; what could not be taken over is told."""
    file = site.folder / "kong.yaml"
    file.write_text(KONG)
    gateway = site.start()

    done = site.operator.run("keys", "import", str(file), "--scope", "read-only", "--json")

    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert (told["created"], told["refused"]) == (2, 1)
    (bad,) = told["refused_lines"]
    assert (bad["line"], "reference" in bad["text"]) == (24, True)
    assert "'gold'" in told["remarks"][0]["text"]
    mobile, partner = (
        {"X-API-Key": value}
        for value in (
            "mobile-api-key-123",
            "4174348a-9222-4e81-b33e-5d72d2fd7f1e",
        )
    )
    assert gateway.ask("POST", "/pub/x", headers=mobile).status == 200
    assert gateway.ask("GET", "/pub/x", headers=partner).status == 200
    assert gateway.ask("POST", "/pub/x", headers=partner).code == "insufficient_scope"
    accounts = {one["name"] for one in site.operator.cli("accounts", "list")["accounts"]}
    assert {"mobile-app", "partner"} <= accounts


def test_an_import_that_was_killed_is_finished_by_the_next(site: Site) -> None:
    """After kill -9 in the middle the same command completes what is missing, and makes nothing twice."""
    file = site.folder / "keys.csv"
    count = 80
    rows = [("Acme", f"robot {n}", f"legacy-{n:04d}", "pub-only") for n in range(count)]
    file.write_text(csv_of(rows, "account", "name", "value", "scopes"))
    assert site.operator.account
    words = [*CLI, "keys", "import", str(file), "-c", str(site.config)]
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment()
    )

    eventually(lambda: keys_of(site), "the first batch")
    process.kill()
    process.wait()
    there = keys_of(site)

    assert 0 < there < count
    done = site.operator.cli("keys", "import", str(file))
    assert (done["created"], done["unchanged"]) == (count - there, there)
    assert keys_of(site) == count
    assert (
        len(
            [
                one
                for one in site.operator.cli("accounts", "list")["accounts"]
                if one["name"] == "Acme"
            ]
        )
        == 1
    )
    assert site.operator.cli("audit", "verify")["ok"]


def keys_of(site: Site) -> int:
    """How many keys are in the database."""
    found: list[int] = []

    async def count(engine: AsyncEngine) -> None:
        rows = await read_rows(engine, "count", select(func.count()).select_from(keys))
        found.append(rows[0][0])
        await engine.dispose()

    run_apart(count(open_engine(database_of(site))))
    return found[0]


def database_of(site: Site) -> str:
    """The URL of its SQLite file."""
    return database_url(None, site.data_dir)


def dump_of(site: Site) -> str:
    """Every row of every table."""
    said: list[str] = []

    async def read() -> None:
        engine = open_engine(database_of(site))
        for table in METADATA.sorted_tables:
            said.extend(str(row) for row in await read_rows(engine, "dump", select(table)))
        await engine.dispose()

    run_apart(read())
    return "\n".join(said)


def test_a_value_is_nowhere_but_with_its_holder(site: Site, own_valkey: ValkeyServer) -> None:
    """Neither SQL, Redis, a log, the audit, nor what commands say holds an imported value, good or refused."""
    values = ["legacy-secret-1", "legacy-secret-2\x01", "legacy-secret-3"]
    lines = [
        {"account": "Acme", "name": "good", "value": values[0], "scopes": ["pub-only"]},
        {"account": "Acme", "name": "control", "value": values[1]},
        {"account": "Acme", "name": "scope", "value": values[2], "scopes": ["none"]},
    ]
    file = site.folder / "keys.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)) + '\n{"value": "legacy-secret-4", "nonsense')
    gateway = site.start(KEYWRIGHT_LOGS__LEVEL="debug")

    done = site.operator.run("keys", "import", str(file), "--debug")
    assert gateway.ask("GET", "/pub/x", headers={"X-API-Key": values[0]}).status == 200
    assert gateway.ask("GET", "/pub/x", headers={"X-API-Key": "legacy-secret-9"}).status == 401
    for words in (("keys", "list"), ("keys", "export"), ("audit", "list"), ("events", "list")):
        site.operator.run(*words)
        site.operator.run(*words, "--json")
    gateway.stop()

    assert done.returncode == 1
    places = {
        "SQL": dump_of(site),
        "Redis": redis_dump(own_valkey.url).decode("latin-1"),
        "log": gateway.log_text,
        "commands": "\n".join(site.operator.said),
    }
    assert [name for name, text in places.items() if "legacy-secret" in text] == []
    assert "good" in places["SQL"]


def test_without_the_setting_nothing_is_taken(new_site: NewSite) -> None:
    """An installation that would not find the values says so before it stores one."""
    site = new_site()
    file = Path(site.folder / "keys.csv")
    file.write_text("account,name,value\nAcme,robot,legacy-1\n")
    assert site.operator.account

    done = site.operator.run("keys", "import", str(file))

    assert done.returncode == 1
    assert "keys.accept_imported: true" in done.stderr
    assert keys_of(site) == 0


def test_a_pipe_is_read_like_a_file(site: Site) -> None:
    """`-` is standard input, so that a value need not lie in a file."""
    words = [sys.executable, "-P", "-m", "admin.cli", "keys", "import", "-", "--dry-run", "--json"]
    done = subprocess.run(
        [*words, "-c", str(site.config)],
        input=b"account,name,value\nAcme,robot,legacy-1\n",
        capture_output=True,
        check=False,
        env=clean_environment(),
    )

    assert json.loads(done.stdout)["created"] == 1

"""The `keywright` command, as its users meet it: in an empty folder, without a gateway that runs."""

import asyncio
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog

from admin.cli.__main__ import main
from gateway.core.record import SERVED, UsageRecord
from gateway.core.token import pattern
from gateway.stores.places import DATABASE_NAME, database_url
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_usage import SqlUsageStore

DATABASE = Path("data") / DATABASE_NAME

# A configuration whose files all land in the test's folder, on a Redis that is not there.
CONFIG = """\
data_dir: data
scopes:
  read-only: [{methods: [GET]}]
  admin: [{methods: ["*"]}]
plans:
  starter: {limits: []}
  big: {limits: []}
"""


class Said(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


Keywright = Callable[..., Said]


@pytest.fixture
def keywright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Keywright]:
    """The command, run in a folder of the test's own; it may write nowhere else."""
    monkeypatch.chdir(tmp_path)
    Path("config").mkdir()
    Path("config/keywright.yaml").write_text(CONFIG, encoding="utf-8")
    root = logging.getLogger()
    handlers, level = root.handlers, root.level

    def run(*arguments: str) -> Said:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Said(int(ended.value.code or 0), out, err)

    yield run
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


@pytest.fixture
def account(keywright: Keywright) -> str:
    """An account's id."""
    created: str = keywright("accounts", "create", "Acme", "--json").document["id"]
    return created


def test_the_first_account_needs_no_ceremony(keywright: Keywright) -> None:
    """A fresh folder gets its database by the first command that needs one, and that is said."""
    said = keywright("accounts", "create", "Acme")

    assert said.code == 0
    assert re.search(r"Created account acc_\w{16} \(Acme\) on plan starter\.", said.out)
    assert "has been set up" in said.err
    assert (DATABASE.stat().st_mode & 0o777) == 0o600


def test_accounts_are_listed(keywright: Keywright, account: str) -> None:
    """An operator finds an account's id again."""
    keywright("accounts", "create", "Bolt", "--plan", "big")
    told, document = keywright("accounts", "list"), keywright("accounts", "list", "--json").document

    assert account in told.out
    assert "just now" in told.out
    assert [(each["name"], each["plan"]) for each in document["accounts"]] == [
        ("Acme", "starter"),
        ("Bolt", "big"),
    ]


def test_a_key_is_created_with_everything_asked_for(keywright: Keywright, account: str) -> None:
    """A key has the restrictions it was made with, and its secret is of the documented shape."""
    made = keywright(
        *("keys", "create", "--account", account, "--name", "ci", "--type", "pk", "--env", "test"),
        *(
            "--scope",
            "read-only",
            "--scope",
            "admin",
            "--expires-in",
            "90d",
            "--allow-ip",
            "192.0.2.0/24",
        ),
        *("--allow-origin", "https://app.example.com", "--json"),
    ).document

    assert re.fullmatch(pattern(), made["secret"])
    assert made["secret"].startswith("pk_test_")
    assert made["account"] == account
    assert made["scopes"] == ["read-only", "admin"]
    assert made["allowed_ips"] == ["192.0.2.0/24"]
    assert made["allowed_origins"] == ["https://app.example.com"]
    assert made["expires_at"] > made["created_at"]


def test_a_secret_is_shown_once(keywright: Keywright, account: str) -> None:
    """After it was created, no command and no file has the secret."""
    made = keywright("keys", "create", "--account", account, "--name", "ci")
    (secret,) = re.findall(r"^  (sk_live_\w+)$", made.out, re.MULTILINE)
    key_id = re.findall(r"key_\w+", made.out)[0]
    later = [
        keywright("keys", "list"),
        keywright("keys", "list", "--json"),
        keywright("keys", "show", key_id),
    ]
    stored = b"".join(file.read_bytes() for file in Path("data").rglob("*") if file.is_file())

    assert all(secret not in said.out + said.err for said in later)
    assert secret.encode() not in stored
    assert all(f"{secret[:12]}…" in said.out for said in later)


def test_keys_of_one_account(keywright: Keywright, account: str) -> None:
    """A list can be narrowed to one account."""
    other = keywright("accounts", "create", "Bolt", "--json").document["id"]
    for holder in (account, other):
        keywright("keys", "create", "--account", holder, "--name", f"of {holder}")
    listed = keywright("keys", "list", "--account", other, "--json").document

    assert [key["name"] for key in listed["keys"]] == [f"of {other}"]


def test_a_revocation_says_what_is_proven(keywright: Keywright, account: str) -> None:
    """A revoked key is told as revoked, and without Redis nothing more is claimed than is known."""
    key_id = keywright("keys", "create", "--account", account, "--name", "ci", "--json").document[
        "id"
    ]
    first, again = (keywright("keys", "revoke", key_id, "--json").document for _ in range(2))

    assert first["id"] == key_id
    assert first["status"] == "revoked"
    assert first["enforced"]["announced"] is False
    assert again["status"] == "revoked"
    assert "revoked" in keywright("keys", "show", key_id).out


def test_usage_of_a_key_without_requests(keywright: Keywright, account: str) -> None:
    """A key that was never used has no requests, which is no mistake."""
    key_id = keywright("keys", "create", "--account", account, "--name", "ci", "--json").document[
        "id"
    ]

    assert keywright("usage", key_id, "--json").document == {"requests": [], "next_cursor": None}
    assert keywright("usage", key_id).code == 0


async def _record(account_id: str, key_id: str, count: int) -> None:
    engine = open_engine(database_url(None, Path("data")))
    records = [
        UsageRecord(
            at=float(number),
            key_id=key_id,
            account_id=account_id,
            secret_id="x" * 12,
            route="dns",
            method="GET",
            path=f"/{number}",
            status=200,
            outcome=SERVED,
            bytes_in=0,
            bytes_out=2048,
            duration_seconds=0.0015,
            address="192.0.2.1",
            request_id=f"r{number}",
        )
        for number in range(count)
    ]
    await SqlUsageStore(engine).write("w", 0, records)
    await engine.dispose()


def test_usage_shows_the_latest_requests(keywright: Keywright, account: str) -> None:
    """An operator sees what a key did, newest first, as many as asked for."""
    key_id = keywright("keys", "create", "--account", account, "--name", "ci", "--json").document[
        "id"
    ]
    asyncio.run(_record(account, key_id, count=3))
    requests = keywright("usage", key_id, "--last", "2", "--json").document["requests"]
    told = keywright("usage", key_id).out

    assert [each["path"] for each in requests] == ["/2", "/1"]
    assert requests[0]["duration_ms"] == 1.5
    assert "2.0 KiB" in told
    assert "1.5 ms" in told


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        pytest.param(
            ["keys", "lst"],
            2,
            "No such command 'lst'. Did you mean 'list'? See",
            id="mistyped-command",
        ),
        pytest.param(
            ["keys", "create", "--name", "x"],
            2,
            "Missing option '--account'; see",
            id="option-left-out",
        ),
        pytest.param(["keys", "list", "--nope"], 2, "No such option: --nope", id="unknown-option"),
        pytest.param(
            ["keys", "show", "key_none"], 1, "There is no key key_none.", id="no-such-key"
        ),
        pytest.param(
            ["keys", "show", "none"], 1, "is not an id: those begin with 'key_'", id="no-id-at-all"
        ),
        pytest.param(["usage", "key_none"], 1, "There is no key key_none.", id="usage-of-no-key"),
        pytest.param(
            ["accounts", "create", "x", "--plan", "nope"],
            2,
            "There is no plan 'nope'",
            id="no-such-plan",
        ),
        pytest.param(
            ["check", "-c", "none.yaml"],
            2,
            "there is no file none.yaml; name an existing one",
            id="no-such-file",
        ),
        pytest.param(
            ["keys", "create", "--account", "acc_x", "--name", "x", "--expires-in", "90"],
            2,
            "such as 90d",
            id="no-unit",
        ),
        pytest.param(
            ["keys", "create", "--account", "acc_x", "--name", "x", "--scope", "no"],
            2,
            "There is no scope 'no'",
            id="no-such-scope",
        ),
        pytest.param(
            ["keys", "create", "--account", "acc_x", "--name", "x", "--env", "prod"],
            2,
            "prod",
            id="no-such-environment",
        ),
        pytest.param(
            ["keys", "create", "--account", "acc_x", "--name", "x", "--allow-ip", "x"],
            2,
            "is not an address or network",
            id="no-network",
        ),
        pytest.param(
            ["serve"],
            2,
            "there is none, so there is nothing to serve; add your API",
            id="nothing-to-serve",
        ),
    ],
)
def test_mistakes_are_told_on_stderr(
    keywright: Keywright, account: str, arguments: list[str], code: int, words: str
) -> None:
    """Whoever mistypes learns what is wrong and what to do, and a script sees it from the exit code."""
    said = keywright(*arguments)

    assert said.code == code
    assert words in said.err
    assert said.err.startswith("keywright: ")
    assert said.out == ""


@pytest.mark.parametrize(
    "arguments", [["keys", "list"], ["accounts", "list"], ["keys", "show", "key_1"]]
)
def test_looking_makes_no_database(keywright: Keywright, arguments: list[str]) -> None:
    """A command in the wrong folder says that there is nothing, and leaves nothing behind."""
    said = keywright(*arguments)

    assert said.code == 2
    assert "Run 'keywright migrate'" in said.err
    assert not Path("data").exists()


def test_migrate_sets_up_and_then_has_nothing_to_do(keywright: Keywright) -> None:
    """Migrating is safe to repeat, and says what it did."""
    first, second = (keywright("migrate", "--json").document for _ in range(2))

    assert first["before"] is None
    assert second["before"] == second["after"] == first["after"]


def test_check_of_a_good_file(keywright: Keywright) -> None:
    """A good configuration is confirmed, with remarks on what is probably not meant."""
    said, document = keywright("check"), keywright("check", "--json").document

    assert said.code == 0
    assert (
        "config/keywright.yaml: no mistakes; 0 upstreams, 0 routes, 2 scopes, 2 plans." in said.out
    )
    assert "note: " in said.out
    assert document["ok"] is True
    assert document["problems"] == []


def test_check_tells_all_mistakes(keywright: Keywright) -> None:
    """All mistakes are told at once, each with file, line and field, to people and programs alike."""
    Path("bad.yaml").write_text("listen:\n  prot: 1\nplans: 3\n", encoding="utf-8")
    said, as_json = (
        keywright("check", "-c", "bad.yaml"),
        keywright("check", "-c", "bad.yaml", "--json"),
    )

    assert said.code == as_json.code == 2
    assert 'bad.yaml:2: listen.prot: there is no such field; did you mean "port"?' in said.err
    assert as_json.document["ok"] is False
    assert {problem["field"] for problem in as_json.document["problems"]} >= {
        "listen.prot",
        "plans",
    }


def test_other_commands_refuse_bad_settings(keywright: Keywright) -> None:
    """No command works on half a configuration."""
    Path("config/keywright.yaml").write_text("nope: 1\n", encoding="utf-8")
    said = keywright("accounts", "create", "x")

    assert said.code == 2
    assert "config/keywright.yaml:1: nope: there is no such field" in said.err
    assert not Path("data").exists()


def test_an_unwritable_data_folder(keywright: Keywright) -> None:
    """A data folder that cannot be made is named, with what to do about it."""
    Path("data").write_text("a file", encoding="utf-8")
    said = keywright("accounts", "create", "x")

    assert said.code == 2
    assert "data" in said.err
    assert "'data_dir'" in said.err


def test_a_damaged_database(keywright: Keywright) -> None:
    """A file that is no database is left as it is, and named."""
    Path("data").mkdir()
    DATABASE.write_bytes(b"not a database" * 100)
    said = keywright("accounts", "create", "x")

    assert said.code == 2
    assert "is not a SQLite database" in said.err
    assert DATABASE.read_bytes().startswith(b"not a database")


def test_keys_pattern(keywright: Keywright, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret scanner is given the expression that finds this vendor's keys."""
    monkeypatch.setenv("KEYWRIGHT_KEYS__VENDOR_PREFIX", "acme")

    assert keywright("keys", "pattern").out.strip() == pattern("acme")
    assert keywright("keys", "pattern", "--json").document == {"pattern": pattern("acme")}


@pytest.mark.parametrize(
    "arguments", [["keys", "pattern", "--debug"], ["--debug", "keys", "pattern"]]
)
def test_debug_goes_with_any_command(keywright: Keywright, arguments: list[str]) -> None:
    """Asking for details changes nothing when all is well."""
    assert keywright(*arguments).code == 0


def test_an_unexpected_fault_is_one_line(
    keywright: Keywright, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bug shows one line that says how to see more; the trace is there when asked for, without its secrets."""

    def breaks(*_: object) -> None:
        raise ZeroDivisionError("sk_live_9aB3xY7zQq12")

    monkeypatch.setattr("admin.cli.keys.settings_of", breaks)
    said = keywright("keys", "pattern")
    monkeypatch.setenv("KEYWRIGHT_DEBUG", "1")
    with pytest.raises(SystemExit):
        main(["keys", "pattern"])
    asked = capsys.readouterr().err

    assert said.code == 1
    assert said.err == (
        "keywright: an unexpected fault (ZeroDivisionError); the same command with --debug shows where it came from\n"
    )
    assert "Traceback" in asked
    assert "9aB3xY7z" not in asked


def test_help_is_there_for_every_command(keywright: Keywright) -> None:
    """Nobody has to read a manual to find an option."""
    texts = {
        words: keywright(*words.split(), "--help")
        for words in (
            "",
            "serve",
            "demo",
            "check",
            "migrate",
            "usage",
            "accounts create",
            "keys create",
            "keys revoke",
        )
    }

    assert all(said.code == 0 for said in texts.values())
    assert "--allow-origin" in texts["keys create"].out


def test_a_closed_pipe_is_no_fault(tmp_path: Path) -> None:
    """`keywright … | head` ends quietly."""
    command = [sys.executable, "-P", "-m", "admin.cli", "keys", "pattern"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, err = process.communicate(timeout=60)

    assert err == ""
    assert process.returncode == 0

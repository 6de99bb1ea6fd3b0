"""Where a command is carried out, and how sure somebody has to be."""

import ast
import fcntl
import importlib
import inspect
import json
import os
import pkgutil
import pty
import select
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest
from pydantic import SecretStr

import admin.client.calls
from admin.cli.backend import LocalBackend, RemoteBackend
from admin.cli.key_options import expiry, instead, limits, metadata_of
from admin.cli.remote import Surroundings, Where, backend, surroundings
from admin.client.calls.accounts import create_account, list_accounts, show_account
from admin.wire.keys import LimitDocument
from admin.wire.words import UNSET, CountedPer
from gateway.core.errors import Misuse
from tests.admin.samples import NOW
from tests.fixtures_gateway import CLI, clean_environment

ROOT = Path(__file__).parents[2]
CONFIG = "scopes: {read-only: [{methods: [GET]}]}\nplans: {starter: {limits: []}}\n"
PATIENCE_SECONDS = 60
TOKEN = SecretStr("kwadmin_x")
FILE = Path("k.yaml")
API = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("where", "around", "kind"),
    [
        pytest.param(Where(), Surroundings(), LocalBackend, id="nothing-said"),
        pytest.param(Where(config=FILE), Surroundings(), LocalBackend, id="file"),
        pytest.param(Where(api=API, token=TOKEN), Surroundings(), RemoteBackend, id="options"),
        pytest.param(Where(), Surroundings(API, TOKEN), RemoteBackend, id="environment"),
        pytest.param(Where(api=API), Surroundings(None, TOKEN), RemoteBackend, id="half-and-half"),
        pytest.param(Where(config=FILE), Surroundings(API, TOKEN), LocalBackend, id="file-wins"),
    ],
)
def test_where(where: Where, around: Surroundings, kind: type) -> None:
    """A command works on this machine unless it is told of an admin API; what is nearer to it wins."""
    found = backend(where, around)
    found.close()

    assert isinstance(found, kind)


@pytest.mark.parametrize(
    ("where", "around", "words"),
    [
        pytest.param(Where(config=FILE, api=API), Surroundings(), "give one", id="both"),
        pytest.param(Where(token=TOKEN), Surroundings(), "say which with --api", id="no-api"),
        pytest.param(Where(token_file=FILE), Surroundings(), "say which", id="file-no-api"),
        pytest.param(
            Where(api=API, token=TOKEN, token_file=FILE), Surroundings(), "one of", id="two-tokens"
        ),
        pytest.param(Where(api=API), Surroundings(), "KEYWRIGHT_TOKEN", id="no-token"),
        pytest.param(Where(api="x", token=TOKEN), Surroundings(), "is written as", id="no-url"),
        pytest.param(Where(api=API, token=SecretStr("a b")), Surroundings(), "none", id="no-tok"),
    ],
)
def test_what_contradicts_itself(where: Where, around: Surroundings, words: str) -> None:
    """Nothing is done on the wrong installation: options that do not go together are refused, with what does."""
    with pytest.raises(Misuse, match=words):
        backend(where, around)


def test_the_environment_keeps_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands took from the environment is neither a setting nor handed on to what they start."""
    monkeypatch.setenv("KEYWRIGHT_API", API)
    monkeypatch.setenv("KEYWRIGHT_TOKEN", TOKEN.get_secret_value())
    around = surroundings()

    assert (around.api, around.token) == (API, TOKEN)
    assert not {"KEYWRIGHT_API", "KEYWRIGHT_TOKEN"} & set(os.environ)
    assert TOKEN.get_secret_value() not in repr(around)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose files are all in the test's folder."""
    file = tmp_path / "keywright.yaml"
    file.write_text(f"data_dir: {tmp_path / 'data'}\n{CONFIG}")
    return file


def test_local_answers_are_of_one_opening(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A long command opens the stores once, and closes them however it ends."""
    local = LocalBackend(config)
    call = create_account(name="Acme")
    made = local.ask(call.endpoint.name, body=call.body)
    call_list = list_accounts()
    page = local.ask("accounts.list", query=call_list.query)
    missing = show_account("acc_none")
    with pytest.raises(Misuse):
        local.ask("accounts.show", ids=missing.ids)
    local.close()

    assert [each["name"] for each in page.model_dump()["accounts"]] == ["Acme"]
    assert made.model_dump()["name"] == "Acme"
    assert "has been set up" in capsys.readouterr().err


def test_what_cannot_be_opened_is_told_at_the_first_question(tmp_path: Path) -> None:
    """A command that asks nothing needs no database; one that does says what is wrong, and ends."""
    unused, used = LocalBackend(None), LocalBackend(tmp_path / "none.yaml")
    unused.close()
    with pytest.raises(Misuse, match="there is no file"):
        used.ask("accounts.list")
    used.close()


def own_terminal() -> None:
    """Make standard input the terminal of this process, as a login does."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def spoken(command: Sequence[str], question: str, answer: str) -> tuple[int, str]:
    """What a command shows at a terminal where somebody answers its question, and its exit code."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=clean_environment(),
        start_new_session=True,
        preexec_fn=own_terminal,  # noqa: PLW1509 -- nothing else runs in this process
    )
    os.close(follower)
    shown, is_answered = "", False
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        if not select.select([leader], [], [], 0.1)[0]:
            continue
        try:
            shown += os.read(leader, 4096).decode()
        except OSError:
            break
        if question in shown and not is_answered:
            os.write(leader, answer.encode() + b"\n")
            is_answered = True
    os.close(leader)
    return process.wait(PATIENCE_SECONDS), shown


@pytest.fixture
def key(config: Path) -> str:
    """A key's id."""

    def said(*words: str) -> str:
        done = subprocess.run(
            [*CLI, *words, "-c", str(config), "--json"],
            capture_output=True,
            text=True,
            check=True,
            env=clean_environment(),
        )
        return str(json.loads(done.stdout)["id"])

    account = said("accounts", "create", "Acme")
    return said("keys", "create", "--account", account, "--name", "live-dns-ci")


def test_somebody_at_a_terminal_is_asked(config: Path, key: str) -> None:
    """A slip of the hand ends no traffic: what cannot be undone is asked for, unless --yes says it is meant."""
    command = [*CLI, "keys", "revoke", key, "-c", str(config)]
    no = spoken(command, "[y/N]", "n")
    yes = spoken(command, "[y/N]", "y")
    unasked = spoken([*CLI, "keys", "delete", key, "--yes", "-c", str(config)], "[y/N]", "n")

    assert no[0] == 1
    assert f"Revoke key {key} for good? [y/N]" in no[1]
    assert "keywright: nothing was changed" in no[1]
    assert yes[0] == 0
    assert f"Revoked key {key}" in yes[1]
    assert unasked[0] == 0
    assert "[y/N]" not in unasked[1]


def test_a_key_is_typed_unseen(config: Path, key: str) -> None:
    """Whoever verifies a key by hand does not leave it on the screen."""
    command = [*CLI, "verify", "-c", str(config)]
    # With the space: what is typed before that is thrown away.
    code, shown = spoken(command, "The key: ", "sk_live_hidden")

    assert key
    assert code == 1
    assert "malformed_key" in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        pytest.param("100/60s", LimitDocument(quota=100, window=60), id="plain"),
        pytest.param("5/1m", LimitDocument(quota=5, window=60), id="minutes"),
        pytest.param("burst:5/1s", LimitDocument(name="burst", quota=5, window=1), id="named"),
        pytest.param(
            "a b:5/1h:address",
            LimitDocument(name="a b", quota=5, window=3600, per=CountedPer.ADDRESS),
            id="whole",
        ),
    ],
)
def test_limits(text: str, limit: LimitDocument) -> None:
    """A limit is written as one says it."""
    assert limits([text]) == (limit,)


@pytest.mark.parametrize("text", ["", "many", "5", "5/", "/5s", "5/5", "0/1s", "5/0s", "1:2:3/4s"])
def test_what_is_no_limit(text: str) -> None:
    """A limit that could be misread is refused."""
    with pytest.raises(Misuse, match="is no"):
        limits([text])


def test_metadata() -> None:
    """A note may hold whatever its writer wants, the sign that ends its name included."""
    assert metadata_of(["team=dns", "sum=1=1", "empty="]) == {
        "team": "dns",
        "sum": "1=1",
        "empty": "",
    }
    with pytest.raises(Misuse, match="write it as NAME=TEXT"):
        metadata_of(["team"])


def test_options_that_take_away() -> None:
    """What is not said stays, and nobody takes away and sets at once."""
    assert instead(None, None, "--no-expiry", is_none=False) is UNSET
    assert instead(None, None, "--no-expiry", is_none=True) is None
    assert instead([], [], "--any-ip", is_none=True) == []
    assert instead(["x"], [], "--any-ip", is_none=False) == ["x"]
    with pytest.raises(Misuse, match="--any-ip"):
        instead(["x"], [], "--any-ip", is_none=True)
    with pytest.raises(Misuse, match="give one of --expires-in and --expires-at"):
        expiry("1d", "2099-01-01", NOW)


def builders() -> dict[str, Callable[..., object]]:
    """Every call that the client can build, by its name."""
    modules = [
        importlib.import_module(f"admin.client.calls.{each.name}")
        for each in pkgutil.iter_modules(admin.client.calls.__path__)
    ]
    return {
        name: getattr(module, name)
        for module in modules
        for name in _exported(module)
        if inspect.isfunction(getattr(module, name))
    }


def _exported(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", ()))


class Built(NamedTuple):
    """Where a command builds a call, and the words of all mappings that it might hand on to it."""

    call: ast.Call
    words: set[str]


def calls_of_commands() -> dict[str, Built]:
    """Where the commands build calls, by the builder's name."""
    known = builders()
    functions = [
        node
        for path in (ROOT / "admin/cli").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    ]
    return {
        _name_of(node): Built(node, _words_of(function))
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and _name_of(node) in known
    }


def _name_of(node: ast.AST) -> str:
    called = getattr(node, "func", None)
    return str(getattr(called, "attr", getattr(called, "id", "")))


def _words_of(function: ast.FunctionDef) -> set[str]:
    return {
        key.value
        for node in ast.walk(function)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }


def test_every_endpoint_has_a_command() -> None:
    """The command line does all that the API does: no call of the client is without a command."""
    assert set(calls_of_commands()) == set(builders())


# A command's own page options, and names that a program gives its requests.
PAGING = {"limit", "cursor"}
FOR_PROGRAMS = {"idempotency_key"}


@pytest.mark.parametrize("name", sorted(builders()))
def test_a_command_hands_on_all_that_can_be_said(name: str) -> None:
    """No field of the API is out of reach of the command line."""
    takes = list(inspect.signature(builders()[name]).parameters)
    call, words = calls_of_commands()[name]
    given = {word.arg for word in call.keywords if word.arg is not None}
    given |= set(takes[: len(call.args)])
    if any(word.arg is None for word in call.keywords):
        given |= (PAGING | words) & set(takes)

    assert given == set(takes) - FOR_PROGRAMS

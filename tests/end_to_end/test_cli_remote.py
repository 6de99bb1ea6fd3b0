"""`keywright … --api URL` says the same words as on the installation's own machine, to the letter and the exit code."""

import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

import pytest
import structlog
import typer

from admin.cli.__main__ import app, main
from admin.cli.backend import LocalBackend
from admin.cli.desk import Desk
from admin.cli.output import Output
from admin.client.calls.accounts import approve_access, create_account, request_access
from admin.client.calls.key_life import rotate_key
from admin.client.calls.keys import create_key
from admin.client.calls.notifications import create_channel
from admin.client.calls.tokens import create_token
from admin.client.calls.users import create_user
from tests.fixtures_gateway import Site, _site, clean_environment
from tests.passing import lasting

# Commands that have no other side, or differ by what they are for.
ONLY_HERE = {
    "serve": "it is the installation",
    "demo": "it is an installation of its own",
    "check": "it looks at a file of this machine",
    "migrate": "it is for whoever has the database",
    "restart": "it tells a process of this machine",
    "journal cat": "it reads a file of this machine",
    "journal ship": "it is for whoever has the data folder",
    "keys pattern": "it is computed from a file of this machine",
    "me": "it says who is asking, and that is another",
}


class Said(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lasting(self) -> "Said":
        """Without what passes."""
        return Said(self.code, lasting(self.out), lasting(self.err))


class Objects(dict[str, str]):
    """New objects for one command, by the name that stands for them; made when the command names them."""

    def __init__(self, desk: Desk, number: int, folder: Path) -> None:
        """`number` tells those of one command from those of another."""
        super().__init__()
        self._desk = desk
        self._number = number
        self._folder = folder

    def __missing__(self, name: str) -> str:
        """Make it, and what goes with it."""
        for names, make in self._MAKERS.items():
            if name in names:
                self.update(zip(names, make(self), strict=True))
                return self[name]
        raise KeyError(name)

    def _account(self) -> Iterator[str]:
        account = self._desk.ask(create_account(name="Acme"))
        self._desk.ask(approve_access(account.id))
        key = self._desk.ask(create_key(account=account.id, name="live-dns-ci"))
        self._desk.ask(rotate_key(key.id, overlap="1h"))
        yield from (account.id, key.id, key.secret, key.secrets[0].id)

    def _fresh(self) -> Iterator[str]:
        yield self._desk.ask(create_account(name="Core")).id

    def _waiting(self) -> Iterator[str]:
        waiting = self._desk.ask(create_account(name="Bolt"))
        self._desk.ask(request_access(waiting.id, note="for CI"))
        yield waiting.id

    def _user(self) -> Iterator[str]:
        email = f"user{self._number}@example.com"
        user = create_user(email=email, name="Jo", role="member", account=self["account"])
        yield from (self._desk.ask(user).id, email)

    def _new_email(self) -> Iterator[str]:
        yield f"new{self._number}@example.com"

    def _token(self) -> Iterator[str]:
        yield self._desk.ask(create_token(name="deploy", role="admin")).id

    def _channel(self) -> Iterator[str]:
        hook = create_channel(
            kind="webhook",
            name="desk",
            account=self["account"],
            url="https://hooks.example.com/",
            # Nothing is to be under way while two of these are compared.
            events=["nothing.happens"],
        )
        yield self._desk.ask(hook).id

    def _file(self) -> Iterator[str]:
        file = self._folder / f"keys-{self._number}.jsonl"
        value = f"old-value-number-{self._number:04}"
        file.write_text(json.dumps({"account": self["account"], "name": "old", "value": value}))
        yield str(file)

    _MAKERS: ClassVar[Mapping[tuple[str, ...], Callable[["Objects"], Iterator[str]]]] = {
        ("account", "key", "key_token", "old_secret"): _account,
        ("fresh",): _fresh,
        ("waiting",): _waiting,
        ("user", "email"): _user,
        ("new_email",): _new_email,
        ("token",): _token,
        ("channel",): _channel,
        ("file",): _file,
    }


# What there is to be before a command that does not name it.
THERE: Mapping[str, str] = {"channels": "channel", "users": "user", "tokens": "token"}


class Stage:
    """An installation that runs, with two ways to it."""

    def __init__(self, site: Site, api: str, token: str, folder: Path, desk: Desk) -> None:
        """`token` may do everything, and so may whoever is at the `desk`."""
        self.config = site.config
        self.api = api
        self.token = token
        self.folder = folder
        self._desk = desk
        self._count = 0

    def objects(self) -> Objects:
        """The ids of new objects, for one command."""
        self._count += 1
        return Objects(self._desk, self._count, self.folder)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """`keywright serve`, with an admin token."""
    sections = {
        "accounts": {"default_plan": "starter", "default_api_access": "disabled"},
        "keys": {"accept_imported": True},
        # A machine whose disk stands still for a while fails no test for it.
        "store": {"deadline": "30s"},
    }
    with _site(sections) as site:
        gateway = site.start(whole=True)
        token = site.operator.cli("tokens", "create", "--name", "t", "--role", "admin")["secret"]
        backend = LocalBackend(site.config)
        try:
            desk = Desk(backend, Output.to_stdout(is_json=True))
            yield Stage(site, gateway.admin_url, token, tmp_path_factory.mktemp("files"), desk)
        finally:
            backend.close()


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The command, with what is on its standard input."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    for name in set(os.environ) - set(clean_environment()):
        monkeypatch.delenv(name)

    def call(*words: str, stdin: str = "") -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main(words)
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    yield call
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def both(stage: Stage, run: Run, words: str, *more: str) -> tuple[Said, Said]:
    """What the command says here, and what it says there; each time of new objects."""
    said = []
    for where in (
        ("-c", str(stage.config)),
        ("--api", stage.api, "--token", stage.token),
    ):
        ids = stage.objects()
        given = [word.format_map(ids) for word in words.split()]
        if given[0] in THERE:
            _ = ids[THERE[given[0]]]
        stdin = ids["key_token"] + "\n" if given[0] == "verify" else ""
        said.append(run(*given, *where, *more, stdin=stdin))
    return said[0], said[1]


DONE = [
    "accounts create Acme --plan starter",
    "accounts list --search {account}",
    "accounts list --limit 1 --api-access approved --status active --plan starter",
    "accounts list --search nobody-at-all",
    "accounts show {account}",
    "accounts update {account} --name New --status suspended",
    "accounts request {fresh} --note please",
    "accounts approve {waiting} --reason fine",
    "accounts deny {waiting} --reason sorry",
    "accounts disable {waiting} --reason stop --if-version 2",
    "users create --email {new_email} --name Jo --role member --account {account} --scope read-only",
    "users list --account {account} --role member --status active",
    "users list --search nobody-at-all",
    "users show {user}",
    "users update {user} --name Joe --no-scopes",
    "users update {user} --all-scopes --status disabled",
    "tokens create --name ci --role admin --permission keys:read --expires-in 90d",
    "tokens list --limit 1",
    "tokens show {token}",
    "tokens revoke {token}",
    "keys create --account {account} --name test --scope read-only --expires-in 90d",
    "keys create --account {account} --name live-dns-x --type pk --env test --allow-ip 192.0.2.0/24"
    " --allow-origin https://a.example.com --rate-limit burst:5/1s --metadata a=b --owner {user}"
    " --not-before 1d --expires-at 2099-01-01",
    "keys create --account {account} --name x --expires-at 2001-01-01",
    "keys list --account {account}",
    "keys list --account {account} --state active --sort name --unused-for 1s --older-than 1s",
    "keys list --account {account} --deleted --expiring-in 7d",
    "keys list --search {key} --all",
    "keys show {key}",
    "keys update {key} --name live-dns-new --scope read-write --expires-in 30d --metadata a=b",
    "keys update {key} --no-expiry --any-ip --any-origin --no-rate-limit --no-metadata --no-owner",
    "keys disable {key}",
    "keys enable {key}",
    "keys rotate {key} --overlap until_unused",
    "keys regenerate {key}",
    "keys end-secret {key} {old_secret}",
    "keys revoke {key}",
    "keys delete {key}",
    "keys import {file}",
    "keys import {file} --dry-run",
    "keys export --account {account}",
    "usage {key} --last 5",
    "usage requests {account} --since 1h --until 2099-01-01 --status 4xx --outcome served --route dns",
    "usage show {key} --since 2099-01-01 --until 2099-01-02 --step hour",
    "usage show {account} --since 2099-01-01 --until 2099-01-02",
    "usage requests {key} --method GET --path /v1/* --address 192.0.2.7 --request-id r1",
    "audit list --target {waiting}",
    "audit list --account {waiting} --action access.request --since 1h --until 2099-01-01",
    "audit list --target nothing",
    "audit verify",
    "events --account {account} --all",
    "events --account {account} --limit 1",
    "events --after 4000000",
    "channels create --kind webhook --name x --url https://hooks.example.com/ --account {account}"
    " --event key.* --event quota.exceeded --severity critical",
    "channels list --account {account} --kind webhook",
    "channels show {channel}",
    "channels update {channel} --name y --status paused --url https://hooks.example.com/y",
    "channels update {channel} --event nothing.* --severity warning",
    "channels rotate {channel} --overlap 0s",
    "channels test {channel}",
    "channels deliveries {channel} --state delivered",
    "channels delete {channel} --if-version 1",
    "alerts show {account}",
    "alerts update {account} --threshold 50 --off key.unused",
    "alerts list --account {account} --kind key.unused",
    "quota show {account}",
    "quota billing --account {account} --month 2026-01",
    "inbox list --account {fresh} --severity critical --unread",
    "inbox read 1 2 --up-to 0",
    "plans",
    "explain {key} --path /pub/x --method GET --address 192.0.2.7",
    "explain {key} --path nowhere",
    "verify --path /pub/x --method GET --scope read-only --cost 0 --address 192.0.2.7",
    "verify",
]
REFUSED = [
    "keys show key_none",
    "keys show none",
    "keys show a-b",
    "keys show ..",
    "keys update {key} --name x --if-version 99",
    "keys create --account acc_none --name x",
    "keys end-secret {key} nothing00000",
    "keys rotate key_none",
    "accounts show acc_none",
    "accounts request acc_none",
    "users create --email {email} --name Jo --role member --account {account}",
    "users show usr_none",
    "tokens revoke tok_none",
    "usage key_none",
    "usage requests acc_none",
    "usage requests key_none --csv",
    "usage tail key_none",
    "usage show acc_none",
    "channels show chn_none",
    "channels test chn_none",
    "channels delivery dlv_none",
    "channels replay dlv_none",
    "alerts show acc_none",
    "quota raise {account} --requests 5 --for 1d --reason launch",
    "quota end-raise {account} raise_none",
    "explain key_none --path /pub/x",
    "verify --scope read-write",
    "verify --path /adm/x --method DELETE",
]
MISUSED = [
    "keys create --account {account} --name x --scope nope",
    "keys create --account {account} --name x --expires-in 5y",
    "keys create --account {account} --name x --allow-ip nowhere",
    "keys create --account {account} --name x --rate-limit many",
    "keys create --account {account} --name x --metadata none",
    "keys create --account {account} --name x --expires-in 1d --expires-at 2099-01-01",
    "keys rotate {key} --overlap 31d",
    "keys rotate {key} --overlap often",
    "keys list --cursor bogus",
    "accounts create X --plan nope",
    "accounts update {account} --plan nope",
    "users create --email nobody --name Jo --role member --account {account}",
    "users create --email {new_email} --name Jo --role member",
    "tokens create --name t --role member",
    "audit list --since yesterday",
    "channels create --kind webhook --name x --url http://hooks.example.com/",
    "channels create --kind webhook --name x --url https://127.0.0.1/",
    "channels create --kind email --name x --to jo@example.com",
    "channels create --kind chat --name x --url slack://a/b/c",
    "channels create --kind webhook --name x --url https://hooks.example.com/ --event keys",
    "channels rotate {channel} --overlap often",
    "alerts update {account} --threshold 0",
    "quota raise {account} --requests 5 --reason launch",
    "usage {key} --since yesterday",
    "usage {key} --status 4x",
    "usage show {key} --since 90d --step minute",
    "usage {key} --since 1h --until 2h",
]


CASES = [
    pytest.param(words, code, form, id=" ".join((words, *form)))
    for code, many, forms in (
        (0, DONE, ((), ("--json",))),
        (1, REFUSED, ((),)),
        (2, MISUSED, ((),)),
    )
    for words in many
    for form in forms
]


@pytest.mark.parametrize(("words", "code", "form"), CASES)
def test_the_same_here_and_there(
    stage: Stage, run: Run, words: str, code: int, form: tuple[str, ...]
) -> None:
    """A script that worked on the machine works from elsewhere, and whoever knows one knows the other."""
    here, there = both(stage, run, words, *form)

    assert there.lasting == here.lasting
    assert here.code == code, here
    assert bool(here.out) is (code == 0 or words.startswith("verify"))


def test_the_environment_says_where(
    stage: Stage, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever works with one remote installation says so once; a file that is named means this machine."""
    monkeypatch.setenv("KEYWRIGHT_API", stage.api)
    monkeypatch.setenv("KEYWRIGHT_TOKEN", stage.token)
    there = run("me", "--json")
    monkeypatch.setenv("KEYWRIGHT_API", stage.api)
    monkeypatch.setenv("KEYWRIGHT_TOKEN", stage.token)
    here = run("me", "--json", "-c", str(stage.config))

    assert (there.err, here.err) == ("", "")
    assert json.loads(there.out)["kind"] == "token"
    assert json.loads(here.out)["kind"] == "operator"


def test_a_token_from_a_file(stage: Stage, run: Run) -> None:
    """A token need not be where others on the machine see it."""
    file = stage.folder / "token"
    file.write_text(f"{stage.token}\n")

    assert run("me", "--api", stage.api, "--token-file", str(file)).code == 0


def test_a_wrong_token_is_refused_and_not_shown(stage: Stage, run: Run) -> None:
    """A token that does not work is told as that, and not repeated."""
    wrong = stage.token[:-6] + "AAAAAA"
    said = run("me", "--api", stage.api, "--token", wrong)

    assert said.code == 1
    assert said.err == "keywright: The admin token is unknown, expired or revoked.\n"


def test_a_list_goes_on(stage: Stage, run: Run) -> None:
    """Whoever sees one page is told that there are more, and how to come by them."""
    where = ("--api", stage.api, "--token", stage.token)
    _ = [stage.objects()["account"] for _ in range(3)]
    said = run("accounts", "list", "--limit", "1", *where)
    cursor = re.search(r"--cursor (\S+)", said.err)
    assert cursor is not None
    behind = ("--cursor", cursor[1], "--limit", "2")
    second = json.loads(run("accounts", "list", *behind, "--json", *where).out)
    every = json.loads(run("accounts", "list", "--limit", "100", "--all", "--json", *where).out)

    assert said.err.startswith("note: there are more: --all shows all, --cursor ")
    assert every["next_cursor"] is None
    assert [each["id"] for each in second["accounts"]] == [
        each["id"] for each in every["accounts"][1:3]
    ]


def test_every_command_is_compared() -> None:
    """No command says one thing here and another thing there without anybody noticing."""
    compared = {" ".join(words.split()[:2]) for words in (*DONE, *REFUSED, *MISUSED)}
    compared |= {words.split()[0] for words in (*DONE, *REFUSED, *MISUSED)}
    groups = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    commands = {
        f"{name} {inner}" if inner else name
        for name, group in groups.items()
        for inner in getattr(group, "commands", {"": None})
    }

    assert commands - compared == set(ONLY_HERE)

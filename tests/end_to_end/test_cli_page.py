"""The page about the command line shows what the commands say: all of it is run, from top to bottom."""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer

from admin.cli.__main__ import app
from tests.end_to_end.test_cli_remote import Run, run
from tests.fixtures_gateway import Gateway, NewSite, Site, eventually
from tests.passing import lasting

__all__ = ["run"]

PAGE = Path(__file__).parents[2] / "docs/cli.md"
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
ID = re.compile(r"\b(?:(?:acc|key|usr|chn)_[0-9A-Za-z]{16}|tok_[0-9A-Za-z]{12})\b")
OLD_SECRET = re.compile(r"^([0-9A-Za-z]{12})  +\S+  +ends in", re.MULTILINE)
SECRET = re.compile(r"\bsk_live_[0-9A-Za-z]{50}\b")
ADMIN_TOKEN = re.compile(r"\bkwadmin_[0-9A-Za-z]{50}\b")

# The configuration of the README, but for addresses.
SECTIONS = {
    "routes": [
        {"name": "dns", "match": {"path": "/v1/dns/**"}, "upstream": "origin"},
        {"name": "rest", "match": {"path": "/v1/**"}, "upstream": "origin"},
    ],
    "scopes": {
        "read-only": [{"methods": ["GET", "HEAD", "OPTIONS"]}],
        "read-write": [{"methods": ["*"]}],
        "dns-only": [{"routes": ["dns"]}],
    },
    "plans": {"starter": {"limits": [{"name": "default", "quota": 1000, "window": "60s"}]}},
}


class Shown(NamedTuple):
    """A command on the page, and what stands below it."""

    command: str
    text: str


def shown(page: str) -> Iterator[Shown]:
    """Every command of the page, in its order."""
    for block in BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, text = part.partition("\n")
            yield Shown(command, text)


class Reader:
    """Somebody who types what stands on the page, with the ids that they got themselves."""

    def __init__(self, site: Site, gateway: Gateway, run: Run) -> None:
        """The commands are typed in the folder of the configuration."""
        self._site = site
        self._gateway = gateway
        self._run = run
        self._ids: dict[str, str] = {}
        self._old_secrets: dict[str, str] = {}
        self._exported: dict[str, str] = {}
        self._secret = self._token = ""

    def type(self, one: Shown) -> str:
        """What the command says."""
        if one.command.startswith("export "):
            self._exported = {
                "KEYWRIGHT_API": self._gateway.admin_url,
                "KEYWRIGHT_TOKEN": self._token,
            }
            return ""
        # Each command takes them out of the environment of its own process, which here is ours.
        os.environ.update(self._exported)
        words = shlex.split(self._own(one.command).split(" < ")[0])
        assert words[0] == "keywright"
        if words[1] == "usage":
            self._use()
            eventually(lambda: "served" in self._run(*words[1:]).out, "the request's record")
        said = self._run(*words[1:], stdin=self._secret)
        assert said.code == 0, said
        self._remember(one, said.out)
        return said.out + said.err

    def _own(self, command: str) -> str:
        command = ID.sub(lambda found: self._ids[found[0]], command)
        for theirs, ours in self._old_secrets.items():
            command = command.replace(theirs, ours)
        return command

    def _remember(self, one: Shown, said: str) -> None:
        text = one.text
        self._ids |= dict(zip(ID.findall(text), ID.findall(said), strict=False))
        self._old_secrets |= dict(
            zip(OLD_SECRET.findall(text), OLD_SECRET.findall(said), strict=False)
        )
        if " keys create " in one.command:
            (self._secret,) = SECRET.findall(said)
        for found in ADMIN_TOKEN.findall(said):
            self._token = found

    def _use(self) -> None:
        assert self._gateway.ask("GET", "/v1/dns/zones", self._secret).status == 200


def test_the_page_shows_what_is_said(
    new_site: NewSite, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever types the page's commands, with their own ids, sees what the page shows."""
    site = new_site(**SECTIONS)
    gateway = site.start(whole=True)
    monkeypatch.chdir(site.folder)
    # So that what the page exports is gone when the test is over.
    for name in ("KEYWRIGHT_API", "KEYWRIGHT_TOKEN"):
        monkeypatch.setenv(name, "")
    # What was said while all this was started is not on the page.
    assert run("keys", "pattern", "-c", "keywright.yaml").code == 0
    reader = Reader(site, gateway, run)
    for one in shown(PAGE.read_text()):
        assert lasting(reader.type(one)).strip() == lasting(one.text).strip(), one.command


COMMON = {"--config", "-c", "--api", "--token", "--token-file", "--json", "--help"}
OF_LISTS = {"--limit", "--cursor", "--all"}


def options() -> dict[str, set[str]]:
    """The options of each command."""
    found = {}
    for name, group in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        for inner, command in getattr(group, "commands", {"": group}).items():
            found[f"{name} {inner}".strip()] = {
                option for one in command.params for option in one.opts if option.startswith("-")
            }
    return found


@pytest.mark.parametrize(("command", "has"), options().items(), ids=options())
def test_every_command_and_option_is_explained(command: str, has: set[str]) -> None:
    """No command and no option has to be found by chance."""
    sections = dict(re.findall(r"^### (.+)\n((?:(?!^#).*\n)*)", PAGE.read_text(), re.MULTILINE))
    text = BLOCK.sub("", sections[command])
    if "[the options of lists](#lists)" in text.lower():
        has = has - OF_LISTS
    named = set(re.findall(r"(?<![\w-])(?:--[a-z][a-z-]*|-[a-z]\b)", text))

    assert has - COMMON - {"-y"} - named == set()
    assert named - has - COMMON - {"-y"} == set()


@pytest.mark.parametrize("option", sorted(COMMON | OF_LISTS | {"--yes", "-y", "--if-version"}))
def test_common_options_are_explained_once(option: str) -> None:
    """What several commands take is explained before the first of them."""
    before = PAGE.read_text().partition("\n## Accounts")[0]

    assert re.search(rf"`{option}\b", before)

"""The page about usage leads from a request made with curl to its line, its sums, its point and a signed webhook."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.end_to_end.test_cli_page import Shown, shown
from tests.end_to_end.test_cli_remote import Run, run
from tests.end_to_end.test_notifications import Shown as Receiver
from tests.fixtures_gateway import Gateway, NewSite, Site, eventually, free_port
from tests.monitoring import DASHBOARDS, Prometheus, questions
from tests.passing import lasting

__all__ = ["run"]

PAGE = Path(__file__).parents[2] / "docs/usage.md"
TEXT = PAGE.read_text()
ID = re.compile(r"\b(?:(?:acc|key|chn)_[0-9A-Za-z]{16})\b")
ONCE = re.compile(r"\b(?:sk_live_[0-9A-Za-z]{50}|kwadmin_[0-9A-Za-z]{50}|whsec_[0-9A-Za-z+/=]+)")
# Beside what differs from one time to the next in every command's words.
PASSING = ((r"\d{4}-\d\d-\d\d \d\d:\d\d", "<minute>"), (r"\bchn_\w+", "<chn>"))


def block(language: str, part: str) -> str:
    """The one block of that language which holds `part`."""
    (found,) = [
        text
        for kind, text in re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
        if kind == language and part in text
    ]
    return str(found)


def fits(said: str, text: str) -> bool:
    """Whether this was said; an ellipsis on the page stands for anything."""
    both = [said, text]
    for pattern, word in PASSING:
        both = [re.sub(pattern, word, each) for each in both]
    known, wanted = (" ".join(lasting(each).split()) for each in both)
    return re.fullmatch(".*".join(map(re.escape, wanted.split("…"))), known) is not None


class Reader:
    """Somebody who types what stands on the page, with the ids, secrets and ports that they got themselves."""

    def __init__(self, site: Site, gateway: Gateway, run: Run, ports: dict[str, int]) -> None:
        """`ports` are theirs in the place of the page's."""
        self._site = site
        self._run = run
        self._ports = {**ports, "8080": gateway.port, "8081": gateway.admin_port}
        self._ids: dict[str, str] = {}
        self._environment: dict[str, str] = {}
        self.once = ""

    def own(self, text: str) -> str:
        """The same with what is theirs."""
        text = ID.sub(lambda found: self._ids.get(found[0], found[0]), text)
        for theirs, ours in self._ports.items():
            text = text.replace(f"127.0.0.1:{theirs}", f"127.0.0.1:{ours}")
        return text

    def type(self, one: Shown) -> str:
        """What the command says."""
        command = self.own(one.command)
        if command.startswith("export "):
            for word in shlex.split(command)[1:]:
                name, _, value = word.partition("=")
                self._environment[name] = self.once if "…" in value else value
            return ""
        if not command.startswith("keywright "):
            return self._shell(command)
        said = self._run(*shlex.split(command)[1:])
        assert said.code == 0, said
        self._ids |= dict(zip(ID.findall(one.text), ID.findall(said.out), strict=False))
        if found := ONCE.findall(said.out):
            self.once = found[0]
        return said.out

    def _shell(self, command: str) -> str:
        environment = {**os.environ, **self._environment}
        done = subprocess.run(
            ["bash", "-c", command.replace("curl ", "curl -sS ")],
            env=environment,
            cwd=self._site.folder,
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stdout.decode()


@pytest.fixture
def api(tmp_path: Path) -> Iterator[int]:
    """The port of the small API of the page, made by the page's own words."""
    made, served = block("", "http.server").splitlines()
    port = free_port()
    subprocess.run(["bash", "-c", made], cwd=tmp_path, check=True)
    words = [sys.executable, *shlex.split(served.replace("9001", str(port)))[1:]]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        yield port
        process.kill()


def serving(site: Site, api: int) -> Gateway:
    """A whole gateway with the page's configuration, but for places."""
    text = block("yaml", "upstreams:")
    for theirs, ours in (
        ("./var", str(site.data_dir)),
        ("port: 8080", "port: 0"),
        ("port: 8081", "port: 0"),
        ("127.0.0.1:9001", f"127.0.0.1:{api}"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    site.config.write_text(text)
    return site.start(whole=True)


def test_the_page_leads_from_a_request_to_the_webhook(
    new_site: NewSite, run: Run, api: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer who types the page's commands sees what the page shows: in the log, in Prometheus, at the receiver."""
    site = new_site()
    gateway = serving(site, api)
    monkeypatch.chdir(site.folder)
    receiving = free_port()
    reader = Reader(site, gateway, run, {"9001": api, "9002": receiving})
    prometheus = Prometheus(site.folder, gateway.admin_port)
    receiver: Receiver | None = None

    def query() -> str:
        return reader.own(block("promql", "outcome")).strip()

    try:
        eventually(lambda: any(prometheus.numbers("up")), "a first scrape")
        for one in shown(TEXT):
            if one.command.startswith("for "):
                # What a series begins with is no rise.
                series = query().partition("(rate(")[2].partition("[")[0]
                eventually(partial(prometheus.numbers, series), "the key's series")
            said = eventually(partial(typed, reader, one), one.command)
            assert fits(said, one.text), (one.command, said)
            if "channels create" in one.command:
                receiver = Receiver(site.folder, receiving, reader.once)
        assert receiver is not None
        arrived = receiver
        eventually(
            lambda: '"' + "".join(arrived.titles) + '"\n' == block("", "75 %"), "the webhook"
        )
        eventually(lambda: any(prometheus.numbers(query())), "the point")
        assert asks_the_same(query())
    finally:
        prometheus.stop()
        if receiver is not None:
            receiver.stop()


def typed(reader: Reader, one: Shown) -> str | None:
    """What a command says; None while what it asks about is still on its way."""
    said = reader.type(one) or "\n"
    is_on_its_way = re.search("usage|alerts|requests", one.command) and not fits(said, one.text)
    return None if is_on_its_way else said


def asks_the_same(query: str) -> bool:
    """Whether a panel of the dashboard of one key asks this, but for the key and the time."""
    plain = re.sub(r'"key_\w+"', '"$key"', query).replace("[1m]", "[$__rate_interval]")
    return any(plain == each.text for board in DASHBOARDS for each in questions(board))

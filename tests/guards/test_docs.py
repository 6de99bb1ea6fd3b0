"""What the pages say is what the code does, as far as a machine can compare them."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from admin.api.problems import Problem
from admin.cli.__main__ import app
from admin.demo.config import Ports, examples
from admin.plane.merging import Expositions
from admin.wire.receipt import ReceiptDocument
from gateway.clock import SystemClock
from gateway.core.refusal import Refusal
from gateway.metrics import Metrics
from gateway.settings import load
from tests.fixtures_gateway import CLI, NewSite

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]

# Files of the reader's own.
EXAMPLES = {"keywright.yaml", "battery.yaml"}

FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FOREIGN = re.compile(r"[a-z]+:")


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of one language."""
    return [text for found, text in FENCED.findall(page.read_text()) if found == language]


def whole_configurations() -> list[tuple[str, str]]:
    """Every block that can serve as it stands, with the page it is on."""
    return [
        (page.name, text)
        for page in PAGES
        for text in blocks(page, "yaml")
        if "upstreams:" in text and "routes:" in text
    ]


def anchors(page: Path) -> set[str]:
    """Where links into a page can lead: its headings, spelt as code forges spell them."""
    headings = HEADING.findall(FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def commands() -> Iterator[str]:
    """Every command of the command line: "serve", "keys create", …"""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from (f"{name} {each}" for each in inner) if inner else (name,)


def metric_names() -> set[str]:
    """The names of all families, as a scrape shows them."""
    own = Metrics(SystemClock(), with_process=False).render().decode()
    text = Expositions().merged({"worker-0": own}).decode()
    return set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))


def test_readme_configuration_serves(new_site: NewSite) -> None:
    """The file in the README, saved as it stands but for addresses, is a gateway that answers as promised there."""
    site = new_site()
    (text,) = blocks(README, "yaml")
    for ours, theirs in (
        ("port: 8080", "port: 0"),
        ("./var", str(site.data_dir)),
        ("http://127.0.0.1:9001", site.origin.url),
    ):
        assert ours in text
        text = text.replace(ours, theirs)
    site.config.write_text(text + "admin: {host: 127.0.0.1, port: 0}\n")

    gateway = site.start(command=(*CLI, "serve"))
    key = site.operator.key("read-only")

    assert gateway.ask("GET", "/v1/dns/zones", key.secret).status == 200
    assert gateway.ask("POST", "/v1/dns/zones", key.secret).code == "insufficient_scope"
    assert gateway.ask("GET", "/v1/dns/zones").code == "missing_key"
    receipt = site.operator.revoke(key.id)
    assert (receipt["workers"], receipt["acknowledged"]) == (2, 2)
    assert gateway.ask("GET", "/v1/dns/zones", key.secret).code == "revoked_key"


def test_readme_configuration_is_short() -> None:
    """Fifteen lines are enough to begin with."""
    (text,) = blocks(README, "yaml")

    assert len(text.splitlines()) <= 15


@pytest.mark.parametrize(("page", "text"), whole_configurations())
def test_whole_configurations_are_valid(page: str, text: str, tmp_path: Path) -> None:
    """Whoever copies a whole configuration from a page has one without mistakes."""
    file = tmp_path / f"{page}.yaml"
    file.write_text(text)

    assert load(file, {}, to_serve=True).routes


def test_every_refusal_has_its_section() -> None:
    """The code in an answer leads to a section of that name, which begins with the status."""
    text = (ROOT / "docs/problems.md").read_text()
    sections = dict(re.findall(r"^### (\w+)\n\n(\d{3})\. ", text, re.MULTILINE))

    assert sections == {row.code: str(row.status) for row in (*Refusal, *Problem)}


def test_every_metric_is_explained() -> None:
    """What a dashboard is built from stands in the operator's page, and nothing that is not exported."""
    text = (ROOT / "docs/operate.md").read_text()
    named = set(re.findall(r"\bkeywright_[a-z_]+", text))

    assert {re.sub(r"_bucket$", "", name) for name in named} == metric_names()


def test_every_command_is_mentioned() -> None:
    """No command has to be found by chance."""
    text = "\n".join(page.read_text() for page in PAGES)

    missing = [name for name in commands() if not re.search(rf"(?:keywright |`){name}\b", text)]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """A link within the project names a file that is there, and a heading that is in it."""
    broken = []
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if FOREIGN.match(link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_are_there(page: Path) -> None:
    """A file of the code that a page names can be opened, so that a reader is not sent to where it was once."""
    files = [
        "/" + str(path.relative_to(ROOT))
        for room in ("gateway", "admin", "tests", "config")
        for path in (ROOT / room).rglob("*.*")
    ]
    files += [f"/{path.name}" for path in ROOT.glob("*.*")]
    named = set(re.findall(r"`([\w/.-]+\.(?:py|lua|yaml))`", page.read_text())) - EXAMPLES

    assert [name for name in sorted(named) if not any(f.endswith("/" + name) for f in files)] == []


def test_messages_are_those_of_the_code() -> None:
    """Whoever searches the operator's page for a message that they see finds it."""
    table = (ROOT / "docs/operate.md").read_text().partition("## Messages")[2]
    messages = [
        message
        for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE)
        for message in re.findall(r"`(.+?)`", row.replace("3 mistakes", "…"))
    ]
    texts = [
        node.value
        for room in ("gateway", "admin")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    parts = [part.strip() for message in messages for part in message.split("…")]

    assert len(messages) > 10
    assert [part for part in parts if not any(part in text for text in texts)] == []


def test_readme_shows_the_demo_as_it_is() -> None:
    """The calls in the README's first screen are those that the demo prints, but for the whole keys."""
    shown = [
        line.split("…")[0] for line in README.read_text().splitlines() if line.startswith("  curl ")
    ]
    whys = re.findall(r"^  # (\d{3}: .+)$", README.read_text(), re.MULTILINE)
    secrets = {"read-only": "sk_test_t16E0", "read-write": "sk_test_tN0u0"}
    printed = examples(Ports(proxy=8080, admin=8081, upstream=1), secrets)

    assert whys == [f"{example.status}: {example.why}" for example in printed]
    for line, example in zip(shown, printed, strict=True):
        assert example.command.startswith(line.strip())


def test_receipt_is_shown_as_it_is() -> None:
    """The receipt on the page about keys has the fields that the command writes."""
    (text,) = (text for text in blocks(ROOT / "docs/keys.md", "") if '"enforced"' in text)

    assert set(json.loads(text)["enforced"]) == set(ReceiptDocument.model_fields)

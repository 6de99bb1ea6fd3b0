"""The annotated example, `config/keywright.yaml`, is true."""

import re
from pathlib import Path

from gateway.settings import Settings, load, read
from gateway.settings.fields import SECRETS, every_field
from gateway.settings.problems import field_text

EXAMPLE = Path(__file__).parents[2] / "config" / "keywright.yaml"
# "#name:" is a default that is commented out; "# text" is prose.
DEFAULT = re.compile(r"^( *)#([a-z0-9_]+:)", re.MULTILINE)


def _with_defaults(tmp_path: Path) -> Path:
    path = tmp_path / "keywright.yaml"
    path.write_text(DEFAULT.sub(r"\1\2", EXAMPLE.read_text()))
    return path


def test_works_as_it_is() -> None:
    """A newcomer's first `check` finds nothing to complain about, and nothing to remark."""
    reading = read(EXAMPLE, {})

    assert reading.problems == reading.remarks == ()
    assert reading.settings is not None
    assert [route.name for route in reading.settings.routes] == ["dns", "servers"]


def test_defaults_are_the_defaults(tmp_path: Path) -> None:
    """Taking away every # changes nothing: what the example calls a default is one."""
    assert len(DEFAULT.findall(EXAMPLE.read_text())) > 40
    assert load(_with_defaults(tmp_path), {}) == load(EXAMPLE, {})


def test_plain_sections_are_built_in(tmp_path: Path) -> None:
    """Sections that hold only defaults mean what no file at all means."""
    example = load(_with_defaults(tmp_path), {})
    usual = Settings()

    for name in (
        *("listen", "admin", "store", "redis", "keys", "credentials"),
        *("limits", "headers", "usage", "logs", "alerts", "notifications", "console"),
    ):
        assert getattr(example, name) == getattr(usual, name)
    assert example.docs_url == usual.docs_url
    assert example.publishable_scopes == usual.publishable_scopes
    assert example.plans["starter"] == usual.plans["starter"]


def test_every_field_is_shown() -> None:
    """Whoever only reads the example has seen every field there is."""
    text = EXAMPLE.read_text()
    shown = set(re.findall(r"[a-z0-9_]+(?=: |:$)", text, re.MULTILINE))

    assert {path.rpartition(".")[2] for path, _ in every_field()} <= shown


def test_secrets_are_shown_as_references() -> None:
    """The example leads to `{env: …}` for every secret rather than to a password in the file."""
    assert [field_text(path) for path in SECRETS] == [
        "store.url",
        "redis.url",
        "keys.pepper",
        "notifications.mail.password",
        "console.oidc.client_secret",
    ]
    assert "{env: PEPPER}" in EXAMPLE.read_text()
    assert "{env: DATABASE_URL}" in EXAMPLE.read_text()

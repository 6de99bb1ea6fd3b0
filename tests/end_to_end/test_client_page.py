"""The page about the client shows what its examples do: all of them are run, one after the other."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from admin.client import Client
from admin.client.waited import _Group
from tests.fixtures_gateway import NewSite

PAGE = Path(__file__).parents[2] / "docs/client.md"
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n```\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8081"


def test_examples_do_what_the_page_says(new_site: NewSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pastes the page's examples into a program gets what stands below them."""
    site = new_site()
    gateway = site.start(whole=True)
    made = site.operator.cli("tokens", "create", "--name", "my-program", "--role", "admin")
    monkeypatch.setenv("MY_ADMIN_TOKEN", made["secret"])
    text = PAGE.read_text()
    names: dict[str, object] = {}
    for example, shown in EXAMPLE.findall(text):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(example.replace(ADDRESS, gateway.admin_url), names)  # noqa: S102 -- our own page

        assert printed.getvalue() == shown, example

    assert text.count("```python") == len(EXAMPLE.findall(text)) > 5


def test_every_method_is_on_the_page() -> None:
    """No method has to be found by chance, and none is promised that is not there."""
    client = Client("http://localhost", token="kwadmin_x")
    groups = {"client.": client} | {
        f"client.{name}.": group
        for name, group in vars(client).items()
        if isinstance(group, _Group)
    }
    has = {
        prefix: {
            name
            for name in dir(one)
            if not name.startswith("_")
            and name not in {"ask", "close"}
            and callable(getattr(one, name))
        }
        for prefix, one in groups.items()
    }
    table = PAGE.read_text().partition("## All methods")[2]
    named = {
        prefix: set(re.findall(r"`(\w+)`", methods))
        for prefix, methods in re.findall(
            r"^\| `(client\.[\w.]*)` \| (.+) \|$", table, re.MULTILINE
        )
    }

    assert named == has

"""The page at /docs: everything in the document, readable without anything from elsewhere."""

import re
from html.parser import HTMLParser

import pytest

from admin.api.docs_model import groups
from admin.api.examples import BODIES
from admin.api.openapi import openapi_document
from admin.wire.endpoints import ENDPOINTS
from tests.admin.api.stand import DOCS_URL, ON_ONE_DATABASE, Api

DOCUMENT = openapi_document(DOCS_URL)


class Page(HTMLParser):
    """What a browser would fetch, follow and show."""

    def __init__(self, text: str) -> None:
        """Reads all of it."""
        super().__init__()
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.shown = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of ids and addresses."""
        given = dict(attrs)
        self.tags.add(tag)
        self.attributes |= set(given)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "link" or "src" in given:
            self.fetched.append(str(given.get("href") or given.get("src")))
        elif given.get("href"):
            self.links.append(str(given["href"]))

    def handle_data(self, data: str) -> None:
        """Take note of the text."""
        self.shown += data


@ON_ONE_DATABASE
async def test_page_needs_nothing_from_elsewhere(api: Api) -> None:
    """The page runs no script, holds no inline style, fetches one stylesheet of ours, and may do nothing more."""
    answer = await api.client.get("/docs")
    page = Page(answer.text)
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
    )
    style = await api.client.get(page.fetched[0])

    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert set(policy) == {"default-src", "style-src", "base-uri", "form-action", "frame-ancestors"}
    assert "'unsafe" not in answer.headers["Content-Security-Policy"]
    assert not page.tags & {"script", "style", "img", "iframe", "object"}
    assert not {name for name in page.attributes if name == "style" or name.startswith("on")}
    assert page.fetched == ["/docs/style.css"]
    assert (style.status_code, style.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "url(" not in style.text
    assert "@import" not in style.text


@ON_ONE_DATABASE
async def test_page_shows_every_endpoint_and_its_links_lead_somewhere(api: Api) -> None:
    """Each endpoint has an anchor of its name, its path, permission and fields."""
    page = Page((await api.client.get("/docs")).text)
    anchors = [link.removeprefix("#") for link in page.links if link.startswith("#")]

    assert len(set(page.ids)) == len(page.ids)
    assert [anchor for anchor in anchors if anchor not in page.ids] == []
    assert [one.name for one in ENDPOINTS if one.name not in page.ids] == []
    for one in ENDPOINTS:
        assert one.path in page.shown
        for field in one.body.model_fields if one.body else ():
            assert field in page.shown
    assert "`" not in re.sub(r"'[^']*'", "", page.shown)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rotate", {"channels.rotate", "keys.rotate"}),
        ("post REVOKE /revoke", {"keys.revoke", "tokens.revoke"}),
        ("overlap", {"channels.rotate", "keys.rotate"}),
        ("no-such-word", set()),
    ],
)
def test_search(words: str, expected: set[str]) -> None:
    """All words must be in an endpoint's name, path, summary or fields; case does not count."""
    found = {one.id for group in groups(DOCUMENT, words) for one in group.operations}

    assert found == expected


@ON_ONE_DATABASE
async def test_search_words_are_shown_as_text(api: Api) -> None:
    """Nobody can be sent a link that puts something into the page."""
    answer = await api.client.get("/docs", params={"q": '"><script>alert(1)</script>'})

    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert (await api.client.get("/docs?q=a&q=b")).status_code == 422


def test_commands_can_be_pasted() -> None:
    """Each endpoint's curl names its method and path, and quotes its body for a shell."""
    for group in groups(DOCUMENT):
        for one in group.operations:
            assert one.curl.startswith("curl ")
            assert '-H "Authorization: Bearer $TOKEN"' in one.curl
            assert "{" not in one.curl.split("-d")[0]
            assert ("-d '" in one.curl) is (one.id in BODIES)
            assert one.curl.count("'") % 2 == 0

"""The files that set up a proxy before Keywright are those that the page shows and the tests use."""

from pathlib import Path

import pytest
import yaml

from tests.fronts import API, INTEGRATIONS, KEYWRIGHT, LISTENER
from tests.guards.test_docs import FENCED, ROOT

FILES = sorted(INTEGRATIONS.iterdir())
PAGE = ROOT / "docs/integrate.md"

# A caller's field that an API could take for the method, the path or the caller of the request.
MISLEADING = (
    "Authorization",
    "X-API-Key",
    "X-API-Secret",
    "X-Forwarded-Method",
    "X-Forwarded-Uri",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-Original-Method",
    "X-Original-URI",
    "X-Original-URL",
    "X-Rewrite-URL",
)


def test_there_is_a_file_for_each_proxy() -> None:
    """The page promises four."""
    assert [file.name for file in FILES] == [
        "Caddyfile",
        "envoy.yaml",
        "nginx.conf",
        "traefik.yaml",
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_the_page_shows_the_file(file: Path) -> None:
    """Whoever copies from the page gets what was tested, byte for byte."""
    assert file.read_text() in [text for _, text in FENCED.findall(PAGE.read_text())]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_all_files_use_the_same_addresses(file: Path) -> None:
    """A reader replaces the same two addresses in each: Keywright's admin listener and the API."""
    text = file.read_text()
    if file.name == "envoy.yaml":
        ports = {str(port) for port in _found(yaml.safe_load(text), "port_value")}
        assert ports == {address.rpartition(":")[2] for address in (API, KEYWRIGHT, LISTENER)}
    else:
        assert text.count(API) == text.count(KEYWRIGHT) == 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.name))
def test_no_file_passes_on_what_misleads(file: Path) -> None:
    """Each names every field of a caller's that must not reach the API."""
    text = file.read_text().lower().replace("x-original-*", "\n".join(MISLEADING[7:10]).lower())
    text = text.replace("x-http-method*", "x-http-method-override")

    assert [name for name in MISLEADING if name.lower() not in text] == []


def _found(part: object, name: str) -> list[object]:
    """Every value under this name, however deep."""
    if isinstance(part, dict):
        own = [part[name]] if name in part else []
        return own + [value for inner in part.values() for value in _found(inner, name)]
    if isinstance(part, list):
        return [value for inner in part for value in _found(inner, name)]
    return []

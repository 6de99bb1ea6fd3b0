"""What tells our own forms and links from those of others: tables, without a server."""

import pytest

from admin.console.guarding import csrf_token, is_same_origin, is_token, local_path

OURS = "https://console.example"


@pytest.mark.parametrize(
    "text",
    [
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "https:evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/ü",
        "/a b",
        "/keys\r\nSet-Cookie: a=b",
        "/a\\b",
        "",
        None,
    ],
)
def test_what_leads_elsewhere_leads_home(text: str | None) -> None:
    """A browser that is sent where a parameter says stays with us, whatever it takes for a host."""
    assert local_path(text) == "/"


@pytest.mark.parametrize("path", ["/", "/me", "/keys?state=active&q=%2F%2F", "/keys/key_1#log"])
def test_own_paths_are_kept(path: str) -> None:
    """A reader gets where they wanted to go."""
    assert local_path(path) == path


@pytest.mark.parametrize(
    ("origin", "site", "expected"),
    [
        pytest.param(OURS, "same-origin", True, id="our-page"),
        pytest.param(OURS, None, True, id="a-browser-without-fetch-metadata"),
        pytest.param("HTTPS://Console.Example", None, True, id="other-letters"),
        pytest.param("https://evil.example", "cross-site", False, id="another-site"),
        pytest.param("https://evil.example", None, False, id="another-site-in-an-old-browser"),
        pytest.param("https://a.console.example", "same-site", False, id="a-sibling"),
        pytest.param("http://console.example", None, False, id="without-tls"),
        pytest.param("https://console.example:444", None, False, id="another-port"),
        pytest.param("null", "cross-site", False, id="a-sandbox"),
        pytest.param("null", None, False, id="hidden"),
        pytest.param(None, None, False, id="no-browser"),
        pytest.param(None, "none", False, id="typed"),
        pytest.param(OURS, "cross-site", False, id="they-contradict"),
    ],
)
def test_only_our_pages_send_forms(origin: str | None, site: str | None, *, expected: bool) -> None:
    """A change is taken from pages of this console, and from nowhere else (V03)."""
    assert is_same_origin(origin, site, OURS) is expected


def test_forms_are_bound_to_their_cookie() -> None:
    """What one browser's forms carry is worth nothing with another's cookie, and says nothing of it."""
    token = csrf_token("cookie-1")

    assert is_token(token, "cookie-1")
    assert not is_token(token, "cookie-2")
    assert not is_token("", "cookie-1")
    assert not is_token("ü\ud800", "cookie-1")
    assert "cookie" not in token

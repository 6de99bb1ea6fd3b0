"""Which names say what a key is for, and which do not."""

import pytest

from admin.core.naming import advice, words_of


@pytest.mark.parametrize(
    "name",
    [
        *(
            "test",
            "Test",
            "TEST 2",
            "test-key",
            "my-key",
            "My Key",
            "key1",
            "key",
            "Key #2",
            "new key",
        ),
        *(
            "foo",
            "foobar",
            "foo-bar-baz",
            "asdf",
            "asdfghjkl",
            "qwerty",
            "qwertz",
            "a",
            "X",
            "aaa",
            "xxxx",
        ),
        *(
            "1",
            "123",
            "tmp",
            "temp_key_1",
            "api key",
            "apikey",
            "API-Key-2",
            "first key",
            "token",
            "---",
        ),
        *(
            "untitled",
            "default",
            "my new api key 7",
            "Hello World",
            "demo",
            "test test test",
            "zxcvb",
        ),
    ],
)
def test_says_nothing(name: str) -> None:
    """A name that people type to get on is taken for what it is, and a better one is proposed."""
    told = advice(name, "live")

    assert told is not None
    assert "{environment}-{service}-{purpose}" in told
    assert "'live-billing-invoices'" in told
    assert f"'{name}'" in told


@pytest.mark.parametrize(
    "name",
    [
        *(
            "live-billing-invoices",
            "test-dns-sync",
            "ci",
            "GitHub Actions",
            "Grafana",
            "prod",
            "Kasse 3",
        ),
        *(
            "my billing key",
            "test-dns",
            "Bücherei",
            "日本語",
            "billing",
            "acme-web",
            "backup 2",
            "Ada's laptop",
        ),
        *("keyboard shop", "tester-farm-berlin", "foodora", "newsletter"),
    ],
)
def test_says_something(name: str) -> None:
    """Whoever has given it a thought is left alone."""
    assert advice(name, "test") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("live-billing-invoices", ("live", "billing", "invoices"), id="usual"),
        pytest.param("Live_LIVE live", ("live",), id="once-each"),
        pytest.param("Straße 7b", ("strasse", "7b"), id="folded"),
        pytest.param("a%b_c*", ("a", "b", "c"), id="no-wildcards"),
        pytest.param("--- !", (), id="none"),
    ],
)
def test_words(text: str, words: tuple[str, ...]) -> None:
    """A word is letters and digits; case does not count, and no word counts twice."""
    assert words_of(text) == words

"""Where a key may stand besides Authorization, and what is left of a request without it."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.core.places import Places, without_parameters

PLACES = Places(("X-API-Key", "apikey"), "X-API-Secret")


@pytest.mark.parametrize(
    ("fields", "api_keys", "api_secrets"),
    [
        pytest.param([("Host", "h")], (), (), id="none"),
        pytest.param([("x-api-KEY", "a")], ("a",), (), id="in-any-case"),
        pytest.param([("APIKEY", "a")], ("a",), (), id="the-other-name"),
        pytest.param([("apikey", "a"), ("X-API-Key", "b")], ("b", "a"), (), id="both-names"),
        pytest.param([("X-API-Key", "a"), ("X-Api-Key", "b")], ("a", "b"), (), id="twice"),
        pytest.param([("X-API-Key", "a"), ("x-api-secret", "s")], ("a",), ("s",), id="pair"),
        pytest.param([("x-api-secret", "s")], (), ("s",), id="secret-alone"),
        pytest.param([("X_API_Key", "a"), ("X-API-Keys", "a")], (), (), id="other-names"),
    ],
)
def test_what_stands_in_the_headers(
    fields: list[tuple[str, str]], api_keys: tuple[str, ...], api_secrets: tuple[str, ...]
) -> None:
    """Every value counts, so that several are noticed; a name that merely looks alike is another field."""
    assert PLACES.sent(CIMultiDict(fields)) == (api_keys, api_secrets)


def test_places_can_be_few() -> None:
    """An operator who wants Authorization only has it, and an API that uses X-API-Key itself gets it."""
    nowhere = Places((), "X-API-Secret")
    fields = CIMultiDict([("X-API-Key", "a"), ("X-API-Secret", "b")])

    assert nowhere.headers == ()
    assert nowhere.sent(fields) == ((), ())
    assert PLACES.headers == ("X-API-Key", "apikey", "X-API-Secret")


NAMES = frozenset({"api_key", "key name"})


@pytest.mark.parametrize(
    ("target", "left", "values"),
    [
        pytest.param("/v1", "/v1", (), id="no-query"),
        pytest.param("/v1?", "/v1?", (), id="empty-query"),
        pytest.param("/v1?a=1&&b=%2B+%26&c=&d", "/v1?a=1&&b=%2B+%26&c=&d", (), id="not-touched"),
        pytest.param("/v1?api_key=K", "/v1", ("K",), id="alone"),
        pytest.param("/v1?api_key=K&a=%7e&a", "/v1?a=%7e&a", ("K",), id="first"),
        pytest.param("/v1?a=1&api_key=K&&b=2&", "/v1?a=1&&b=2&", ("K",), id="between"),
        pytest.param("/v1?a=1&api_key=K", "/v1?a=1", ("K",), id="last"),
        pytest.param("/v1?api_key=K&api_key=L", "/v1", ("K", "L"), id="twice"),
        pytest.param("/v1?api%5Fkey=K&%61pi_key=L", "/v1", ("K", "L"), id="encoded-name"),
        pytest.param("/v1?key+name=K&key%20name=L", "/v1", ("K", "L"), id="space-in-the-name"),
        pytest.param("/v1?api_key=a%2Bb+c%3D=d", "/v1", ("a+b c==d",), id="decoded-as-a-form"),
        pytest.param("/v1?api_key&x", "/v1?x", ("",), id="without-value"),
        pytest.param("/v1?API_KEY=K&api_keys=K", "/v1?API_KEY=K&api_keys=K", (), id="other-names"),
        pytest.param("/v1?a=1?api_key=K", "/v1?a=1?api_key=K", (), id="inside-a-value"),
        pytest.param("/api_key=K?b=1", "/api_key=K?b=1", (), id="in-the-path"),
        pytest.param("http://h/v1?api_key=K&a", "http://h/v1?a", ("K",), id="absolute"),
        pytest.param("/v1?api_key=%ff", "/v1", ("\udcff",), id="no-utf-8"),
    ],
)
def test_a_key_in_the_query(target: str, left: str, values: tuple[str, ...]) -> None:
    """The key is taken out in every spelling; of the rest no byte is changed."""
    assert without_parameters(target, NAMES) == (left, values)


_PARTS = st.text(st.sampled_from("ab=&?%+_5Fpikey/;#"), max_size=12) | st.sampled_from(
    ["api_key=K", "api%5fkey=K", "api_key", "a=1", ""]
)


@given(st.lists(_PARTS, max_size=6))
def test_nothing_of_the_key_is_left_and_nothing_else_is_lost(parts: list[str]) -> None:
    """Whoever reads the forwarded query as forms are read finds all parameters in order but the key."""
    query = "&".join(parts)
    left, values = without_parameters(f"/v1?{query}", NAMES)

    def read(text: str) -> list[tuple[str, str]]:
        return parse_qsl(text, keep_blank_values=True, errors="surrogateescape")

    named = [pair for pair in read(query) if pair[0] in NAMES]
    assert read(left.partition("?")[2]) == [pair for pair in read(query) if pair not in named]
    assert list(values) == [value for _, value in named]

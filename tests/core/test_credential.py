"""Finding the credential of a request, and keeping it unprintable."""

import base64
import copy
import hashlib
import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import token
from gateway.core.credential import (
    Credential,
    Pair,
    Pepper,
    Peppers,
    extract,
    is_importable,
    same_digest,
)
from gateway.core.keys import Environment, KeyDigest, KeyType
from gateway.core.refusal import Refusal, Refused

ID, OTHER_ID = "9aB3xYz0Kq7L", "000000000001"
SECRET, OTHER_SECRET = "Zr4Tn8wQe1Yu6Io0Pa5Sd9Fg2Hj7Kl3X", "0" * 32
KEY = token.compose(KeyType.SECRET, Environment.LIVE, ID, SECRET)
PEPPER = Pepper("p1", b"pepper" * 6)
OLDER = Pepper("p0", b"older!" * 6)
any_text = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(f"Bearer {KEY}", id="as-documented"),
        pytest.param(f"bearer {KEY}", id="lower-case-scheme"),
        pytest.param(f"BEARER {KEY}", id="upper-case-scheme"),
        pytest.param(f"Bearer  {KEY}", id="two-spaces"),
        pytest.param(f"Bearer {KEY} ", id="space-after"),
        pytest.param(f"Bearer {KEY}\t", id="tab-after"),
        pytest.param(f"  Bearer {KEY}", id="spaces-before"),
    ],
)
def test_a_bearer_key_is_found(value: str) -> None:
    """Every spelling that RFC 9110 allows reaches the same key."""
    found = extract([value])

    assert isinstance(found, Credential)
    assert found.token_bytes() == KEY.encode()
    assert found.parse() == (KeyType.SECRET, Environment.LIVE, ID)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([], Refusal.MISSING_KEY, id="no-field"),
        pytest.param([""], Refusal.MISSING_KEY, id="empty-field"),
        pytest.param([" \t"], Refusal.MISSING_KEY, id="blank-field"),
        pytest.param([f"Negotiate {KEY}"], Refusal.MISSING_KEY, id="another-scheme"),
        pytest.param(["Basics eA=="], Refusal.MISSING_KEY, id="longer-basic"),
        pytest.param([f"Bearerx {KEY}"], Refusal.MISSING_KEY, id="longer-scheme"),
        pytest.param([f"Bearer={KEY}"], Refusal.MISSING_KEY, id="equals-sign"),
        pytest.param([KEY], Refusal.MISSING_KEY, id="no-scheme"),
        pytest.param([f"\ufeffBearer {KEY}"], Refusal.MISSING_KEY, id="byte-order-mark-first"),
        pytest.param([f"\u00a0Bearer {KEY}"], Refusal.MISSING_KEY, id="no-break-space-first"),
        pytest.param([f"\uff22earer {KEY}"], Refusal.MISSING_KEY, id="full-width-scheme"),
        pytest.param(["Bearer"], Refusal.AMBIGUOUS_CREDENTIALS, id="scheme-alone"),
        pytest.param(["Bearer   "], Refusal.AMBIGUOUS_CREDENTIALS, id="scheme-and-spaces"),
        pytest.param([f"Bearer\t{KEY}"], Refusal.AMBIGUOUS_CREDENTIALS, id="tab-between"),
        pytest.param([f"Bearer \t{KEY}"], Refusal.AMBIGUOUS_CREDENTIALS, id="space-tab-between"),
        pytest.param(
            [f"Bearer {KEY}", "Bearer bad"], Refusal.AMBIGUOUS_CREDENTIALS, id="good-then-bad"
        ),
        pytest.param(
            ["Bearer bad", f"Bearer {KEY}"], Refusal.AMBIGUOUS_CREDENTIALS, id="bad-then-good"
        ),
        pytest.param(
            [f"Bearer {KEY}", f"Bearer {KEY}"], Refusal.AMBIGUOUS_CREDENTIALS, id="same-twice"
        ),
        pytest.param(["", f"Bearer {KEY}"], Refusal.AMBIGUOUS_CREDENTIALS, id="empty-then-good"),
        pytest.param(["Basic eA==", "Digest x"], Refusal.AMBIGUOUS_CREDENTIALS, id="two-others"),
    ],
)
def test_no_key_or_no_single_key(values: list[str], expected: Refusal) -> None:
    """Of several credentials none is chosen in silence, and a request without one learns how to send it."""
    assert extract(values) == Refused(expected)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{KEY} {KEY}", id="two-keys"),
        pytest.param(f"{KEY}, Bearer {KEY}", id="two-fields-joined-by-a-proxy"),
        pytest.param(f'"{KEY}"', id="quoted"),
        pytest.param(f"Bearer {KEY}", id="scheme-twice"),
        pytest.param(KEY[:-1], id="truncated"),
        pytest.param("\ufeff" + KEY, id="byte-order-mark"),
        pytest.param(KEY[:20] + "\u200b" + KEY[20:], id="zero-width-space"),
        pytest.param(KEY.replace("k", "\uff4b"), id="full-width-twin"),
        pytest.param("\u00a0" + KEY, id="no-break-space-before"),
        pytest.param(KEY + "\u00a0", id="no-break-space-after"),
        pytest.param(KEY[:-1] + "\ud800", id="lone-surrogate"),
        pytest.param("\udcc3\udcbf" + KEY, id="bytes-that-are-no-utf-8"),
        pytest.param("x' OR 1=1 --", id="sql"),
    ],
)
def test_what_is_no_key_is_malformed_and_never_looked_up(text: str) -> None:
    """A mistyped key is told from an unknown one before it costs anything."""
    found = extract([f"Bearer {text}"])

    assert isinstance(found, Credential)
    assert found.parse() is None
    assert len(found.digest(PEPPER).value) == 32


def basic(text: str | bytes) -> str:
    """`text` as the value of an Authorization field."""
    held = text.encode() if isinstance(text, str) else text
    return f"Basic {base64.b64encode(held).decode()}"


@pytest.mark.parametrize(
    ("authorization", "api_keys", "api_secrets"),
    [
        pytest.param([basic(f"{ID}:{SECRET}")], [], [], id="basic"),
        pytest.param([basic(f"{ID}:{SECRET}").replace("B", "b", 1)], [], [], id="lower-case"),
        pytest.param(["  " + basic(f"{ID}:{SECRET}").replace(" ", "   ")], [], [], id="spaces"),
        pytest.param([], [ID], [SECRET], id="two-headers"),
        pytest.param([], [f" {ID}\t"], [f"\t{SECRET} "], id="blanks-around"),
        pytest.param(["Negotiate eA=="], [ID], [SECRET], id="beside-another-scheme"),
    ],
)
def test_a_pair_is_found(
    authorization: list[str], api_keys: list[str], api_secrets: list[str]
) -> None:
    """API key and API secret are the halves of one token, of whatever type and environment the key is."""
    found = extract(authorization, api_keys, api_secrets)

    assert isinstance(found, Pair)
    assert found.secret_id == ID
    assert found.token_of(KeyType.SECRET, Environment.LIVE).token_bytes() == KEY.encode()
    assert [one.token_bytes().decode() for one in found.tokens("acme")] == [
        token.compose(kind, environment, ID, SECRET, "acme")
        for kind in KeyType
        for environment in Environment
    ]


@pytest.mark.parametrize(
    ("authorization", "api_keys"),
    [
        pytest.param([basic(f"{KEY}:")], [], id="basic-without-password"),
        pytest.param([], [KEY], id="key-header"),
        pytest.param([], [f"\t{KEY}  "], id="blanks-around"),
        pytest.param([""], [KEY], id="beside-an-empty-authorization"),
        pytest.param(["Negotiate eA=="], [KEY], id="beside-another-scheme"),
        pytest.param([KEY], [KEY], id="beside-no-scheme"),
    ],
)
def test_a_whole_key_is_found_in_other_places(
    authorization: list[str], api_keys: list[str]
) -> None:
    """The whole key is enough wherever a key may stand; what is no credential for us does not stand in its way."""
    found = extract(authorization, api_keys)

    assert isinstance(found, Credential)
    assert found.token_bytes() == KEY.encode()


@pytest.mark.parametrize(
    ("authorization", "api_keys", "api_secrets"),
    [
        pytest.param([f"Bearer {KEY}"], [KEY], [], id="bearer-and-header"),
        pytest.param([f"Bearer {KEY}"], [], [SECRET], id="bearer-and-half"),
        pytest.param(["Bearer"], [KEY], [], id="empty-bearer-and-header"),
        pytest.param([basic(f"{ID}:{SECRET}")], [KEY], [], id="basic-and-header"),
        pytest.param([basic(f"{ID}:{SECRET}")], [ID], [SECRET], id="the-same-pair-twice"),
        pytest.param(["Basic ?"], [KEY], [], id="broken-basic-and-header"),
        pytest.param(["Digest x", "Digest y"], [KEY], [], id="two-authorizations-and-header"),
        pytest.param([], [KEY, KEY], [], id="two-keys"),
        pytest.param([], [ID, ID], [SECRET], id="two-halves"),
        pytest.param([], [ID], [SECRET, SECRET], id="two-secrets"),
        pytest.param([], [], [SECRET], id="a-secret-alone"),
        pytest.param([], [], ["", SECRET], id="secrets-alone"),
        pytest.param([], [""], [], id="empty-key"),
        pytest.param([], [" \t"], [], id="blank-key"),
        pytest.param([], [""], [SECRET], id="empty-key-with-secret"),
        pytest.param([basic(f":{SECRET}")], [], [], id="basic-without-user"),
        pytest.param([basic(":")], [], [], id="basic-with-nothing"),
        pytest.param([basic(KEY)], [], [], id="basic-without-colon"),
        pytest.param([basic(b"\xff:\xfe")], [], [], id="basic-that-is-no-text"),
        pytest.param(["Basic"], [], [], id="basic-alone"),
        pytest.param([f"Basic {ID}:{SECRET}"], [], [], id="basic-not-encoded"),
        pytest.param([basic(f"{ID}:{SECRET}")[:-1]], [], [], id="basic-cut-off"),
        pytest.param(["Basic \u00e9\udcff"], [], [], id="basic-beyond-ascii"),
    ],
)
def test_more_or_less_than_one_credential(
    authorization: list[str], api_keys: list[str], api_secrets: list[str]
) -> None:
    """Nothing is chosen in silence, whichever one might be good; half a credential is none."""
    found = extract(authorization, api_keys, api_secrets)

    assert isinstance(found, Refused)
    assert found.reason is Refusal.AMBIGUOUS_CREDENTIALS


@pytest.mark.parametrize(
    ("api_key", "api_secret"),
    [
        pytest.param(ID[:-1], SECRET, id="key-too-short"),
        pytest.param(ID, SECRET[:-1], id="secret-too-short"),
        pytest.param(ID, SECRET + "x", id="secret-too-long"),
        pytest.param(SECRET, ID, id="swapped"),
        pytest.param(KEY, SECRET, id="whole-key-and-secret"),
        pytest.param(ID, KEY, id="id-and-whole-key"),
        pytest.param("admin", "admin", id="of-another-system"),
        pytest.param(ID, SECRET[:-1] + "é", id="beyond-ascii"),
    ],
)
def test_a_pair_out_of_shape_is_malformed(api_key: str, api_secret: str) -> None:
    """Its sender learns what a pair looks like, in either way to send it, and nothing is quoted."""
    by_headers = extract([], [api_key], [api_secret])

    assert isinstance(by_headers, Refused)
    assert by_headers == extract([basic(f"{api_key}:{api_secret}")])
    assert by_headers.reason is Refusal.MALFORMED_KEY
    assert "12" in by_headers.hint
    assert api_key not in by_headers.hint


_VALUES = st.lists(
    st.builds(
        str.__add__, st.sampled_from(["", "Bearer ", "bearer\t", "Basic ", "basic eA=="]), any_text
    )
    | any_text.filter(lambda text: text.isprintable()).map(basic)
    | st.sampled_from([KEY, ID, SECRET, f"Bearer {KEY}", basic(f"{ID}:{SECRET}")]),
    max_size=3,
)


@given(_VALUES, _VALUES, _VALUES)
def test_no_value_breaks_the_way_of_a_credential(
    authorization: list[str], api_keys: list[str], api_secrets: list[str]
) -> None:
    """Whatever stands where a key may be is answered with a value that shows nothing, never with an exception."""
    found = extract(authorization, api_keys, api_secrets)

    assert SECRET not in repr(found)
    if not isinstance(found, Refused):
        assert len(found.digest(PEPPER).value) == 32
        # One credential: in one place, or a pair in two.
        assert len(api_keys) <= 1
        assert len(api_secrets) <= len(api_keys)
        assert not (api_keys and any(value.startswith("Bearer ") for value in authorization))


def test_a_pair_is_known_apart_from_its_tokens() -> None:
    """That a pair is nobody's does not condemn a token, and the other way round."""
    pair = Pair(ID, SECRET)
    digests = {pair.digest(PEPPER), *(one.digest(PEPPER) for one in pair.tokens())}

    assert len(digests) == 5
    assert pair.digest(PEPPER) == Pair(ID, SECRET).digest(PEPPER)
    assert pair.digest(PEPPER) != Pair(ID, OTHER_SECRET).digest(PEPPER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("x", True, id="one-character"),
        pytest.param("my key, 1", True, id="with-spaces"),
        pytest.param("schlüssel-✓", True, id="beyond-ascii"),
        pytest.param("x" * 4096, True, id="longest"),
        pytest.param("x" * 4097, False, id="too-long"),
        pytest.param("", False, id="empty"),
        pytest.param(" x", False, id="space-before"),
        pytest.param("x ", False, id="space-after"),
        pytest.param("a\tb", False, id="tab"),
        pytest.param("a\0b", False, id="zero"),
        pytest.param("a\udcffb", False, id="bytes-that-are-no-utf-8"),
        pytest.param("a\u200bb", False, id="zero-width-space"),
    ],
)
def test_what_can_be_imported(text: str, expected: bool) -> None:
    """Any value that a header field can carry unchanged, and that somebody could have copied by eye."""
    assert is_importable(text) is expected
    assert Credential(text).is_importable is expected


def test_the_digest_is_hmac_sha_256_of_the_token_under_its_pepper() -> None:
    """What caches hold can be made again by any worker, and by nobody without the pepper."""
    digest = Credential(KEY).digest(PEPPER)

    assert digest.pepper_id == PEPPER.id
    assert digest.value == hmac.new(PEPPER.value, KEY.encode(), hashlib.sha256).digest()
    assert digest.value != Credential(KEY).digest(OLDER).value


@pytest.mark.parametrize(
    ("secret_id", "secret", "expected"),
    [
        pytest.param(ID, SECRET, True, id="the-key"),
        pytest.param(ID, OTHER_SECRET, False, id="right-id-other-secret"),
        pytest.param(OTHER_ID, SECRET, False, id="other-id-right-secret"),
    ],
)
def test_only_the_whole_token_has_the_digest(secret_id: str, secret: str, expected: bool) -> None:
    """Neither a known id nor a known secret alone lets anyone in, even with a sound checksum."""
    sent = Credential(token.compose(KeyType.SECRET, Environment.LIVE, secret_id, secret))

    assert sent.parse() is not None
    assert same_digest(sent.digest(PEPPER), Credential(KEY).digest(PEPPER)) is expected


def test_a_digest_under_another_pepper_is_another_digest() -> None:
    """Bytes alone do not match: which pepper made them counts too."""
    value = b"v" * 32

    assert same_digest(KeyDigest("p1", value), KeyDigest("p1", bytes(value)))
    assert not same_digest(KeyDigest("p1", value), KeyDigest("p0", value))
    assert not same_digest(KeyDigest("p1", value), KeyDigest("p1", value[:-1]))


def test_a_credential_has_no_readable_form() -> None:
    """A key in a log line, a message or a stack trace is shown as a name only."""
    held: Credential | Pair
    for held in (Credential(KEY), Pair(ID, SECRET)):
        forms = [repr(held), str(held), f"{held}", f"{held!r:>40}", "%s %r" % (held, [held])]  # noqa: UP031

        assert not [form for form in forms if SECRET in form or ID in form]
        assert not hasattr(held, "__dict__")


@pytest.mark.parametrize("held", [Credential(KEY), Pair(ID, SECRET)], ids=["whole", "pair"])
@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_credential_does_not_leave_its_process(leave: object, held: Credential | Pair) -> None:
    """A key never ends up in a queue, a cache or a crash dump by way of pickling."""
    assert callable(leave)
    with pytest.raises(TypeError) as caught:
        leave(held)

    assert SECRET not in str(caught.value)


def test_peppers_and_digests_hide_what_they_hold() -> None:
    """Neither a pepper nor a digest is ever shown, only its id."""
    digest = Credential(KEY).digest(PEPPER)
    text = f"{Peppers(PEPPER, (OLDER,))!r} {digest!r} {digest}"

    assert "p0" in text
    assert "pepper" not in text.lower().replace("pepper(", "").replace("peppers(", "")
    assert repr(digest.value)[2:-1] not in text
    assert digest.value.hex() not in text


def test_a_pepper_is_found_by_the_id_in_a_digest() -> None:
    """A digest from before a change of pepper can still be checked, until its pepper is thrown away."""
    peppers = Peppers(PEPPER, (OLDER,))

    assert peppers.find("p1") is PEPPER
    assert peppers.find("p0") is OLDER
    assert peppers.find("p9") is None

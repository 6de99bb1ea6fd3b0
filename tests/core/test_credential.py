"""Finding the credential of a request, and keeping it unprintable."""

import copy
import hashlib
import hmac
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import token
from gateway.core.credential import Credential, Pepper, Peppers, extract, same_digest
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
        pytest.param([f"Basic {KEY}"], Refusal.MISSING_KEY, id="another-scheme"),
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


@given(st.lists(st.builds(str.__add__, st.sampled_from(["", "Bearer ", "bearer\t"]), any_text)))
def test_no_header_value_breaks_the_way_of_a_credential(values: list[str]) -> None:
    """Whatever is sent as Authorization is answered with a value, never with an exception."""
    found = extract(values)

    if isinstance(found, Credential):
        assert found.parse() is None
        assert len(found.digest(PEPPER).value) == 32


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
    held = Credential(KEY)
    forms = [repr(held), str(held), f"{held}", f"{held!r:>40}", "%s %r" % (held, [held])]  # noqa: UP031

    assert not [form for form in forms if SECRET in form or ID in form]
    assert not hasattr(held, "__dict__")


@pytest.mark.parametrize("leave", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_credential_does_not_leave_its_process(leave: object) -> None:
    """A key never ends up in a queue, a cache or a crash dump by way of pickling."""
    assert callable(leave)
    with pytest.raises(TypeError) as caught:
        leave(Credential(KEY))

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

"""The text of a key: composed, parsed, recognised, and refused when mistyped."""

import binascii
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import token
from gateway.core.keys import Environment, KeyType

SECRET_ID = "9aB3xYz0Kq7L"
SECRET = "Zr4Tn8wQe1Yu6Io0Pa5Sd9Fg2Hj7Kl3X"
SAMPLE = token.compose(KeyType.SECRET, Environment.LIVE, SECRET_ID, SECRET)
SAMPLE_ACME = token.compose(KeyType.PUBLISHABLE, Environment.TEST, SECRET_ID, SECRET, "acme")
SAMPLE_ADMIN = token.compose_admin(SECRET_ID, SECRET)

ids = st.text(token.ALPHABET, min_size=12, max_size=12)
secrets = st.text(token.ALPHABET, min_size=32, max_size=32)
types = st.sampled_from(KeyType)
environments = st.sampled_from(Environment)
vendors = st.just("") | st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True)
# Text as a server may hand it over: lone surrogates stand for bytes that are no UTF-8.
any_text = st.text(st.characters(exclude_categories=()))


@given(types, environments, ids, secrets, vendors)
def test_a_composed_token_says_what_went_in(
    kind: KeyType, environment: Environment, secret_id: str, secret: str, vendor: str
) -> None:
    """Every issued key can be read back, and is found by the published pattern."""
    text = token.compose(kind, environment, secret_id, secret, vendor)

    assert token.parse(text, vendor) == (kind, environment, secret_id)
    assert re.fullmatch(token.pattern(vendor), text)
    assert re.search(token.pattern(vendor), f'export KEY="{text}"; echo {text}')
    assert text.endswith(token.checksum(text[:-6]))


def test_the_format_is_the_published_one() -> None:
    """Keys that customers hold stay valid through every release."""
    assert SAMPLE.startswith(f"sk_live_{SECRET_ID}{SECRET}")
    assert len(SAMPLE) == 58
    assert SAMPLE_ACME.startswith(f"acme_pk_test_{SECRET_ID}{SECRET}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", "000000", id="zero-is-padded"),
        pytest.param("123456789", "3jZRME", id="crc-32-check-value-cbf43926"),
        pytest.param("sk_live_", "2pFfUd", id="a-prefix"),
    ],
)
def test_checksum_is_crc_32_in_base62(text: str, expected: str) -> None:
    """Anyone can compute the checksum from its description: digits, then A-Z, then a-z."""
    crc = binascii.crc32(text.encode())
    digits = ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        digits = token.ALPHABET[digit] + digits

    assert token.checksum(text) == digits == expected


@pytest.mark.parametrize(
    ("text", "vendor"), [(SAMPLE, ""), (SAMPLE_ACME, "acme")], ids=["plain", "vendor"]
)
def test_any_single_mistyped_character_is_refused(text: str, vendor: str) -> None:
    """CRC-32 sees every change within 32 adjacent bits; so no single typo costs a look-up."""
    for at, right in enumerate(text):
        for wrong in map(chr, range(256)):
            if wrong != right:
                assert token.parse(text[:at] + wrong + text[at + 1 :], vendor) is None


def test_any_two_swapped_neighbours_are_refused() -> None:
    """The other usual typo never costs a look-up either."""
    for at in range(len(SAMPLE) - 1):
        swapped = SAMPLE[:at] + SAMPLE[at + 1] + SAMPLE[at] + SAMPLE[at + 2 :]

        assert swapped == SAMPLE or token.parse(swapped) is None


@given(ids, secrets, st.integers(0, 40), st.text(token.ALPHABET, min_size=4, max_size=4))
def test_any_change_within_four_characters_is_refused(
    secret_id: str, secret: str, at: int, patch: str
) -> None:
    """The guarantee of CRC-32 holds wherever the damage is, as long as it stays together."""
    text = token.compose(KeyType.SECRET, Environment.LIVE, secret_id, secret)
    at += len("sk_live_")
    changed = text[:at] + patch + text[at + 4 :]

    assert changed == text or token.parse(changed) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("sk_live_", id="prefix-only"),
        pytest.param(SAMPLE[:-1], id="last-character-cut"),
        pytest.param(SAMPLE[1:], id="first-character-cut"),
        pytest.param(SAMPLE + "0", id="one-more"),
        pytest.param(SAMPLE + "\n", id="line-feed-after"),
        pytest.param(" " + SAMPLE, id="space-before"),
        pytest.param(SAMPLE.upper(), id="upper-case"),
        pytest.param(SAMPLE + SAMPLE, id="twice"),
        pytest.param(SAMPLE[:20] + "_" + SAMPLE[21:], id="underscore-inside"),
        pytest.param(SAMPLE_ACME, id="a-vendor-that-is-not-ours"),
        pytest.param(SAMPLE.replace("sk_live", "sk_prod"), id="no-such-environment"),
        pytest.param(SAMPLE.replace("sk_live", "xx_live"), id="no-such-type"),
        pytest.param("\ufeff" + SAMPLE, id="byte-order-mark-before"),
        pytest.param("\ufeff" + SAMPLE[:-1], id="byte-order-mark-right-length"),
        pytest.param(SAMPLE[:30] + "\u200b" + SAMPLE[30:], id="zero-width-space-inside"),
        pytest.param(SAMPLE[:30] + "\u200b" + SAMPLE[31:], id="zero-width-space-right-length"),
        pytest.param(SAMPLE[:30] + "\u200d" + SAMPLE[31:], id="zero-width-joiner-right-length"),
        pytest.param(SAMPLE.replace("s", "\uff53"), id="full-width-twin"),
        pytest.param(SAMPLE.replace("k", "\u212a"), id="kelvin-sign-twin"),
        pytest.param(SAMPLE.replace("e", "\u0435"), id="cyrillic-twin"),
        pytest.param(SAMPLE.replace("9", "\u0669"), id="arabic-digit-twin"),
        pytest.param(SAMPLE.replace("9", "\u2468"), id="circled-digit-twin"),
        pytest.param(SAMPLE[:-1] + "\udcff", id="byte-that-is-no-utf-8"),
        pytest.param(SAMPLE[:-1] + "\ud800", id="lone-surrogate"),
        pytest.param(SAMPLE[:-1] + "\0", id="nul"),
        pytest.param("x' OR (SELECT 1 FROM pg_sleep(5)) IS NOT NULL --", id="sql"),
        pytest.param("*", id="glob"),
    ],
)
def test_what_is_no_whole_token_is_refused(text: str) -> None:
    """Nothing but the exact text of a key is taken for one, and nothing that is sent can break the parser."""
    assert token.parse(text) is None
    assert token.parse(text, "globex") is None


def _sealed(text: str) -> str:
    return text + token.checksum(text)


@pytest.mark.parametrize(
    ("text", "vendor"),
    [
        pytest.param(_sealed(f"sk_live_{SECRET_ID}{SECRET}0"), "", id="one-too-long"),
        pytest.param(_sealed(f"sk_live_{SECRET_ID}{SECRET[1:]}"), "", id="one-too-short"),
        pytest.param(_sealed(f"sk_live_{SECRET_ID}{SECRET[1:]}_"), "", id="underscore-inside"),
        pytest.param(_sealed(f"sk_live_{SECRET_ID}{SECRET[1:]}\n"), "", id="line-feed-inside"),
        pytest.param(_sealed(f"sk_prod_{SECRET_ID}{SECRET}"), "", id="no-such-environment"),
        pytest.param(_sealed(f"evil_sk_live_{SECRET_ID}{SECRET}"), "acme", id="other-vendor"),
        pytest.param(_sealed(f"acmeXsk_live_{SECRET_ID}{SECRET}"), "acme", id="vendor-run-on"),
    ],
)
def test_a_sound_checksum_does_not_make_a_token(text: str, vendor: str) -> None:
    """Whoever computes checksums still gets nothing but whole tokens of ours looked up."""
    assert token.parse(text, vendor) is None


@given(any_text | st.text(min_size=58, max_size=58), st.sampled_from(["", "acme"]))
def test_no_text_breaks_the_parser(text: str, vendor: str) -> None:
    """Whatever a caller sends is answered, and by chance it is never a key."""
    assert token.parse(text, vendor) is None


def test_a_vendor_prefix_is_required_when_there_is_one() -> None:
    """With a vendor prefix configured, a key of another product is malformed, not unknown."""
    assert token.parse(SAMPLE, "acme") is None
    assert token.parse(SAMPLE_ACME, "acme") is not None


def test_the_pattern_hardly_ever_hits_by_chance() -> None:
    """A secret scanner is not flooded, and what it does find can be checked by the checksum."""
    dice = random.Random(62)
    texts = ["".join(dice.choices(token.ALPHABET, k=64)) for _ in range(100_000)]

    assert not re.findall(token.pattern(), " ".join(texts))
    assert all(token.parse("sk_live_" + text[:50]) is None for text in texts)


@pytest.mark.parametrize(
    ("secret_id", "secret", "vendor"),
    [
        pytest.param(SECRET_ID[1:], SECRET, "", id="short-id"),
        pytest.param(SECRET_ID, SECRET + "0", "", id="long-secret"),
        pytest.param(SECRET_ID, SECRET[:-1] + "_", "", id="underscore-in-secret"),
        pytest.param(SECRET_ID, SECRET[:-1] + "é", "", id="letter-beyond-ascii"),
        pytest.param(SECRET_ID, SECRET, "Acme", id="upper-case-vendor"),
    ],
)
def test_compose_refuses_what_parse_would(secret_id: str, secret: str, vendor: str) -> None:
    """No key is issued that would not be let in; the error does not quote the secret."""
    with pytest.raises(ValueError, match=r"shape|base62") as caught:
        token.compose(KeyType.SECRET, Environment.LIVE, secret_id, secret, vendor)

    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("vendor", "expected"),
    [
        ("acme", True),
        ("a", True),
        ("a1", True),
        ("a" * 16, True),
        ("", False),
        ("a" * 17, False),
        ("1a", False),
        ("Acme", False),
        ("ac_me", False),
        ("ac.me", False),
        ("äcme", False),
    ],
)
def test_is_vendor(vendor: str, expected: bool) -> None:
    """A vendor prefix keeps the token one word that needs no escaping anywhere."""
    assert token.is_vendor(vendor) is expected


@given(types, environments, ids, secrets, vendors)
def test_lists_show_nothing_of_the_secret(
    kind: KeyType, environment: Environment, secret_id: str, secret: str, vendor: str
) -> None:
    """What lists show tells keys apart and is no help to a thief."""
    text = token.compose(kind, environment, secret_id, secret, vendor)
    listed = token.shown(kind, environment, secret_id, vendor)

    assert listed[-1] == "…"
    assert text.startswith(listed[:-1])
    assert len(listed) - 1 <= len(text) - 32 - 6 - 8


def test_shown_is_the_published_form() -> None:
    """The console, the CLI and the docs write a key the same way."""
    assert token.shown(KeyType.SECRET, Environment.LIVE, SECRET_ID) == "sk_live_9aB3…"


@settings(max_examples=300)
@given(st.binary(min_size=0, max_size=80))
def test_checksum_takes_every_ascii_text(data: bytes) -> None:
    """The checksum always has its six digits, so lengths stay fixed."""
    text = data.decode("latin-1").encode("ascii", "ignore").decode()

    assert re.fullmatch(r"[0-9A-Za-z]{6}", token.checksum(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"/pub/{SAMPLE}/x", "/pub/sk_live_…/x", id="in-a-path"),
        pytest.param(f"/{SAMPLE_ACME}", "/acme_pk_test_…", id="with-a-vendor"),
        pytest.param(f"/{SAMPLE[:-9]}", "/sk_live_…", id="cut-short"),
        pytest.param(f"/{SAMPLE.replace('_', '%5F')}", "/sk%5Flive%5F…", id="percent-encoded"),
        pytest.param(f"{SAMPLE} {SAMPLE}", "sk_live_… sk_live_…", id="twice"),
        pytest.param("sk_live_9aB3…", "sk_live_9aB3…", id="shown-form-stays"),
        pytest.param(f"Bearer {SAMPLE_ADMIN}.", "Bearer kwadmin_….", id="admin-token"),
        pytest.param(f"x{SAMPLE_ADMIN[:-20]}", "xkwadmin_…", id="admin-token-run-on-and-cut"),
        pytest.param(f"/{SAMPLE_ADMIN.replace('_', '%5f')}", "/kwadmin%5f…", id="admin-encoded"),
        pytest.param("/v1/task_list_of_keys", "/v1/task_list_of_keys", id="like-one"),
    ],
)
def test_tokens_can_be_taken_out_of_a_text(text: str, expected: str) -> None:
    """Wherever a caller put a key, what is kept of it is its kind."""
    assert token.without_tokens(text) == expected


def test_admin_token_is_found_by_its_id() -> None:
    """What is handed out is what is let in, and says in clear no more than its id."""
    assert token.parse_admin(SAMPLE_ADMIN) == SECRET_ID
    assert token.parse(SAMPLE_ADMIN) is None
    assert token.parse(SAMPLE_ADMIN, "kwadmin") is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(SAMPLE, id="a-key"),
        pytest.param(SAMPLE_ADMIN[:-1], id="cut-short"),
        pytest.param(SAMPLE_ADMIN + "0", id="too-long"),
        pytest.param(SAMPLE_ADMIN.upper(), id="upper-case"),
        pytest.param(SAMPLE_ADMIN.replace("_", "-"), id="another-separator"),
        pytest.param(SAMPLE_ADMIN[:30] + "é" + SAMPLE_ADMIN[31:], id="letter-beyond-ascii"),
        pytest.param(_sealed(f"kwadmin_{SECRET_ID}{SECRET[:-1]}_"), id="underscore-in-secret"),
        pytest.param(_sealed(f"kwadmim_{SECRET_ID}{SECRET}"), id="another-word"),
        *(
            pytest.param(SAMPLE_ADMIN[:at] + "~" + SAMPLE_ADMIN[at + 1 :], id=f"mistyped-at-{at}")
            for at in (0, 9, 40, 57)
        ),
    ],
)
def test_anything_else_is_no_admin_token(text: str) -> None:
    """A mistyped admin token costs no look-up, and no other credential is taken for one."""
    assert token.parse_admin(text) is None


@given(any_text | st.text(min_size=58, max_size=58))
def test_no_text_breaks_the_parser_of_admin_tokens(text: str) -> None:
    """Whatever is sent as an admin token is answered."""
    assert token.parse_admin(text) is None


@pytest.mark.parametrize(
    ("token_id", "secret"),
    [(SECRET_ID[1:], SECRET), (SECRET_ID, SECRET + "0"), (SECRET_ID, SECRET[:-1] + "_")],
)
def test_compose_admin_refuses_what_parse_would(token_id: str, secret: str) -> None:
    """No admin token is issued that would not be let in; the error does not quote the secret."""
    with pytest.raises(ValueError, match="base62") as caught:
        token.compose_admin(token_id, secret)

    assert secret not in str(caught.value)

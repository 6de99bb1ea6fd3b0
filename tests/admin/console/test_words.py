"""What the console calls things."""

import pytest

from admin.console.words import OUTCOMES, action_words, outcome_words, receipt_words, scope_words
from admin.wire.people import ScopeDocument
from admin.wire.receipt import ReceiptDocument
from gateway.core.refusal import Refusal


@pytest.mark.parametrize(
    ("name", "rules", "title", "sentence"),
    [
        pytest.param(
            "read-only",
            [{"methods": ("GET", "HEAD", "OPTIONS")}],
            "Read-Only",
            "May look at everything, and change nothing.",
            id="read-only",
        ),
        pytest.param(
            "read-write",
            [{"methods": ("*",)}],
            "Read/Write",
            "May do everything: read, create, change and delete.",
            id="read-write",
        ),
        pytest.param(
            "dns-only",
            [{"routes": ("dns",)}],
            "DNS-Only",
            "May do everything on dns.",
            id="one-route",
        ),
        pytest.param(
            "servers_restart",
            [{"methods": ("GET", "POST"), "routes": ("servers", "pools")}],
            "Servers-Restart",
            "May read and create on servers and pools.",
            id="some-deeds",
        ),
        pytest.param(
            "two",
            [{"methods": ("GET",)}, {"methods": ("POST", "PATCH", "DELETE"), "routes": ("dns",)}],
            "TWO",
            "May look at everything, and change nothing. May create, change and delete on dns.",
            id="two-rules",
        ),
        pytest.param("none", [], "None", "Nothing.", id="no-rule"),
    ],
)
def test_a_scope_is_a_box_with_a_sentence(
    name: str, rules: list[dict[str, tuple[str, ...]]], title: str, sentence: str
) -> None:
    """Whoever makes a key reads what it will be able to do, not the name of a setting."""
    words = scope_words(ScopeDocument(name=name, rules=tuple(rules)))

    assert (words.name, words.title, words.sentence) == (name, title, sentence)


def test_every_refusal_has_words() -> None:
    """No line of a request log shows a code that its reader has to look up."""
    assert all(outcome_words(refusal.code) == refusal.title for refusal in Refusal)
    assert all(OUTCOMES.values())
    assert outcome_words("a_new_one") == "A new one"


def receipt(workers: int, acknowledged: int, *missing: str) -> ReceiptDocument:
    """A receipt after 11 ms."""
    return ReceiptDocument(workers=workers, acknowledged=acknowledged, ms=11, missing=missing)


def test_a_receipt_says_who_enforces_it() -> None:
    """Whoever revokes a key reads a proof, and what is to come where it is not whole."""
    assert receipt_words(receipt(4, 4)) == "Enforced on 4 of 4 workers in 11 ms."
    assert receipt_words(receipt(1, 1)) == "Enforced on 1 of 1 worker in 11 ms."
    assert receipt_words(receipt(2, 1, "w2")).startswith(
        "Enforced on 1 of 2 workers in 11 ms. Missing: w2. "
    )
    assert receipt_words(receipt(0, 0)).startswith("No worker is running.")


def test_actions_are_told_apart() -> None:
    """An entry of the audit log reads as what was done to what."""
    assert action_words("key.end_secret") == "key: end secret"
    assert action_words("started") == "started"

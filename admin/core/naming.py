"""Names of keys: advice on them, and the words they are found by."""

__all__ = ["advice", "words_of"]

import re
from typing import Final

_WORD: Final = re.compile(r"[^\W_]+")
_PARTS: Final = re.compile(r"[^\W\d_]+|\d+")
_SAYS_NOTHING: Final = re.compile(
    "a|an|and|api|apikey|app|application|bar|baz|blah|credentials?|default|demo|dummy|example|first|foo"
    "|foobar|hello|hi|keys?|last|mine|misc|my|name|new|newkey|none|old|one|other|our|sample|second|secret"
    "|some|something|stuff|temp|temporary|test|tested|tester|testing|testkey|the|thing|tmp|todo|tokens?"
    "|two|unknown|unnamed|untitled|user|value|whatever|world|abc|xyz"
)
# What a hand finds on a keyboard that has to type something.
_ROWS: Final = ("asd", "qwe", "zxc", "yxc", "sdf", "jkl", "hjk")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a name or a search, each once: letters and digits, whatever their case."""
    return tuple(dict.fromkeys(_WORD.findall(text.casefold())))


def advice(name: str, environment: str) -> str | None:
    """A better kind of name than `name`, in a sentence; None for a name that says what the key is for.

    Who does not know what a key is for does not dare to revoke it.
    """
    words = _PARTS.findall(name.casefold())
    if not all(_is_empty(word) for word in words):
        return None
    return (
        f"The name '{name}' does not say what the key is for."
        " Names like {environment}-{service}-{purpose} do, such as"
        f" '{environment}-billing-invoices'."
    )


def _is_empty(word: str) -> bool:
    return (
        _SAYS_NOTHING.fullmatch(word) is not None
        or word.isdigit()
        or len(set(word)) == 1  # one letter, once or often
        or word.startswith(_ROWS)
    )

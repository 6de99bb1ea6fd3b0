"""Events in words, who wants them, and when a failed delivery is tried again."""

import ast
import re
from pathlib import Path

import pytest

import admin.services
from admin.core.notices.filters import is_pattern, is_wanted
from admin.core.notices.kinds import KINDS, notice_of
from admin.core.notices.patience import next_try, pause_after, rest_after, retry_after
from admin.core.notices.severity import Severity

DAY = 86_400.0
NOW = 1_800_000_000.0


def test_a_known_kind_is_told_in_words() -> None:
    """Whoever reads of a revoked key learns which, and who did it."""
    notice = notice_of("key.revoked", "acc_1", "key_1", {"name": "ci", "by": "ada"})

    assert notice.severity is Severity.WARNING
    assert notice.title == "Key ci was revoked"
    assert notice.text.startswith("ada revoked the key ci (key_1) for good.")


def test_an_alert_says_itself_what_it_is() -> None:
    """A kind that comes later brings its severity, title and text along."""
    data = {
        "severity": "critical",
        "title": "Quota used up",
        "text": "100 % of 1000.",
        "used": 1000,
    }
    notice = notice_of("quota.exceeded", "acc_1", None, data)

    assert (notice.severity, notice.title, notice.text) == (
        Severity.CRITICAL,
        "Quota used up",
        "100 % of 1000.",
    )
    assert notice.is_for_inbox


def test_an_unknown_kind_without_words_is_told_all_the_same() -> None:
    """Nothing is left out because nobody gave it a title, and nothing in its data breaks the telling."""
    notice = notice_of("some.thing", "acc_1", "key_9", {"severity": 7, "title": [], "text": None})

    assert (notice.severity, notice.title) == (Severity.INFO, "some.thing acc_1 key_9")


@pytest.mark.parametrize("name", ["{key.__class__}", "{0}", "{", "%s", "{by}"])
def test_names_are_text_and_nothing_else(name: str) -> None:
    """What somebody called their key is shown as it is, and never read as a pattern."""
    notice = notice_of("key.created", "acc_1", "key_1", {"name": name, "by": "ada"})

    assert notice.title == f"Key {name} was created"


def test_titles_are_one_short_line() -> None:
    """A title can stand in a subject, whatever the data holds."""
    notice = notice_of(
        "x.y", None, None, {"title": "a\r\nBcc: b\n" + "c" * 500, "text": "t" * 9000}
    )

    assert "\n" not in notice.title
    assert "\r" not in notice.title
    assert len(notice.title) == 200
    assert len(notice.text) == 2000


def test_every_kind_that_services_tell_is_in_the_table() -> None:
    """No event of ours is told without words."""
    told = set()
    for path in Path(str(admin.services.__file__)).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                told |= set(
                    re.findall(r"^(?:key|access|account|user|channel)\.[a-z_]+ed$", node.value)
                )

    assert {"key.revoked", "access.requested", "key.created"} <= told
    assert told <= set(KINDS)
    # Told by a word that is put together: `account.` and what became of it.
    assert {"account.suspended", "account.resumed", "user.disabled", "user.enabled"} <= set(KINDS)


@pytest.mark.parametrize(
    ("patterns", "least", "expected"),
    [
        pytest.param(("*",), Severity.INFO, True, id="all"),
        pytest.param(("key.*",), Severity.WARNING, True, id="family"),
        pytest.param(("key.revoked",), Severity.WARNING, True, id="kind"),
        pytest.param(("quota.*", "key.revoked"), Severity.INFO, True, id="one-of-two"),
        pytest.param(("key.created",), Severity.INFO, False, id="other-kind"),
        pytest.param(("key",), Severity.INFO, False, id="half-a-name"),
        pytest.param(("*",), Severity.CRITICAL, False, id="not-grave-enough"),
        pytest.param((), Severity.INFO, False, id="nothing"),
    ],
)
def test_channels_get_what_they_want(
    patterns: tuple[str, ...], least: Severity, expected: bool
) -> None:
    """A channel is sent the kinds it names, from its severity upwards."""
    assert is_wanted("key.revoked", Severity.WARNING, patterns, least) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", True),
        ("key.*", True),
        ("quota.threshold", True),
        ("key", False),
        ("*.revoked", False),
        ("key.revoked.x", False),
        ("Key.*", False),
        ("key.*\n", False),
        ("", False),
    ],
)
def test_what_is_a_pattern(text: str, expected: bool) -> None:
    """A slip in a pattern is told at once, not by silence."""
    assert is_pattern(text) is expected


def test_a_delivery_is_tried_for_a_day_and_soon_at_first() -> None:
    """A receiver that restarts is tried again within seconds, and one that is away gets ten tries in a day."""
    pauses = [pause_after(tries, 0.5) for tries in range(1, 10)]

    assert pauses[0] == 5
    assert pauses == sorted(pauses)
    assert 0.5 * DAY < sum(pauses) < DAY
    assert pause_after(99, 0.5) == pauses[-1]
    assert pause_after(3, 0.0) == pytest.approx(96.0)
    assert pause_after(3, 1.0) == pytest.approx(144.0)


@pytest.mark.parametrize(
    ("tries", "asked", "left", "expected"),
    [
        pytest.param(1, None, DAY, NOW + 5, id="soon"),
        pytest.param(1, 300.0, DAY, NOW + 300, id="as-the-receiver-asked"),
        pytest.param(1, 1.0, DAY, NOW + 5, id="not-sooner-than-usual"),
        pytest.param(9, None, DAY, NOW + 28800, id="late"),
        pytest.param(9, None, 7200.0, NOW + 7200, id="once-more-at-the-end"),
        pytest.param(1, 10 * DAY, DAY, NOW + DAY, id="asked-for-longer-than-there-is"),
        pytest.param(9, None, 30.0, None, id="given-up"),
        pytest.param(9, None, -5.0, None, id="over"),
    ],
)
def test_when_a_delivery_is_tried_again(
    tries: int, asked: float | None, left: float, expected: float | None
) -> None:
    """A receiver's Retry-After is kept, and nothing is tried beyond its time."""
    assert next_try(NOW, NOW + left, tries, asked, 0.5) == expected


def test_a_failing_channel_rests() -> None:
    """The more often a receiver failed in a row, the longer it is left alone, up to five minutes."""
    assert [rest_after(number) for number in (0, 1, 2, 5, 9, 10, 10**6)] == [
        0,
        1,
        2,
        16,
        256,
        300,
        300,
    ]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-1", None),
        ("1.5", None),
        ("9" * 400, None),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("Fri, 15 Jan 2021 08:00:30 GMT", 0.0),
        ("soon", None),
        ("٣", None),
    ],
)
def test_retry_after_is_read(field: str | None, expected: float | None) -> None:
    """Seconds and dates are understood, and nothing else is made up."""
    assert retry_after(field, NOW) == expected


def test_severities_are_in_order() -> None:
    """What is kept as a number comes back as the same word, and an unknown number as the gravest."""
    assert [Severity.of_rank(each.rank) for each in Severity] == list(Severity)
    assert Severity.INFO.rank < Severity.WARNING.rank < Severity.CRITICAL.rank
    assert Severity.of_rank(99) is Severity.CRITICAL

"""What is worth an alert: quotas, keys, traffic, addresses."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.core.alerts.addresses import AddressTerms, Newcomers, address_finding, network_of
from admin.core.alerts.figures import amount, month_end, period_of
from admin.core.alerts.key_life import KeyTerms, WatchedKey, key_findings
from admin.core.alerts.kinds import AlertKind, Finding, Rule, Severity
from admin.core.alerts.ladder import climb
from admin.core.alerts.quota import Meter, Pace, forecast_finding, quota_finding
from admin.core.alerts.traffic import (
    RefusalTerms,
    Rise,
    RiseTerms,
    Tally,
    refusal_finding,
    rise_finding,
)
from admin.core.alerts.wishes import Choice, Defaults, wishes

DAY = 86_400
DAY_US = DAY * 1_000_000
# 2026-11-21T00:00:00Z
NOON = 1_795_219_200.0
NOW_US = round(NOON * 1_000_000)
METER = Meter("acc_1", "Example GmbH", "requests", "2026-11", used=0, limit=1000)
KEY = WatchedKey(
    id="key_1",
    account_id="acc_1",
    name="production-dns-sync",
    is_active=True,
    created_us=NOW_US - 10 * DAY_US,
    used_day=NOW_US // DAY_US,
    secret_id="9aB3xY7qLm2P",
    secret_us=NOW_US - 10 * DAY_US,
)


def crossed(finding: Finding | None) -> tuple[int, ...]:
    """What is told at the first look."""
    return () if finding is None else climb(None, finding.steps, finding.look).crossed


def of(rule: Rule, key: WatchedKey, terms: KeyTerms | None = None) -> Finding | None:
    """What that rule finds in a key just now."""
    found = {one.subject.rule: one for one in key_findings(key, terms or KeyTerms(), NOW_US)}
    return found.get(rule)


@pytest.mark.parametrize(
    ("used", "limit", "expected"),
    [
        pytest.param(749, 1000, (), id="a-request-before-75"),
        pytest.param(750, 1000, (75,), id="75"),
        pytest.param(999, 1000, (75, 90), id="a-request-before-the-end"),
        pytest.param(1000, 1000, (75, 90, 100), id="all-of-it"),
        pytest.param(2, 3, (), id="two-thirds-of-three"),
        pytest.param(3, 4, (75,), id="three-of-four"),
    ],
)
def test_quota_is_told_at_its_thresholds(used: int, limit: int, expected: tuple[int, ...]) -> None:
    """A threshold is crossed with the very request that reaches it, not before."""
    finding = quota_finding(replace(METER, used=used, limit=limit), (75, 90, 100), NOW_US)
    assert crossed(finding) == expected


def test_used_up_quota_is_critical_and_says_how_much() -> None:
    """Who has used all of it gets another kind of alert than who comes near, in words with the figures."""
    near = quota_finding(replace(METER, used=750), (75, 100), NOW_US).alert((75,))
    over = quota_finding(replace(METER, used=1200), (75, 100), NOW_US).alert((75, 100))

    assert (near.kind, near.severity) == (AlertKind.QUOTA_THRESHOLD, Severity.WARNING)
    assert near.title == "75 % of the monthly quota used"
    assert near.text == "Example GmbH has used 750 requests of 1,000 requests (75 %) in 2026-11."
    assert (over.kind, over.severity) == (AlertKind.QUOTA_EXCEEDED, Severity.CRITICAL)
    assert over.facts["crossed"] == [75, 100]


@pytest.mark.parametrize(
    ("used", "pace", "expected"),
    [
        pytest.param(100, Pace(100, 10 * DAY), (), id="lasts"),
        pytest.param(900, Pace(100, 10 * DAY), (100,), id="to-the-last-day"),
        pytest.param(500, Pace(1000, 7 * DAY), (100, 125, 150), id="not-nearly"),
        pytest.param(900, Pace(1000, DAY // 2), (), id="half-a-day-says-nothing"),
        pytest.param(1000, Pace(1000, 7 * DAY), (), id="used-up-already"),
        pytest.param(0, Pace(0, 7 * DAY), (), id="unused"),
    ],
)
def test_forecast_looks_to_the_end_of_the_month(
    used: int, pace: Pace, expected: tuple[int, ...]
) -> None:
    """An account is told when its pace does not fit its quota, and only while that is still ahead."""
    assert crossed(forecast_finding(replace(METER, used=used), pace, NOON)) == expected


def test_forecast_names_the_day() -> None:
    """The alert says on which day the quota runs out."""
    finding = forecast_finding(replace(METER, used=800), Pace(700, 7 * DAY), NOON)
    assert finding is not None
    alert = finding.alert((100,))
    assert alert.facts["runs_out_at"] == "2026-11-23T00:00:00Z"
    assert "lasts until 2026-11-23" in alert.text
    assert "the last 7 days" in alert.text


@given(st.floats(0, 253_000_000_000))
def test_month_ends_where_the_next_begins(at: float) -> None:
    """The end of a month is the first moment of another, at most 31 days ahead."""
    end = month_end(at)
    assert 0 < end - at <= 31 * DAY
    assert period_of(end) != period_of(at)
    assert period_of(end - 1) == period_of(at)


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        pytest.param(31 * DAY_US, (), id="in-a-month"),
        pytest.param(30 * DAY_US, (-30 * DAY_US,), id="in-30-days"),
        pytest.param(8 * DAY_US, (-30 * DAY_US,), id="in-8-days"),
        pytest.param(7 * DAY_US, (-30 * DAY_US, -7 * DAY_US), id="in-7-days"),
        pytest.param(1, (-30 * DAY_US, -7 * DAY_US, -DAY_US), id="next-moment"),
        pytest.param(0, (), id="over"),
    ],
)
def test_expiry_is_told_30_7_and_1_days_before(left: int, expected: tuple[int, ...]) -> None:
    """A key's expiry is told as each of the three comes near, and never when it is over."""
    key = replace(KEY, created_us=NOW_US - 365 * DAY_US, expires_us=NOW_US + left)
    assert crossed(of(Rule.EXPIRING, key)) == expected


def test_key_for_a_week_is_not_told_at_once() -> None:
    """Who makes a key for a week is told a day before its end, not when it is made."""
    key = replace(KEY, created_us=NOW_US, expires_us=NOW_US + 7 * DAY_US)
    assert crossed(of(Rule.EXPIRING, key)) == ()
    later = replace(key, created_us=NOW_US - 6 * DAY_US, expires_us=NOW_US + DAY_US)
    assert crossed(of(Rule.EXPIRING, later)) == (-DAY_US,)


def test_another_expiry_is_told_anew() -> None:
    """A key whose expiry was moved is told of again when the new one comes near."""
    key = replace(KEY, created_us=0, expires_us=NOW_US + DAY_US)
    first = of(Rule.EXPIRING, key)
    assert first is not None
    level = climb(None, first.steps, first.look).level
    second = of(Rule.EXPIRING, replace(key, expires_us=NOW_US + 2 * DAY_US))
    assert second is not None
    assert climb(level, second.steps, second.look).crossed == (-30 * DAY_US, -7 * DAY_US)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        pytest.param(replace(KEY, used_day=NOW_US // DAY_US - 90), (), id="on-its-90th-day"),
        pytest.param(replace(KEY, used_day=NOW_US // DAY_US - 91), (0,), id="for-90-whole-days"),
        pytest.param(
            replace(KEY, used_day=0, created_us=NOW_US - 90 * DAY_US), (0,), id="never-used"
        ),
        pytest.param(replace(KEY, used_day=0), (), id="new"),
        pytest.param(
            replace(KEY, used_day=NOW_US // DAY_US - 91, is_active=False), (), id="disabled"
        ),
    ],
)
def test_unused_key_is_told(key: WatchedKey, expected: tuple[int, ...]) -> None:
    """A key that nobody has used for 90 days is told of; one that is refused anyway is not."""
    assert crossed(of(Rule.UNUSED, key)) == expected


def test_what_was_old_before_alerts_ran_is_not_told_one_by_one() -> None:
    """The first run on an installation with years of keys does not flood anybody."""
    old = replace(
        KEY, used_day=NOW_US // DAY_US - 400, secret_us=NOW_US - 400 * DAY_US, expires_us=None
    )
    assert list(key_findings(old, KeyTerms(begun_us=NOW_US - DAY_US), NOW_US)) == []
    assert len(list(key_findings(old, KeyTerms(begun_us=NOW_US - 390 * DAY_US), NOW_US))) == 2


def test_rotation_is_told_once_for_each_secret() -> None:
    """A secret that grew too old is told of once, and the one after it again."""
    finding = of(Rule.ROTATION, replace(KEY, secret_us=NOW_US - 90 * DAY_US))
    assert crossed(finding) == (0,)
    assert finding is not None
    level = climb(None, finding.steps, finding.look).level
    rotated = of(Rule.ROTATION, replace(KEY, secret_id="next", secret_us=NOW_US))
    assert rotated is not None
    assert climb(level, rotated.steps, rotated.look).level.step is None
    old_again = of(Rule.ROTATION, replace(KEY, secret_id="next", secret_us=NOW_US - 91 * DAY_US))
    assert old_again is not None
    assert climb(level, old_again.steps, old_again.look).crossed == (0,)


@pytest.mark.parametrize(
    ("requests", "refused", "expected"),
    [
        pytest.param(150, 99, (), id="few"),
        pytest.param(150, 100, (100,), id="most-of-them"),
        pytest.param(10_000, 500, (), id="a-small-part"),
        pytest.param(10_000, 9_000, (100, 1000), id="very-many"),
    ],
)
def test_many_refusals_are_told(requests: int, refused: int, expected: tuple[int, ...]) -> None:
    """A key is told of when it is refused often, and more often than not."""
    tally = Tally("acc_1", "key_1", "sync", requests, refused, ("rate_limited",))
    assert crossed(refusal_finding(tally, RefusalTerms(), NOW_US)) == expected


@pytest.mark.parametrize(
    ("rise", "expected"),
    [
        pytest.param(Rise("acc_1", "Ex", 5000, 24_000, 24, 1500), (500,), id="five-times"),
        pytest.param(Rise("acc_1", "Ex", 4900, 24_000, 24, 1500), (), id="not-quite"),
        pytest.param(Rise("acc_1", "Ex", 10_000, 24_000, 24, 1500), (500, 1000), id="ten-times"),
        pytest.param(Rise("acc_1", "Ex", 900, 240, 24, 100), (), id="too-few-to-matter"),
        pytest.param(Rise("acc_1", "Ex", 5000, 5000, 24, 5000), (), id="a-daily-job"),
        pytest.param(Rise("acc_1", "Ex", 5000, 500, 20, 100), (), id="a-new-account"),
        pytest.param(Rise("acc_1", "Ex", 5000, 0, 48, 0), (), id="nothing-before"),
    ],
)
def test_sudden_rise_is_told(rise: Rise, expected: tuple[int, ...]) -> None:
    """Traffic is told of when an hour has many times the average, and more than any hour before."""
    assert crossed(rise_finding(rise, RiseTerms(), NOW_US)) == expected


@pytest.mark.parametrize(
    ("address", "terms", "expected"),
    [
        pytest.param("192.0.2.7", AddressTerms(), "192.0.2.7", id="ipv4"),
        pytest.param("192.0.2.7", AddressTerms(ipv4_bits=24), "192.0.2.0/24", id="ipv4-network"),
        pytest.param("2001:db8::a:b:c:d", AddressTerms(), "2001:db8::/64", id="ipv6"),
        pytest.param("::ffff:192.0.2.7", AddressTerms(), "192.0.2.7", id="ipv4-in-ipv6"),
        pytest.param("unknown", AddressTerms(), None, id="no-address"),
    ],
)
def test_addresses_count_by_their_network(
    address: str, terms: AddressTerms, expected: str | None
) -> None:
    """A host whose lower half changes by itself, as with IPv6, is not new each day."""
    assert network_of(address, terms) == expected


@pytest.mark.parametrize(
    ("new", "is_crowd", "expected"),
    [
        pytest.param(0, False, (), id="none"),
        pytest.param(1, False, (1,), id="one"),
        pytest.param(7, False, (1, 5), id="several"),
        pytest.param(7, True, (), id="a-crowd"),
    ],
)
def test_new_addresses_are_told(new: int, is_crowd: bool, expected: tuple[int, ...]) -> None:
    """A new address of a key is told of, unless the key is used by a crowd."""
    networks = tuple(f"192.0.2.{number}" for number in range(new))
    finding = address_finding(Newcomers("acc_1", "key_1", "sync", networks, is_crowd), NOON)
    assert crossed(finding) == expected


def test_long_list_of_addresses_is_cut() -> None:
    """However many addresses are new, the sentence stays readable and says how many more there are."""
    networks = tuple(f"192.0.2.{number}" for number in range(12))
    finding = address_finding(Newcomers("acc_1", "key_1", "sync", networks), NOON)
    assert finding is not None
    alert = finding.alert((1, 5))
    assert "192.0.2.9 and 2 more" in alert.text
    assert alert.facts["count"] == 12


@pytest.mark.parametrize(
    ("plan", "choice", "thresholds"),
    [
        pytest.param("starter", Choice(), (75, 90, 100), id="default"),
        pytest.param("cloud", Choice(), (50,), id="of-the-plan"),
        pytest.param("cloud", Choice((100, 80, 80)), (80, 100), id="its-own"),
        pytest.param("cloud", Choice(()), (), id="none"),
    ],
)
def test_account_has_the_thresholds_that_it_chose(
    plan: str, choice: Choice, thresholds: tuple[int, ...]
) -> None:
    """An account's own thresholds go before its plan's, and these before the installation's."""
    assert wishes(Defaults(of_plans={"cloud": (50,)}), plan, choice).thresholds == thresholds


def test_single_kinds_are_switched() -> None:
    """An account can switch a kind off, and one on that is off by default; it leaves the others alone."""
    defaults = Defaults(off=frozenset({AlertKind.KEY_UNUSED, AlertKind.USAGE_SUDDEN_RISE}))
    choice = Choice(switches={AlertKind.KEY_UNUSED: True, AlertKind.KEY_EXPIRING: False})
    assert wishes(defaults, "starter", choice).off == {
        AlertKind.USAGE_SUDDEN_RISE,
        AlertKind.KEY_EXPIRING,
    }


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (3 * 1024**3, "3.0 GiB")],
)
def test_sizes_are_said_in_units(count: int, expected: str) -> None:
    """Nobody has to count the digits of a number of bytes."""
    assert amount("bytes", count) == expected

"""The exposition: names, labels, and their bounds."""

import asyncio
import dataclasses

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.clock import SystemClock
from gateway.core.limits import Grant, Limit, LimitState
from gateway.core.record import SERVED, UsageRecord
from gateway.core.refusal import Refusal
from gateway.metrics import Metrics

BUSIEST_BY_DEFAULT = 200

# What a key's owner meets in a normal life.
USUAL_OUTCOMES = (
    SERVED,
    "client_gone",
    Refusal.RATE_LIMITED.code,
    Refusal.INSUFFICIENT_SCOPE.code,
    Refusal.NO_ROUTE.code,
    Refusal.UPSTREAM_UNREACHABLE.code,
    Refusal.UPSTREAM_TIMEOUT.code,
    Refusal.EXPIRED_KEY.code,
)

RECORD = UsageRecord(
    at=0.0,
    key_id="key_1",
    account_id="acc_1",
    secret_id="000000000001",
    route="dns",
    method="GET",
    path="/v1/dns/zones",
    status=200,
    outcome=SERVED,
    bytes_in=3,
    bytes_out=12,
    duration_seconds=0.02,
    address="192.0.2.1",
    request_id="r",
)


@pytest.fixture
def metrics() -> Metrics:
    """Metrics with room for two keys."""
    return Metrics(SystemClock(), busiest_keys=2, with_process=False)


def _samples(metrics: Metrics) -> dict[str, float]:
    return {
        sample.name + str(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return _samples(metrics).get(name + str(sorted(labels.items())))


def granted(policy: str) -> Grant:
    """A decision on one limit."""
    return Grant(True, (LimitState(Limit(policy, 10, 60), 9, 6.0),), 0.0)


def test_every_metric_of_the_design_is_there(metrics: Metrics) -> None:
    """Dashboards and alerts find each metric under its name and labels from the first scrape with traffic."""
    metrics.request_finished(
        RECORD,
        key_name="ci",
        overhead_seconds=0.0002,
        upstream_seconds=0.01,
        target="127.0.0.1:9001",
    )
    metrics.limits_decided(granted("default"))
    metrics.revocation_seconds(0.01)
    metrics.event_loop_lag(0.001)
    metrics.notifications.attempts["webhook", "delivered"] += 1
    metrics.notifications.alerts["key.unused"] += 1
    seen = {
        (sample.name.removesuffix("_count"), *sorted(set(sample.labels)))
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_sum"))
    }

    assert seen == {
        ("keywright_requests_total", "code_class", "method", "outcome", "route"),
        ("keywright_notification_attempts_total", "channel", "outcome"),
        ("keywright_alerts_told_total", "kind"),
        ("keywright_notifications_pending",),
        ("keywright_notification_oldest_seconds",),
        ("keywright_notification_events_behind",),
        ("keywright_channels_switched_off_total",),
        ("keywright_request_duration_seconds", "route"),
        ("keywright_overhead_seconds", "route"),
        ("keywright_upstream_duration_seconds", "route", "target"),
        ("keywright_key_requests_total", "account_id", "key_id", "key_name", "outcome"),
        ("keywright_key_bytes_total", "account_id", "direction", "key_id", "key_name"),
        ("keywright_account_requests_total", "account_id", "outcome"),
        ("keywright_account_bytes_total", "account_id", "direction"),
        ("keywright_ratelimit_decisions_total", "outcome", "policy"),
        ("keywright_lease_borrowed_total",),
        ("keywright_lease_returned_total",),
        ("keywright_lease_expired_total",),
        ("keywright_lease_stranded_max",),
        ("keywright_quota_decisions_total", "outcome"),
        ("keywright_quota_questions_total",),
        ("keywright_quota_given_back_total",),
        ("keywright_revocation_seconds",),
        ("keywright_degraded", "store"),
        ("keywright_usage_lost_total",),
        ("keywright_usage_damaged_total",),
        ("keywright_usage_lag_seconds",),
        ("keywright_event_loop_lag_seconds",),
    }


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        pytest.param({}, ("dns", "GET", "2xx", "served"), id="served"),
        pytest.param(
            {"key_id": None, "status": 401}, ("none", "GET", "4xx", "served"), id="no-proven-key"
        ),
        pytest.param(
            {"route": None, "status": 404}, ("none", "GET", "4xx", "served"), id="no-route"
        ),
        pytest.param({"method": "BREW"}, ("dns", "other", "2xx", "served"), id="made-up-method"),
        pytest.param({"status": 499}, ("dns", "GET", "4xx", "served"), id="client-gone"),
        pytest.param({"status": 101}, ("dns", "GET", "1xx", "served"), id="upgraded"),
    ],
)
def test_labels_are_bounded(
    metrics: Metrics, changes: dict[str, object], labels: tuple[str, str, str, str]
) -> None:
    """No caller can make up a label value."""
    metrics.request_finished(dataclasses.replace(RECORD, **changes), overhead_seconds=0)  # type: ignore[arg-type]
    route, method, code_class, outcome = labels
    counted = _value(
        metrics,
        "keywright_requests_total",
        route=route,
        method=method,
        code_class=code_class,
        outcome=outcome,
    )

    assert counted == 1


def test_a_histogram_adds_up(metrics: Metrics) -> None:
    """Each bucket holds what is not above its bound, and +Inf holds all."""
    for seconds in (0.001, 0.0011, 70.0):
        metrics.request_finished(
            dataclasses.replace(RECORD, duration_seconds=seconds), overhead_seconds=0
        )
    name = "keywright_request_duration_seconds"
    found = {
        bound: _value(metrics, f"{name}_bucket", route="dns", le=bound)
        for bound in ("0.001", "60.0", "+Inf")
    }

    assert found == {"0.001": 1, "60.0": 2, "+Inf": 3}
    assert _value(metrics, f"{name}_count", route="dns") == 3
    assert _value(metrics, f"{name}_sum", route="dns") == pytest.approx(70.0021)


def test_keys_beyond_the_busiest_are_other(metrics: Metrics) -> None:
    """However many keys there are, the number of series stays bounded and no request is left out."""
    for number in range(10):
        metrics.request_finished(
            dataclasses.replace(RECORD, key_id=f"key_{number}"),
            key_name=f"k{number}",
            overhead_seconds=0,
        )
    by_key = {
        name: value
        for name, value in _samples(metrics).items()
        if name.startswith("keywright_key_requests_total")
    }

    assert len(by_key) == 3
    assert sum(by_key.values()) == 10
    labels = {"key_id": "other", "key_name": "other", "account_id": "other"}
    assert _value(metrics, "keywright_key_bytes_total", direction="in", **labels) == 8 * 3
    assert _value(metrics, "keywright_key_bytes_total", direction="out", **labels) == 8 * 12


def test_a_series_ends_when_its_key_loses_its_place(metrics: Metrics) -> None:
    """A key that has become busy replaces an idle one, whose series is gone."""
    for key_id, count in (("idle", 1), ("steady", 40), ("busy", 30)):
        for _ in range(count):
            metrics.request_finished(
                dataclasses.replace(RECORD, key_id=key_id), key_name=key_id, overhead_seconds=0
            )
    metrics.review_keys()
    metrics.request_finished(
        dataclasses.replace(RECORD, key_id="busy"), key_name="busy", overhead_seconds=0
    )

    counted = [
        _value(
            metrics,
            "keywright_key_requests_total",
            key_id=key_id,
            key_name=key_id,
            account_id="acc_1",
            outcome="served",
        )
        for key_id in ("idle", "busy")
    ]
    assert counted == [None, 1]


def test_a_renamed_key_keeps_its_series(metrics: Metrics) -> None:
    """A new name does not make a second series for the same key."""
    metrics.request_finished(RECORD, key_name="old", overhead_seconds=0)
    metrics.request_finished(RECORD, key_name="new", overhead_seconds=0)

    counted = _value(
        metrics,
        "keywright_key_requests_total",
        key_id="key_1",
        key_name="new",
        account_id="acc_1",
        outcome="served",
    )
    assert counted == 2


def test_an_account_is_counted_whole(metrics: Metrics) -> None:
    """An account's requests are all in its series, also those of keys that have none of their own."""
    for number in range(10):
        metrics.request_finished(dataclasses.replace(RECORD, key_id=f"key_{number}"), key_name="k")

    name = "keywright_account"
    assert _value(metrics, f"{name}_requests_total", account_id="acc_1", outcome="served") == 10
    assert _value(metrics, f"{name}_bytes_total", account_id="acc_1", direction="out") == 120
    assert _value(metrics, f"{name}_bytes_total", account_id="other", direction="out") == 0


def test_accounts_beyond_the_busiest_are_other(metrics: Metrics) -> None:
    """However many accounts there are, the number of series stays bounded and no request is left out."""
    for number in range(10):
        record = dataclasses.replace(RECORD, key_id=f"key_{number}", account_id=f"acc_{number}")
        metrics.request_finished(record, key_name="k")
    by_account = {
        name: value
        for name, value in _samples(metrics).items()
        if name.startswith("keywright_account_requests_total")
    }

    assert len(by_account) == 3
    assert sum(by_account.values()) == 10


def test_an_account_series_ends_when_another_is_busier(metrics: Metrics) -> None:
    """An account that has become busy takes the place of an idle one, as keys do."""
    for account_id, count in (("idle", 1), ("steady", 40), ("busy", 30)):
        for _ in range(count):
            metrics.request_finished(
                dataclasses.replace(RECORD, account_id=account_id, key_id=f"key_of_{account_id}")
            )
    metrics.review_keys()
    metrics.request_finished(dataclasses.replace(RECORD, account_id="busy", key_id="key_of_busy"))

    counted = [
        _value(metrics, "keywright_account_requests_total", account_id=one, outcome="served")
        for one in ("idle", "busy")
    ]
    assert counted == [None, 1]


def test_a_hundred_thousand_active_keys_fit_into_a_scrape() -> None:
    """The exposition stays under 1 MB, even when each key with series has met every usual outcome."""
    metrics = Metrics(SystemClock())
    for number in range(100_000):
        record = dataclasses.replace(
            RECORD, key_id=f"key_{number:016}", account_id=f"acc_{number:016}"
        )
        # The first ones are those with series.
        for outcome in USUAL_OUTCOMES if number < BUSIEST_BY_DEFAULT else (SERVED,):
            metrics.request_finished(
                dataclasses.replace(record, outcome=outcome), key_name=f"robot of customer {number}"
            )
    exposition = metrics.render()

    for kind in (b"key", b"account"):
        series = exposition.count(b"keywright_%b_requests_total{" % kind)
        assert series == BUSIEST_BY_DEFAULT * len(USUAL_OUTCOMES) + 1
    assert len(exposition) < 1_000_000


def test_policy_names_are_bounded(metrics: Metrics) -> None:
    """Limits of keys' own may be named freely, yet they cannot flood the exposition."""
    for number in range(1000):
        metrics.limits_decided(
            granted(f"p{number}")._replace(allowed=False, violated=(f"p{number}",))
        )

    assert (
        _value(metrics, "keywright_ratelimit_decisions_total", policy="other", outcome="limited")
        == 900
    )


def test_an_outage_and_a_loss_are_visible(metrics: Metrics) -> None:
    """A degraded store and lost usage can be alerted on, and a store's return is seen."""
    metrics.degraded("redis", True)
    metrics.degraded("sql", True)
    metrics.degraded("sql", False)
    metrics.usage_lost(3)
    metrics.usage_damaged(2)
    metrics.usage_lag(61.5)

    assert _value(metrics, "keywright_degraded", store="redis") == 1
    assert _value(metrics, "keywright_degraded", store="sql") == 0
    assert _value(metrics, "keywright_usage_lost_total") == 3
    assert _value(metrics, "keywright_usage_damaged_total") == 2
    assert _value(metrics, "keywright_usage_lag_seconds") == 61.5


async def test_the_loop_lag_is_sampled(metrics: Metrics) -> None:
    """A blocked event loop shows up without any traffic."""
    sampling = asyncio.get_running_loop().create_task(metrics.run())
    async with asyncio.timeout(10):
        while not _value(metrics, "keywright_event_loop_lag_seconds_count"):  # noqa: ASYNC110 -- sampled, no event
            await asyncio.sleep(0.01)
    sampling.cancel()
    await asyncio.wait([sampling])

    assert sampling.cancelled()

"""Every metric that the gateway exports, in one list (design §10).

The request path counts in plain numbers, on the event loop's one thread, without locks and label
look-ups; they become Prometheus families only when someone scrapes. Every label comes from a set that
configuration or code bounds: never from a path, an address, or anything else that a caller chooses.
"""

__all__ = ["CONTENT_TYPE", "REVIEW_EVERY_SECONDS", "Metrics"]

import asyncio
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from gateway.core.errors import StoreName
from gateway.core.leases import Tally
from gateway.core.limits import Grant
from gateway.core.methods import METHODS
from gateway.core.quota import QuotaTally
from gateway.core.record import UsageRecord
from gateway.notified import NotificationTally
from gateway.ports import Clock
from gateway.series import OTHER, SeriesTable

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

# The route of a request that has none, or whose caller has not proved to hold a key.
NO_ROUTE: Final = "none"

REQUEST_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
OVERHEAD_BOUNDS: Final = (
    0.00005,
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.05,
    0.25,
    1,
)
LAG_BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
REVOCATION_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)

_METHODS: Final = frozenset(METHODS)

# Keys may carry limits of their own, and their owners choose the names.
POLICIES_MAX: Final = 100

# So many finished requests are counted together.
_TOGETHER: Final = 512

LAG_EVERY_SECONDS: Final = 0.25
REVIEW_EVERY_SECONDS: Final = 60.0


# A record, the key's name, the gateway's own seconds, the upstream's, and the upstream's target.
_Finished: TypeAlias = tuple[UsageRecord, str | None, float, float | None, str | None]
# Route, method, status, outcome.
_Outcome: TypeAlias = tuple[str, str, int, str]


class _Distribution:
    """A histogram's counts; the last one is for what exceeds every bound."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def observe_all(self, values: list[float]) -> None:
        values.sort()
        below = 0
        for at, bound in enumerate(self._bounds):
            up_to = bisect_right(values, bound, below)
            self._counts[at] += up_to - below
            below = up_to
        self._counts[-1] += len(values) - below
        self._sum += sum(values)

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str] = ()) -> None:
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._counts), strict=True))
        family.add_metric(labels, buckets, self._sum)


class Metrics:
    """What the gateway counts. To be called from the event loop's thread only, `render` too."""

    def __init__(self, clock: Clock, *, busiest_keys: int = 200, with_process: bool = True) -> None:
        """`busiest_keys` keys, and as many accounts, get series of their own.

        `with_process` adds this process's memory, processor time and files.
        """
        self._clock = clock
        # Written where tokens are borrowed.
        self.leases = Tally()
        # Written where quotas are judged.
        self.quotas = QuotaTally()
        self.notifications = NotificationTally()
        # Requests that are still to be counted.
        self._finished: list[_Finished] = []
        self._grants: list[Grant] = []
        self._requests: Counter[tuple[str, str, str, str]] = Counter()
        self._durations: dict[str, _Distribution] = defaultdict(
            lambda: _Distribution(REQUEST_BOUNDS)
        )
        self._overheads: dict[str, _Distribution] = defaultdict(
            lambda: _Distribution(OVERHEAD_BOUNDS)
        )
        self._upstreams: dict[tuple[str, str], _Distribution] = defaultdict(
            lambda: _Distribution(REQUEST_BOUNDS)
        )
        self._keys = SeriesTable("key", ("key_id", "key_name", "account_id"), busiest_keys)
        self._accounts = SeriesTable("account", ("account_id",), busiest_keys)
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._policies: set[str] = set()
        self._revocations = _Distribution(REVOCATION_BOUNDS)
        self._degraded: dict[StoreName, bool] = {"redis": False, "sql": False}
        self._usage_lost = 0
        self._usage_damaged = 0
        self._usage_lag_seconds = 0.0
        self._lags = _Distribution(LAG_BOUNDS)
        self._registry = CollectorRegistry()
        self._registry.register(self)
        if with_process:
            ProcessCollector(registry=self._registry)

    def request_finished(
        self,
        record: UsageRecord,
        key_name: str | None = None,
        overhead_seconds: float = 0.0,
        upstream_seconds: float | None = None,
        target: str | None = None,
    ) -> None:
        """Count a request that has ended.

        `overhead_seconds` is what the gateway itself took, without the waiting for caller and upstream;
        `upstream_seconds` (until the answer's end was passed on) and `target` are None when none was asked.
        """
        self._finished.append((record, key_name, overhead_seconds, upstream_seconds, target))
        if len(self._finished) >= _TOGETHER:
            self._count()

    def _count(self) -> None:
        """Count what has ended since the last time: many at once cost a fifth of as many one by one."""
        finished, self._finished = self._finished, []
        if not finished:
            return
        outcomes: Counter[_Outcome] = Counter()
        keys: dict[str | None, list[_Finished]] = defaultdict(list)
        routes: dict[str, list[_Finished]] = defaultdict(list)
        targets: dict[tuple[str, str | None], list[float]] = defaultdict(list)
        for one in finished:
            record, _, _, upstream_seconds, target = one
            route = NO_ROUTE if record.key_id is None else record.route or NO_ROUTE
            outcomes[route, record.method, record.status, record.outcome] += 1
            routes[route].append(one)
            keys[record.key_id].append(one)
            if upstream_seconds is not None:
                targets[route, target].append(upstream_seconds)
        for (route, method, status, outcome), times in outcomes.items():
            known = method if method in _METHODS else OTHER
            self._requests[route, known, f"{status // 100}xx", outcome] += times
        for route, some in routes.items():
            self._durations[route].observe_all([one[0].duration_seconds for one in some])
            self._overheads[route].observe_all([one[2] for one in some])
        for (route, target), seconds in targets.items():
            if target is not None:
                self._upstreams[route, target].observe_all(seconds)
        self._count_keys(keys)

    def _count_keys(self, keys: Mapping[str | None, Sequence[_Finished]]) -> None:
        by_key: list[tuple[tuple[str, ...], list[UsageRecord]]] = []
        by_account: dict[str, list[UsageRecord]] = defaultdict(list)
        for key_id, some in keys.items():
            if key_id is None:
                continue
            records = [one[0] for one in some]
            account_id = records[-1].account_id or ""
            by_key.append(((key_id, some[-1][1] or "", account_id), records))
            by_account[account_id] += records
        self._keys.take(by_key)
        self._accounts.take([((one,), records) for one, records in by_account.items()])

    def limits_decided(self, grant: Grant) -> None:
        """Count each limit's part in one decision."""
        self._grants.append(grant)
        if len(self._grants) >= _TOGETHER:
            self._count_grants()

    def _count_grants(self) -> None:
        grants, self._grants = self._grants, []
        decisions: Counter[tuple[str, str]] = Counter()
        for grant in grants:
            for state in grant.states:
                policy = state.limit.name
                decisions[policy, "limited" if policy in grant.violated else "allowed"] += 1
        for (policy, outcome), times in decisions.items():
            is_known = policy in self._policies
            if not is_known and len(self._policies) < POLICIES_MAX:
                self._policies.add(policy)
                is_known = True
            self._decisions[policy if is_known else OTHER, outcome] += times

    def degraded(self, store: StoreName, is_degraded: bool) -> None:  # noqa: FBT001 -- a health callback's shape
        """Say whether a store is away just now."""
        self._degraded[store] = is_degraded

    def usage_lost(self, records: int) -> None:
        """Count usage records that could not be kept."""
        self._usage_lost += records

    def usage_damaged(self, entries: int) -> None:
        """Count entries of the journal that could not be read."""
        self._usage_damaged += entries

    def usage_lag(self, seconds: float) -> None:
        """Note how long ago the oldest request ended that is recorded, but not in SQL."""
        self._usage_lag_seconds = seconds

    def revocation_seconds(self, seconds: float) -> None:
        """Note how long a revocation took to be enforced here."""
        self._revocations.observe(seconds)

    def event_loop_lag(self, seconds: float) -> None:
        """Note how late the event loop woke up."""
        self._lags.observe(seconds)

    def render(self) -> bytes:
        """The exposition, in the text format that CONTENT_TYPE names."""
        return generate_latest(self._registry)

    async def run(self) -> None:
        """Measure the event loop's lag, and review who the busiest keys are, for as long as it is left to."""
        reviewed_at = self._clock.monotonic()
        while True:
            slept_at = self._clock.monotonic()
            await asyncio.sleep(LAG_EVERY_SECONDS)
            now = self._clock.monotonic()
            self.event_loop_lag(max(0.0, now - slept_at - LAG_EVERY_SECONDS))
            if now - reviewed_at >= REVIEW_EVERY_SECONDS:
                reviewed_at = now
                self.review_keys()

    def review_keys(self) -> None:
        """Give series to keys and accounts that have become clearly busier than others that have some."""
        self._count()
        self._keys.review()
        self._accounts.review()

    def collect(self) -> Iterator[Metric]:
        """All families, as prometheus_client asks its collectors for them."""
        self._count()
        self._count_grants()
        requests = CounterMetricFamily(
            "keywright_requests",
            "Finished requests; outcome is 'served', 'authorized', 'verified' or a refusal's code.",
            labels=("route", "method", "code_class", "outcome"),
        )
        for labels, count in self._requests.items():
            requests.add_metric(labels, count)
        yield requests
        yield _by_route(
            "keywright_request_duration_seconds",
            "From a request's first byte to its answer's last.",
            self._durations,
        )
        yield _by_route(
            "keywright_overhead_seconds",
            "What the gateway itself took, without waiting for caller and upstream.",
            self._overheads,
        )
        yield from self._collect_upstreams()
        yield from self._keys.collect()
        yield from self._accounts.collect()
        yield from self._collect_policies()
        yield from self._collect_health()

    def _collect_upstreams(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(
            "keywright_upstream_duration_seconds",
            "From asking the upstream until its answer's end was passed on.",
            labels=("route", "target"),
        )
        for labels, distribution in self._upstreams.items():
            distribution.add_to(family, labels)
        yield family

    def _collect_policies(self) -> Iterator[Metric]:
        decisions = CounterMetricFamily(
            "keywright_ratelimit_decisions",
            "Each limit's part in each decision: 'allowed' or 'limited'.",
            labels=("policy", "outcome"),
        )
        for labels, count in self._decisions.items():
            decisions.add_metric(labels, count)
        yield decisions
        revocations = HistogramMetricFamily(
            "keywright_revocation_seconds", "From a revocation to its enforcement by this worker."
        )
        self._revocations.add_to(revocations)
        yield revocations
        yield from _of_leases(self.leases)
        yield from _of_quotas(self.quotas)

    def _collect_health(self) -> Iterator[Metric]:
        degraded = GaugeMetricFamily(
            "keywright_degraded",
            "1 while a store is away and the gateway does without.",
            labels=("store",),
        )
        for store, is_degraded in self._degraded.items():
            degraded.add_metric((store,), int(is_degraded))
        yield degraded
        yield CounterMetricFamily(
            "keywright_usage_lost", "Usage records that could not be kept.", value=self._usage_lost
        )
        yield CounterMetricFamily(
            "keywright_usage_damaged",
            "Entries of the journal that could not be read.",
            value=self._usage_damaged,
        )
        yield GaugeMetricFamily(
            "keywright_usage_lag_seconds",
            "How long ago the oldest request ended that is in the journal and not in SQL.",
            value=self._usage_lag_seconds,
        )
        yield from self.notifications.families()
        lags = HistogramMetricFamily(
            "keywright_event_loop_lag_seconds",
            "How late the event loop woke up, sampled four times a second.",
        )
        self._lags.add_to(lags)
        yield lags


def _of_leases(tally: Tally) -> Iterator[Metric]:
    for name, text, tokens in (
        ("borrowed", "Tokens of limits that workers borrowed ahead.", tally.borrowed),
        ("returned", "Borrowed tokens that were given back unspent.", tally.returned),
        (
            "expired",
            "Borrowed tokens that were neither spent nor given back in time.",
            tally.expired,
        ),
    ):
        yield CounterMetricFamily(f"keywright_lease_{name}", text, value=tokens)
    yield GaugeMetricFamily(
        "keywright_lease_stranded_max",
        "The most borrowed tokens of one limit that were lost at once.",
        value=tally.stranded_max,
    )


def _of_quotas(tally: QuotaTally) -> Iterator[Metric]:
    decisions = CounterMetricFamily(
        "keywright_quota_decisions",
        "Requests of accounts whose quota is used up: 'refused', or 'served_beyond' all the same.",
        labels=("outcome",),
    )
    decisions.add_metric(("refused",), tally.refused)
    decisions.add_metric(("served_beyond",), tally.served_beyond)
    yield decisions
    yield CounterMetricFamily(
        "keywright_quota_questions", "Questions to Redis about quotas.", value=tally.asked
    )
    yield CounterMetricFamily(
        "keywright_quota_given_back",
        "Requests of quotas that were taken and never used, and were given back.",
        value=tally.given_back,
    )


def _by_route(name: str, text: str, distributions: Mapping[str, _Distribution]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=("route",))
    for route, distribution in distributions.items():
        distribution.add_to(family, (route,))
    return family

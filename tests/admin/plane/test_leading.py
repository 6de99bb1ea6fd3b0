"""Series of single keys and accounts over several workers: the busiest of all, and one for the rest."""

import time
from collections import Counter

from admin.plane.exposition import Family, read
from admin.plane.leading import Leading
from admin.plane.merging import Expositions
from gateway.core.record import UsageRecord
from gateway.metrics import REVIEW_EVERY_SECONDS, Metrics
from tests.doubles import ManualClock

REQUESTS = "keywright_key_requests_total"
OUTCOMES = ("served", "rate_limited", "insufficient_scope")
WORKERS = 4


def said(**counts: int) -> tuple[Family, ...]:
    """What one worker says of its keys' requests."""
    family = Family(REQUESTS, "counter")
    for key, count in counts.items():
        family.values[f'{REQUESTS}{{key_id="{key}",key_name="n",outcome="served"}}'] = count
    return (family,)


def told(leading: Leading) -> dict[str, float]:
    """The requests of each key that has a series, and of the rest."""
    (family,) = leading.families()
    return {series.split('"')[1]: value for series, value in family.values.items()}


def test_the_busiest_over_all_have_the_series() -> None:
    """Not those of one worker: a key that is used a little with each may be the busiest of all."""
    leading = Leading(2)
    leading.hears(("w0", 1.0), said(a=50, c=40, other=5))
    leading.hears(("w1", 1.0), said(b=45, c=40, other=7))

    assert told(leading) == {"c": 80, "a": 50, "other": 45 + 5 + 7}


def test_no_series_falls_and_all_together_grow_by_what_was_counted() -> None:
    """Whoever takes a place, ends, is renamed, or loses a series in a worker: rates and their sums stay right."""
    clock = ManualClock()
    leading = Leading(1, clock.monotonic)
    steps = [
        (("w0", 1.0), said(a=10, other=0), 10),
        (("w1", 1.0), said(b=4, other=3), 7),
        (("w0", 1.0), said(a=12, other=1), 3),
        (("w1", 1.0), said(b=90, other=3), 86),
        (("w1", 1.0), said(b=200, other=4), 111),
        # It lost its place in the worker, and has it again.
        (("w0", 1.0), said(other=5), 4),
        (("w0", 1.0), said(a=2, other=5), 2),
        # Another life of the worker, and the last word of the one before.
        (("w0", 2.0), said(a=1, other=1), 2),
        (("w0", 1.0), said(a=3, other=5), 1),
    ]
    before = {"other": 0.0}
    for speaker, families, counted in steps:
        leading.hears(speaker, families)
        clock.advance(REVIEW_EVERY_SECONDS)
        now = told(leading)
        grown = {key: value - before.get(key, 0.0) for key, value in now.items()}
        assert min(grown.values()) >= 0
        assert sum(grown.values()) == counted
        before = now
    assert set(before) == {"b", "other"}


def test_a_renamed_key_goes_on_under_its_new_name() -> None:
    """One series, and no jump."""
    leading = Leading(1)
    leading.hears(("w0", 1.0), said(a=10))
    (family,) = said(a=11)
    family.values = {series.replace('"n"', '"new"'): 11.0 for series in family.values}
    leading.hears(("w0", 1.0), (family,))
    (whole,) = leading.families()

    assert whole.values == {f'{REQUESTS}{{key_id="a",key_name="new",outcome="served"}}': 11}


def exposition_of(worker: int) -> str:
    """A worker that has met 100,000 keys, the busiest of which no other worker has met."""
    metrics = Metrics(ManualClock(), with_process=False)
    for number in range(25_000):
        name = f"{worker}_{number:012}"
        for outcome in OUTCOMES if number < 300 else OUTCOMES[:1]:
            metrics.request_finished(
                UsageRecord(
                    1.0,
                    f"key_{name}",
                    f"acc_{name}",
                    "0" * 12,
                    "dns",
                    "GET",
                    "/",
                    200,
                    outcome,
                    10,
                    100,
                    0.1,
                    "192.0.2.1",
                    "r",
                ),
                "a key of usual length",
            )
    return metrics.render().decode()


def test_a_scrape_of_four_workers_that_share_no_key_stays_small() -> None:
    """100,000 active keys, a quarter with each worker: less than 1 MB, with every request counted once."""
    texts = {f"worker-{number}": exposition_of(number) for number in range(WORKERS)}
    expositions = Expositions(200)
    whole = expositions.merged(texts)
    began = time.process_time()
    again = expositions.merged(texts)
    seconds = time.process_time() - began

    assert whole == again
    assert len(whole) < 1_000_000
    assert seconds < 1.0  # 100 ms are promised; see docs/operate.md for the figure
    sums: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    for family in read(whole.decode()):
        sums[family.name] = int(sum(family.values.values()))
        ids[family.name] = len({series.split("outcome")[0] for series in family.values})
    for kind in ("key", "account"):
        assert sums[f"keywright_{kind}_requests_total"] == sums["keywright_requests_total"]
        assert ids[f"keywright_{kind}_requests_total"] == 201

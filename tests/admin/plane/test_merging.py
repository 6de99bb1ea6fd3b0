"""The expositions of several processes as one."""

from prometheus_client.parser import text_string_to_metric_families

from admin.plane.merging import CONTROL_PLANE, Expositions


def _exposition(
    born: float = 1.0,
    *,
    requests: float = 0,
    degraded: int = 0,
    lag: float = 0,
    key: tuple[str, float] | None = None,
) -> str:
    lines = [
        "# HELP keywright_requests_total Finished requests.",
        "# TYPE keywright_requests_total counter",
        f'keywright_requests_total{{outcome="served",route="dns"}} {requests}',
        "# HELP keywright_overhead_seconds What we took.",
        "# TYPE keywright_overhead_seconds histogram",
        f'keywright_overhead_seconds_bucket{{le="0.1",route="dns"}} {requests}',
        f'keywright_overhead_seconds_bucket{{le="+Inf",route="dns"}} {requests}',
        f'keywright_overhead_seconds_count{{route="dns"}} {requests}',
        f'keywright_overhead_seconds_sum{{route="dns"}} {requests / 100}',
        "# TYPE keywright_degraded gauge",
        f'keywright_degraded{{store="redis"}} {degraded}',
        "# TYPE keywright_lease_stranded_max gauge",
        f"keywright_lease_stranded_max {requests}",
        "# TYPE keywright_connections gauge",
        f"keywright_connections {requests}",
        "# TYPE keywright_event_loop_lag_seconds histogram",
        f'keywright_event_loop_lag_seconds_bucket{{le="+Inf"}} {lag}',
        f"keywright_event_loop_lag_seconds_count {lag}",
        f"keywright_event_loop_lag_seconds_sum {lag}",
        "# TYPE process_start_time_seconds gauge",
        f"process_start_time_seconds {born}",
        "# TYPE process_cpu_seconds_total counter",
        f"process_cpu_seconds_total {lag}",
    ]
    if key is not None:
        lines += [
            "# TYPE keywright_key_requests_total counter",
            f'keywright_key_requests_total{{key_id="{key[0]}",key_name="robot"}} {key[1]}',
            "# TYPE keywright_account_requests_total counter",
            f'keywright_account_requests_total{{account_id="acc_of_{key[0]}"}} {key[1]}',
        ]
    return "\n".join(lines) + "\n"


def _series(text: bytes) -> dict[str, float]:
    found = {}
    for line in text.decode().splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name not in found, f"{name} stands there twice"
            found[name] = float(value)
    return found


REQUESTS = 'keywright_requests_total{outcome="served",route="dns"}'


def test_each_kind_of_metric_has_its_rule() -> None:
    """Counts are added up, a store that is away anywhere is away, the worst is kept, amounts are added up."""
    merged = Expositions().merged(
        {
            "worker-0": _exposition(requests=3, degraded=0),
            "worker-1": _exposition(requests=4, degraded=1),
            CONTROL_PLANE: _exposition(requests=0, degraded=1),
        }
    )
    series = _series(merged)

    assert series[REQUESTS] == 7
    assert series['keywright_overhead_seconds_bucket{le="0.1",route="dns"}'] == 7
    assert series['keywright_overhead_seconds_bucket{le="+Inf",route="dns"}'] == 7
    assert series['keywright_overhead_seconds_count{route="dns"}'] == 7
    assert series['keywright_overhead_seconds_sum{route="dns"}'] == 0.07
    assert series['keywright_degraded{store="redis"}'] == 1
    assert series["keywright_lease_stranded_max"] == 4
    assert series["keywright_connections"] == 7


def test_what_is_of_one_process_is_not_mixed() -> None:
    """Memory, processor time and the event loop's lag are told for each process by name."""
    series = _series(
        Expositions().merged(
            {"worker-0": _exposition(lag=5), CONTROL_PLANE: _exposition(born=2, lag=9)}
        )
    )

    for name in ("process_cpu_seconds_total", "keywright_event_loop_lag_seconds_count"):
        assert series[f'{name}{{process="worker-0"}}'] == 5
        assert series[f'{name}{{process="control-plane"}}'] == 9
        assert name not in series
    assert series['process_start_time_seconds{process="control-plane"}'] == 2


def test_a_process_that_does_not_answer_is_told_and_its_counts_stay() -> None:
    """A scrape during which a worker hangs neither fails nor shows a sum that has fallen."""
    expositions = Expositions()
    expositions.merged(
        {
            "worker-0": _exposition(requests=10, degraded=1),
            CONTROL_PLANE: _exposition(requests=1),
        }
    )
    series = _series(expositions.merged({"worker-0": None, CONTROL_PLANE: _exposition(requests=2)}))

    assert series[REQUESTS] == 12
    assert series['keywright_process_up{process="worker-0"}'] == 0
    assert series['keywright_process_up{process="control-plane"}'] == 1
    assert series['keywright_degraded{store="redis"}'] == 0
    assert 'process_cpu_seconds_total{process="worker-0"}' not in series


def test_nobody_answers() -> None:
    """With nothing to tell there is still an exposition, which says that."""
    assert _series(Expositions().merged({"worker-0": None})) == {
        'keywright_process_up{process="worker-0"}': 0
    }


def test_counts_of_a_worker_that_was_replaced_stay_in_the_sum() -> None:
    """A worker's death is not a fall of every counter, nor are those of single keys and accounts lost with it."""
    expositions = Expositions()
    lives = [(1.0, 10), (1.0, 20), (2.0, 3), (3.0, 1)]
    seen = [
        _series(
            expositions.merged(
                {"worker-0": _exposition(born, requests=requests, key=(f"key_{born}", requests))}
            )
        )
        for born, requests in lives
    ]

    assert [series[REQUESTS] for series in seen] == [10, 20, 23, 24]
    assert seen[-1]["keywright_connections"] == 1
    keys = {name: value for name, value in seen[-1].items() if "key_id" in name}
    assert keys == {
        'keywright_key_requests_total{key_id="key_1.0",key_name="robot"}': 20,
        'keywright_key_requests_total{key_id="key_2.0",key_name="robot"}': 3,
        'keywright_key_requests_total{key_id="key_3.0",key_name="robot"}': 1,
    }
    assert sum("account_id" in name for name in seen[-1]) == 3


def test_the_whole_is_an_exposition() -> None:
    """Prometheus can read it: each family once, with its help, its type, and buckets in their order."""
    merged = Expositions().merged(
        {"worker-0": _exposition(requests=1), "worker-1": _exposition(requests=1)}
    )
    families = {each.name: each for each in text_string_to_metric_families(merged.decode())}

    assert families["keywright_requests"].type == "counter"
    assert families["keywright_requests"].documentation == "Finished requests."
    buckets = [
        sample.labels["le"]
        for sample in families["keywright_overhead_seconds"].samples
        if sample.name.endswith("_bucket")
    ]
    assert buckets == ["0.1", "+Inf"]
    assert merged.count(b"# TYPE keywright_overhead_seconds ") == 1


def test_last_words_take_the_place_of_what_was_heard_before() -> None:
    """What a process counted after it was last asked, while it drained, is counted once; a later word of it is not."""
    expositions = Expositions()
    first = {"worker-0": _exposition(1.0, requests=10)}
    expositions.merged(first)
    during = _series(expositions.merged({"worker-0": _exposition(2.0, requests=5)}))
    ended = expositions.folded("", [("worker-0", _exposition(1.0, requests=17))])
    after = _series(expositions.merged({"worker-0": _exposition(2.0, requests=6)}, ended))
    late = _series(expositions.merged({"worker-0": _exposition(1.0, requests=17)}, ended))

    assert [series[REQUESTS] for series in (during, after, late)] == [15, 23, 23]


def test_the_next_control_plane_goes_on_counting() -> None:
    """What one leaves at its end, its own and that of processes that were killed, is in the next one's sum."""
    before = Expositions()
    for born in (1.0, 2.0):
        before.merged({"worker-0": _exposition(born, requests=10)})
    left = before.closed("", [(CONTROL_PLANE, _exposition(1.5, requests=100))])

    said = {"worker-0": _exposition(2.0, requests=11), CONTROL_PLANE: _exposition(3.0, requests=1)}
    series = _series(Expositions().merged(said, left))

    assert series[REQUESTS] == 10 + 100 + 11 + 1
    assert series["keywright_connections"] == 11 + 1

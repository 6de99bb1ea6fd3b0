"""Whether a gateway of several processes should be given traffic."""

import pytest

from admin.plane.readiness import State, overall

OK: State = {"status": "ready", "redis": "ok", "sql": "ok"}
WITHOUT_REDIS: State = {"status": "degraded", "redis": "away", "sql": "ok"}
DRAINS: State = {"status": "not_ready", "reason": "draining", "redis": "ok", "sql": "ok"}


@pytest.mark.parametrize(
    ("workers", "control_plane", "status", "redis"),
    [
        pytest.param([OK, OK], OK, "ready", "ok", id="all-well"),
        pytest.param([OK], WITHOUT_REDIS, "degraded", "away", id="the-control-plane-lacks-a-store"),
        pytest.param([OK, WITHOUT_REDIS], OK, "degraded", "away", id="one-worker-lacks-a-store"),
        pytest.param([OK, None], OK, "degraded", "ok", id="one-worker-is-missing"),
        pytest.param([OK, DRAINS], OK, "degraded", "ok", id="one-worker-drains"),
        pytest.param([DRAINS, DRAINS], OK, "not_ready", "ok", id="all-drain"),
        pytest.param([None], OK, "not_ready", "ok", id="the-only-worker-is-missing"),
        pytest.param([None, DRAINS], OK, "not_ready", "ok", id="nobody-serves"),
        pytest.param([], OK, "ready", "ok", id="a-control-plane-by-itself"),
        pytest.param([], WITHOUT_REDIS, "degraded", "away", id="by-itself-without-a-store"),
    ],
)
def test_the_whole(
    workers: list[State | None], control_plane: State, status: str, redis: str
) -> None:
    """Traffic comes as long as one worker serves; anything less than all of it is degraded."""
    named = {f"worker-{number}": state for number, state in enumerate(workers)}
    state, document = overall(named, control_plane)

    assert (state.word, document["status"]) == (status, status)
    assert (document["redis"], document["sql"]) == (redis, "ok")
    assert state.status == (503 if status == "not_ready" else 200)
    assert document["control_plane"] == control_plane
    assert document["workers"] == {
        name: {"status": "missing"} if state is None else state for name, state in named.items()
    }


@pytest.mark.parametrize(
    ("workers", "reason"),
    [([DRAINS], "draining"), ([None, DRAINS], "draining"), ([None], "no worker answers")],
)
def test_why_there_can_be_no_traffic(workers: list[State | None], reason: str) -> None:
    """Whoever reads it learns whether it drains or is broken."""
    named = {f"worker-{number}": state for number, state in enumerate(workers)}

    assert overall(named, OK)[1]["reason"] == reason

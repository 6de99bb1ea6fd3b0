"""The operator's endpoints."""

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.core.readiness import Readiness
from gateway.http.operations import operations_app


@pytest.mark.parametrize(
    ("state", "status"),
    [
        pytest.param(Readiness.READY, 200, id="ready"),
        pytest.param(Readiness.DEGRADED, 200, id="degraded"),
        pytest.param(Readiness.NOT_READY, 503, id="not-ready"),
    ],
)
async def test_readiness_tells_three_states_apart(state: Readiness, status: int) -> None:
    """A balancer sees from the status, a person from the body, and liveness stays out of it."""
    app = operations_app(
        render_metrics=lambda: b"up 1\n", readiness=lambda: (state, {"redis": "away"})
    )
    async with TestClient(TestServer(app)) as client:
        ready = await client.get("/readyz")
        alive = await client.get("/healthz")
        metrics = await client.get("/metrics")

        assert (ready.status, alive.status) == (status, 200)
        assert await ready.json() == {"status": state.word, "redis": "away"}
        assert await metrics.read() == b"up 1\n"
        assert metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4")

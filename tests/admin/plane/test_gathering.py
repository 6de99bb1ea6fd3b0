"""Workers are asked over their sockets, and one that is dead, hangs or talks nonsense harms nothing."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from admin.plane.gathering import Gatherer
from gateway.core.readiness import Readiness
from gateway.http.operations import operations_app
from gateway.listening import AppListener

OK = {"status": "ready", "redis": "ok", "sql": "ok"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name leaves room for that of a socket, which pytest's own may not."""
    with tempfile.TemporaryDirectory(prefix="kw-") as name:
        yield Path(name)


def _worker(count: int) -> web.Application:
    return operations_app(
        render_metrics=f"# TYPE x counter\nx_total {count}\n".encode,
        readiness=lambda: (Readiness.READY, {"redis": "ok", "sql": "ok"}),
    )


def _hangs() -> web.Application:
    async def never(_request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/{any}", never)
    return app


def _babbles() -> web.Application:
    async def nonsense(_request: web.Request) -> web.Response:
        return web.Response(text="}{ x_total{\n")

    app = web.Application()
    app.router.add_get("/{any}", nonsense)
    return app


@pytest.fixture
async def stage(folder: Path) -> AsyncIterator[AsyncExitStack]:
    """Closes what a test has opened."""
    async with AsyncExitStack() as stack:
        yield stack


async def _gatherer(
    stage: AsyncExitStack, folder: Path, workers: dict[str, web.Application | None]
) -> Gatherer:
    """A gatherer for workers of these names; None has left a socket and nobody behind it."""
    for name, app in workers.items():
        if app is not None:
            listener = AppListener(app)
            await listener.listen_on(folder / f"{name}.sock")
            stage.push_async_callback(listener.close)
    return await stage.enter_async_context(
        Gatherer.opened(
            [folder / f"{name}.sock" for name in workers],
            render_own=lambda: b"# TYPE x counter\nx_total 100\n",
            own_state=lambda: OK,
        )
    )


async def test_all_are_asked(stage: AsyncExitStack, folder: Path) -> None:
    """What each worker says is in the whole, and so is the control plane's own part."""
    gatherer = await _gatherer(stage, folder, {"w0": _worker(1), "w1": _worker(2)})

    assert b"\nx_total 103.0\n" in await gatherer.metrics()
    state, document = await gatherer.readiness()
    assert state is Readiness.READY
    assert document["workers"] == {"w0": OK, "w1": OK}


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(None, id="dead"),
        pytest.param(_hangs, id="hangs"),
        pytest.param(_babbles, id="talks-nonsense"),
    ],
)
async def test_one_that_does_not_answer_is_missing(
    stage: AsyncExitStack, folder: Path, broken: object
) -> None:
    """A broken worker costs no more than a second, hides nothing of the others, and is named."""
    app = broken() if callable(broken) else None
    gatherer = await _gatherer(stage, folder, {"w0": _worker(1), "w1": app})
    began_at = time.monotonic()

    metrics = await gatherer.metrics()
    state, document = await gatherer.readiness()

    assert b"\nx_total 101.0\n" in metrics
    assert b'keywright_process_up{process="w1"} 0.0' in metrics
    assert (state, document["workers"]["w1"]) == (Readiness.DEGRADED, {"status": "missing"})
    assert time.monotonic() - began_at < 10


async def test_a_worker_that_comes_back_is_heard_again(stage: AsyncExitStack, folder: Path) -> None:
    """After a worker was replaced, on the same socket, nothing has to be restarted."""
    gatherer = await _gatherer(stage, folder, {"w0": _worker(1)})
    first = AppListener(_worker(1))
    await first.listen_on(folder / "w0.sock")  # in place of the one that has just been there
    assert (await gatherer.readiness())[0] is Readiness.READY
    await first.close()
    assert (await gatherer.readiness())[0] is Readiness.NOT_READY

    second = AppListener(_worker(2))
    await second.listen_on(folder / "w0.sock")
    stage.push_async_callback(second.close)

    assert (await gatherer.readiness())[0] is Readiness.READY


async def test_the_socket_is_for_this_user_alone(stage: AsyncExitStack, folder: Path) -> None:
    """What a worker tells of itself is nobody else's business."""
    await _gatherer(stage, folder, {"w0": _worker(1)})

    assert (folder / "w0.sock").stat().st_mode & 0o077 == 0

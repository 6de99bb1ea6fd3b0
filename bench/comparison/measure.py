"""One measurement: somebody is started, warmed up, loaded, and ended."""

__all__ = ["Bench", "Places", "Times", "opened", "wait_until_it_serves"]

import contextlib
import http.client
import os
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple

import redis

from bench.clients import use_each
from bench.comparison.installation import Installation
from bench.comparison.load import load
from bench.comparison.paced import Pace, pace, percentile
from bench.comparison.plan import Case, Series
from bench.comparison.processes import Log, Process, running, wait_until_idle
from bench.comparison.subjects import Ground, Subject, upstream_command
from bench.stage import HOST, free_port, processors, store_keys
from gateway.stores.valkey import server_binary

_START_SECONDS = 30.0
_POLL_SECONDS = 0.05
_WARM_UP_SECONDS = 1
_REST_SECONDS = 20.0
_MICRO = 1e6


class Places(NamedTuple):
    """The processors of who is measured, and those of the load, the upstream and Redis."""

    theirs: AbstractSet[int]
    ours: AbstractSet[int]


class Times(NamedTuple):
    """How long the load lasts, and the pace at which latency is measured."""

    seconds: int
    pace: Pace


class Bench:
    """Measures one after the other on the same ground."""

    def __init__(self, ground: Ground, places: Places, times: Times) -> None:
        """The upstream and Redis run already."""
        self.ground = ground
        self.places = places
        self._tokens = ground.installation.tokens
        self._times = times
        self._log = Log(ground.folder / "log")

    def measure(self, series: Series, subject: Subject) -> dict[str, float]:
        """Its figures. Raises SystemExit if it does not start, or serves whoever asks."""
        case, port = series.case, free_port()
        self._prepare(case, subject)
        start = subject.start(self.ground, port)
        apart = self.places if series.is_apart else _together(self.places)
        with running(start.command, apart.theirs, self._log, start.variables) as process:
            # A key that no load uses: in a cold case each of those is used for the first time.
            wait_until_it_serves(subject.name, process, port, self._tokens[0], self._log)
            self._warm_up(case, port, apart)
            figures = self._loaded(case, process, port, apart)
            if series.is_paced:
                figures |= self._paced(case, port)
        return figures

    def direct(self, case: Case) -> dict[str, float]:
        """The figures of a client that asks the upstream itself."""
        return self._paced(case, self.ground.upstream)

    def empty_redis(self) -> None:
        """Nobody finds what another has left there."""
        with redis.Redis(unix_socket_path=str(self.ground.redis)) as client:
            client.flushall()

    def _prepare(self, case: Case, subject: Subject) -> None:
        self.empty_redis()
        subject.stock(self.ground)
        if case.keys is None and not case.is_cold:
            subject.warm(self.ground)

    def _warm_up(self, case: Case, port: int, places: Places) -> None:
        if case.is_cold:
            return
        if case.keys is None:
            _ = use_each(self._tokens[1:], port, case.connections, "warming up")
        _ = load(case, port, self._keys(case), _WARM_UP_SECONDS, places.ours)

    def _loaded(self, case: Case, process: Process, port: int, places: Places) -> dict[str, float]:
        _ = wait_until_idle(process, _REST_SECONDS)
        before = process.cpu_seconds()
        figures = load(case, port, self._keys(case), self._times.seconds, places.ours)
        meanwhile = process.cpu_seconds() - before
        _ = wait_until_idle(process, _REST_SECONDS)
        after = process.cpu_seconds() - before
        requests = max(1.0, figures["requests"])
        return figures | {
            "requests_per_second": figures["requests"] / figures["seconds"],
            "cpu_us": meanwhile / requests * _MICRO,
            "cpu_all_us": after / requests * _MICRO,
        }

    def _paced(self, case: Case, port: int) -> dict[str, float]:
        key = self._tokens[1]
        seconds = pace(port, case.body.path, key, self._times.pace)
        return {
            "paced_p50_us": percentile(seconds, 0.5) * _MICRO,
            "paced_p99_us": percentile(seconds, 0.99) * _MICRO,
        }

    def _keys(self, case: Case) -> Path:
        return self.ground.all_keys if case.keys is None else self.ground.one_key


def _together(places: Places) -> Places:
    every = places.theirs | places.ours
    return Places(every, every)


def wait_until_it_serves(name: str, process: Process, port: int, key: str, log: Log) -> None:
    """Whoever has the key, and nobody else. Raises SystemExit if it does not come to that."""
    give_up_at = time.monotonic() + _START_SECONDS
    while _status(port, key) != 200:
        if time.monotonic() > give_up_at or not process.is_running():
            raise SystemExit(f"{name} does not serve:\n{log.tail()}")
        time.sleep(_POLL_SECONDS)
    if _status(port, None) != 401:
        raise SystemExit(f"{name} serves without a key")


def _status(port: int, key: str | None) -> int:
    """0: no answer."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    fields = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        connection.request("GET", "/small/ready", headers=fields)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


@contextlib.contextmanager
def opened(folder: Path, tokens: Sequence[str], times: Times) -> Iterator[Bench]:
    """The ground: keys in SQL, an upstream, Redis; this process goes where they are. All of it ends with the block."""
    stored = folder / "stored"
    stored.mkdir()
    store_keys(stored, tokens)
    places = Places(*processors())
    # Only now: hashing had all processors.
    os.sched_setaffinity(0, places.ours)
    ground = Ground(folder, free_port(), Installation(stored, tokens))
    ground.one_key.write_text(f"{tokens[1]}\n")
    ground.all_keys.write_text("\n".join(tokens[1:]) + "\n")
    log = Log(folder / "log")
    store = [*(str(server_binary()), "--port", "0"), "--unixsocket", str(ground.redis)]
    upstream = upstream_command(folder, ground.upstream)
    with (
        running(upstream, places.ours, log),
        running([*store, "--save", "", "--dir", str(folder)], places.ours, log),
    ):
        _wait_until_there(ground, log)
        yield Bench(ground, places, times)


def _wait_until_there(ground: Ground, log: Log) -> None:
    give_up_at = time.monotonic() + _START_SECONDS
    while not ground.redis.exists() or _status(ground.upstream, None) != 200:
        if time.monotonic() > give_up_at:
            raise SystemExit(f"the upstream or Redis did not start:\n{log.tail()}")
        time.sleep(_POLL_SECONDS)

"""What a worker's memory takes when it knows many keys."""

__all__ = ["Memory", "measure_memory"]

import sys
import time
from typing import NamedTuple

from bench.clients import use_each
from bench.comparison.installation import Installation, Options
from bench.comparison.measure import Bench, wait_until_it_serves
from bench.comparison.processes import Log, Process, Resident, running, wait_until_idle
from bench.stage import free_port, make_tokens, store_unproved_keys

_AT_ONCE = 32
_REST_SECONDS = 20.0
_COMPARED_SECONDS = 3.0


class Memory(NamedTuple):
    """Of one worker, in bytes: resident before and after the first use of so many keys, and what of it is its own.

    The rest are pages of files: the interpreter, libraries, and the journal, which the kernel may drop at any time.
    """

    keys: int
    before: int
    after: int
    own_before: int
    own_after: int

    @property
    def per_key(self) -> float:
        """What one known key takes."""
        return (self.own_after - self.own_before) / self.keys


def measure_memory(bench: Bench, count: int) -> Memory:
    """Let one worker by itself get to know `count` keys, each of which Redis and SQL have already."""
    stored = bench.ground.folder / "stored-many"
    stored.mkdir()
    # Two that are used before the first look, which is to see a worker that has served.
    tokens = make_tokens(count + 2)
    store_unproved_keys(stored, tokens)
    installation = Installation(stored, tokens)
    bench.empty_redis()
    installation.fill_redis(bench.ground.redis)
    folder, port = bench.ground.folder / "many", free_port()
    config = installation.prepare(
        Options(), port, bench.ground.upstream, bench.ground.redis, folder
    )
    # What a worker of `keywright serve` is; the supervisor and the control plane know no keys.
    command = [sys.executable, "-P", "-m", "gateway", "--journal-only", "-c", str(config)]
    log = Log(bench.ground.folder / "log")
    with running(command, bench.places.theirs, log) as process:
        wait_until_it_serves("the worker", process, port, tokens[0], log)
        _ = use_each(tokens[1:2], port, 1, "one key")
        before = _at_rest(process)
        _ = use_each(tokens[2:], port, _AT_ONCE, "getting to know keys")
        after = _at_rest(process)
    return Memory(count, before.all, after.all, before.own, after.own)


def _at_rest(process: Process) -> Resident:
    # Copies out of Redis take more until they have been compared with SQL, which is done every second.
    time.sleep(_COMPARED_SECONDS)
    _ = wait_until_idle(process, _REST_SECONDS)
    return process.resident()

"""The processes of a gateway, by the names under which `ps` shows them."""

__all__ = ["STANDBY", "lives", "standby", "workers"]

import contextlib

import psutil

from tests.fixtures_gateway import Gateway

STANDBY = "kw-standby"
_WORKER = "kw-worker-"


def _children(gateway: Gateway) -> list[tuple[str, psutil.Process]]:
    """With their names, the oldest first."""
    found = []
    children = psutil.Process(gateway.process.pid).children()
    for child in sorted(children, key=lambda each: each.create_time()):
        with contextlib.suppress(psutil.Error):  # it has just ended
            found.append((child.name(), child))
    return found


def workers(gateway: Gateway) -> dict[str, psutil.Process]:
    """The workers that run, by name; of two with one name the one that was started last."""
    return {
        name.removeprefix("kw-"): child
        for name, child in _children(gateway)
        if name.startswith(_WORKER)
    }


def standby(gateway: Gateway) -> psutil.Process | None:
    """The process that waits to take the place of one that dies."""
    found = [child for name, child in _children(gateway) if name == STANDBY]
    assert len(found) <= 1
    return found[0] if found else None


def lives(process: psutil.Process) -> bool:
    """Whether it has not ended."""
    try:
        # Where nothing reaps orphans, one that has ended stays a zombie.
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False

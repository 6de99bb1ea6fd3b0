"""Whether a gateway of several processes should be given traffic; no I/O (design §9)."""

__all__ = ["State", "overall"]

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from gateway.core.readiness import Readiness

# What a process says of itself: `status`, `redis`, `sql`, and `reason` when it is not ready.
State: TypeAlias = Mapping[str, str]

_STORES: Final = ("redis", "sql")
_SERVING: Final = frozenset({Readiness.READY.word, Readiness.DEGRADED.word})
_MISSING: Final[State] = {"status": "missing"}


def overall(
    workers: Mapping[str, State | None], control_plane: State
) -> tuple[Readiness, dict[str, Any]]:
    """The whole's readiness, and the document that says why; None is a worker that does not answer.

    Workers alone decide whether there can be traffic; the control plane may only degrade it.
    """
    known = [state for state in workers.values() if state is not None]
    everyone = [*known, control_plane]
    stores = {
        store: "away" if any(state.get(store) == "away" for state in everyone) else "ok"
        for store in _STORES
    }
    serving = [state for state in known if state.get("status") in _SERVING]
    detail = {
        **stores,
        "workers": {name: dict(state or _MISSING) for name, state in workers.items()},
        "control_plane": dict(control_plane),
    }
    if workers and not serving:
        return _answer(Readiness.NOT_READY, {"reason": _reason(known), **detail})
    is_degraded = "away" in stores.values() or len(serving) < len(workers)
    return _answer(Readiness.DEGRADED if is_degraded else Readiness.READY, detail)


def _answer(state: Readiness, detail: Mapping[str, Any]) -> tuple[Readiness, dict[str, Any]]:
    return state, {"status": state.word, **detail}


def _reason(known: Sequence[State]) -> str:
    return next((state["reason"] for state in known if "reason" in state), "no worker answers")

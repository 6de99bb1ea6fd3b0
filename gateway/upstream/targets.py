"""Which of an upstream's targets is asked next: round-robin, leaving out those that could not be reached just now."""

__all__ = ["Target", "Targets"]

from collections.abc import Sequence
from dataclasses import dataclass

from yarl import URL


@dataclass(slots=True, eq=False)
class Target:
    """One base URL of an upstream; `name` is host:port for metrics, `authority` what a Host field holds for it.

    `resting_until` is monotonic seconds; 0 while it can be reached.
    """

    url: URL
    name: str
    authority: bytes
    resting_until: float = 0.0


class Targets:
    """The targets of one upstream, in the order of the config; pure but for its place in the round."""

    def __init__(self, urls: Sequence[str], *, cooldown_seconds: float = 2.0) -> None:
        """`urls` are like `http://host:port`, without a path; one that cannot be reached rests for the cool-down."""
        if not urls:
            raise ValueError("An upstream needs at least one target.")
        self._targets = tuple(_target(text) for text in urls)
        self._cooldown_seconds = cooldown_seconds
        self._next = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._targets)

    def pick(self, now: float, tried: Sequence[Target] = ()) -> Target | None:
        """The next one that is not resting; when all rest, the next one all the same. None when all were tried.

        A target that rests is better than no answer: the cool-down spares callers a wait, it is no verdict.
        """
        targets = self._targets
        if len(targets) == 1:
            return None if tried else targets[0]
        resting: Target | None = None
        for step in range(len(targets)):
            target = targets[(self._next + step) % len(targets)]
            if target in tried:
                continue
            if target.resting_until <= now:
                self._next = (self._next + step + 1) % len(targets)
                return target
            resting = resting or target
        return resting

    def rest(self, target: Target, now: float) -> None:
        """`target` could not be reached: leave it out for the cool-down."""
        target.resting_until = now + self._cooldown_seconds

    def reached(self, target: Target) -> None:
        """`target` was reached: it need not rest any longer."""
        target.resting_until = 0.0


def _target(text: str) -> Target:
    url = URL(text)
    if url.scheme not in {"http", "https"} or not url.host or url.raw_path not in {"", "/"}:
        raise ValueError(f"A target is written like http://host:port, not {url.human_repr()!r}.")
    if url.raw_query_string or url.raw_fragment or url.user is not None:
        raise ValueError("A target is scheme, host and port only.")
    origin = url.origin()
    return Target(origin, f"{url.host}:{url.port}", (origin.host_port_subcomponent or "").encode())

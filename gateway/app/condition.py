"""Which stores are away just now: one answer for the metric, the log and readiness (design §9)."""

__all__ = ["Condition"]

from collections.abc import Callable

import structlog

from gateway.core.errors import StoreError, StoreName

log = structlog.get_logger(__name__)


class Condition:
    """Puts together what several parts notice of one store; tells each change once."""

    def __init__(self, on_change: Callable[[StoreName, bool], None]) -> None:
        """`on_change(store, is_degraded)` is called when the answer for a store changes."""
        self._on_change = on_change
        self._noticed: dict[StoreName, set[str]] = {"redis": set(), "sql": set()}

    @property
    def away(self) -> tuple[StoreName, ...]:
        """The stores that are away."""
        return tuple(store for store, parts in self._noticed.items() if parts)

    def notice(self, store: StoreName, part: str, *, is_away: bool, cause: str = "") -> None:
        """`part` of the gateway found the store away, or back."""
        parts = self._noticed[store]
        was_away = bool(parts)
        (parts.add if is_away else parts.discard)(part)
        if bool(parts) == was_away:
            return
        if is_away:
            log.warning("store_is_away", store=store, noticed_by=part, cause=cause)
        else:
            log.info("store_is_back", store=store)
        self._on_change(store, is_away)

    def redis_is_healthy(self, store: StoreName, is_healthy: bool) -> None:  # noqa: FBT001 -- a callback's shape
        """For `RedisStore`."""
        self.notice(store, "client", is_away=not is_healthy)

    def keys_in_sql(self, error: StoreError | None) -> None:
        """For `SqlHealth`."""
        self.notice("sql", "keys", is_away=error is not None, cause=error.cause if error else "")

    def usage_in_sql(self, store: StoreName, is_away: bool) -> None:  # noqa: FBT001 -- a callback's shape
        """For the ledger."""
        self.notice(store, "usage", is_away=is_away)

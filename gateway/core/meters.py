"""The meters of one worker."""

__all__ = ["Meters"]

from collections.abc import Callable
from weakref import WeakValueDictionary

from gateway.core.meter import Meter
from gateway.core.quota import Quota, QuotaTally


class Meters:
    """The meters of a worker, each account's once: as long as somebody knows a key of it, or it is owed something."""

    def __init__(self, tally: QuotaTally | None = None) -> None:
        """None; `tally` is the worker's, for all of them."""
        self.tally = tally or QuotaTally()
        self._meters: WeakValueDictionary[str, Meter] = WeakValueDictionary()
        # Told when a meter should borrow more.
        self.want: Callable[[Meter], None] = _ignore

    def of(self, account_id: str, quota: Quota) -> Meter:
        """The account's meter, under this quota from now on."""
        known = self._meters.get(account_id)
        if known is not None:
            known.adopt(quota)
            return known
        made = Meter(account_id, quota, self._wanted, self.tally)
        self._meters[account_id] = made
        return made

    def recall(self, account_id: str | None, key_id: str | None = None) -> None:
        """Something about this account has changed; or, with neither, anything may have. Keys have no quota."""
        if account_id is None and key_id is None:
            for meter in tuple(self._meters.values()):
                meter.recall()
        elif account_id is not None and (known := self._meters.get(account_id)) is not None:
            known.recall()

    def _wanted(self, meter: Meter) -> None:
        self.want(meter)


def _ignore(meter: Meter) -> None:
    """Nobody borrows."""

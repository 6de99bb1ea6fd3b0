"""Forgets where keys were used from once they are deleted."""

__all__ = ["NetworkKeeping"]

from typing import Final

from admin.stores.alert_keys import Place
from admin.stores.alert_marks import AlertMarks
from admin.stores.alert_networks import AlertNetworks

_MARK: Final = "networks of deleted keys"
# Looked at in one round; all of a million keys in nine hours.
_KEYS_AT_ONCE: Final = 2000


class NetworkKeeping:
    """Walks along the keys with remembered networks, some in each round. May run on several nodes at once."""

    def __init__(self, networks: AlertNetworks, marks: AlertMarks) -> None:
        """`marks` tell how far it has come."""
        self._networks = networks
        self._marks = marks

    async def once(self) -> None:
        """One round. Raises StoreError when the database cannot answer."""
        noted = (await self._marks.read()).get(_MARK)
        after = "" if noted is None else noted.id
        last = await self._networks.forget_deleted(after, _KEYS_AT_ONCE)
        if last != after:
            await self._marks.note(_MARK, Place(0, last))

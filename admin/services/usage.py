"""What an operator sees of a key's requests."""

__all__ = ["UsageService"]

from collections.abc import Sequence

from admin.core.caller import Caller, Permission
from admin.services.keys import KeyService
from gateway.core.record import UsageRecord
from gateway.ports import KeyUsageReader

_COUNT_MAX = 1000


class UsageService:
    """Raises NotFound for a key that is not there, StoreError when SQL cannot answer."""

    def __init__(self, keys: KeyService, usage: KeyUsageReader) -> None:
        """`keys` tells a key without requests from an id that names nothing."""
        self._keys = keys
        self._usage = usage

    async def latest(self, caller: Caller, key_id: str, count: int = 20) -> Sequence[UsageRecord]:
        """The key's newest requests, newest first: at least 1, at most 1000."""
        caller.require(Permission.USAGE_READ)
        key = await self._keys.show(caller, key_id)
        return await self._usage.latest(key.id, min(max(count, 1), _COUNT_MAX))

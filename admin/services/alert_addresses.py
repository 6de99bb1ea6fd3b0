"""Notes where keys are used from, and finds addresses that are new."""

__all__ = ["AddressBook"]

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final

from admin.core.alerts.addresses import (
    NOTED_US,
    AddressTerms,
    Met,
    Networks,
    address_finding,
    meet,
    network_of,
    newcomers,
)
from admin.core.alerts.kinds import Finding
from admin.stores.alert_networks import AlertNetworks, KeyNote
from admin.stores.alert_usage import Seen

_AT_ONCE: Final = 500
# What is forgotten is read once more.
_KEYS_MAX: Final = 200_000


class AddressBook:
    """Knows by heart what is written, for a week, so that keys that are used as ever cost no statement."""

    def __init__(self, networks: AlertNetworks, terms: AddressTerms) -> None:
        """Nothing is known yet."""
        self._networks = networks
        self._terms = terms
        self._week = -1
        # None for a key that is not looked after: a publishable one, or one that a crowd uses.
        self._known: dict[str, Collection[str] | None] = {}

    async def meet(self, seen: Sequence[Seen], now: float) -> AsyncIterator[Sequence[Finding]]:
        """Find what is new in what was seen. It is noted when the next part is asked for: not before it was told."""
        self._begin(round(now * 1_000_000) // NOTED_US)
        wanted = self._unknown(seen)
        ids = sorted(wanted)
        changes: dict[str, Networks] = {}
        for start in range(0, len(ids), _AT_ONCE):
            findings = []
            for note in await self._networks.of(ids[start : start + _AT_ONCE]):
                if note.is_publishable and not self._terms.publishable:
                    self._known[note.id] = None
                    continue
                change = meet(note.networks, wanted[note.id], self._terms, round(now * 1_000_000))
                changes[note.id] = change
                if any(name not in note.networks for name in change.written):
                    findings += _found(note, _after(note, change), self._terms, now)
            if findings:
                yield findings
        await self._networks.write(changes)
        self._remember(changes, wanted)

    async def again(self, key_ids: Collection[str], now: float) -> Sequence[Finding]:
        """How many new addresses these keys have today."""
        notes = await self._networks.of(key_ids)
        return [one for note in notes for one in _found(note, note.networks, self._terms, now)]

    def _begin(self, week: int) -> None:
        # Each week anew, so that the last use is noted, and a crowd may have gone.
        if week != self._week or len(self._known) > _KEYS_MAX:
            self._known.clear()
            self._week = week

    def _unknown(self, seen: Sequence[Seen]) -> dict[str, set[str]]:
        wanted: dict[str, set[str]] = {}
        for one in seen:
            known = self._known.get(one.key_id, ())
            if known is None:
                continue
            # Mostly the network is the address as it is written.
            if one.address in known:
                continue
            network = network_of(one.address, self._terms)
            if network is not None and network not in known:
                wanted.setdefault(one.key_id, set()).add(network)
        return wanted

    def _remember(
        self, changes: Mapping[str, Networks], wanted: Mapping[str, Collection[str]]
    ) -> None:
        for key_id, change in changes.items():
            known = self._known.get(key_id) or ()
            # What found no room will find none this week.
            is_whole = len({*known, *wanted[key_id]}) <= self._terms.kept_max
            self._known[key_id] = (
                {*known, *wanted[key_id]} - {*change.dropped} if is_whole else None
            )


def _after(note: KeyNote, change: Networks) -> dict[str, Met]:
    kept = {name: met for name, met in note.networks.items() if name not in change.dropped}
    return {**kept, **change.written}


def _found(
    note: KeyNote, known: Mapping[str, Met], terms: AddressTerms, now: float
) -> list[Finding]:
    subject = (note.account_id, note.id, note.name)
    finding = address_finding(newcomers(subject, known, terms, round(now * 1_000_000)), now)
    return [] if finding is None else [finding]

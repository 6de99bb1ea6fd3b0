"""Looks for keys that end soon, whose secret is old, or that nobody uses."""

__all__ = ["KeyLifeWatch"]

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from typing import Final, NamedTuple

from admin.core.alerts.key_life import KeyTerms, key_findings
from admin.core.alerts.kinds import Finding, Rule, Subject
from admin.services.alert_watch import Again
from admin.stores.alert_keys import BEGIN, AlertKeys, Place
from admin.stores.alert_marks import AlertMarks

_DAY_US: Final = 86_400_000_000
_BEGUN: Final = "begun"
# In one round and of one walk; a quarter of it in one statement.
_KEYS_MAX: Final = 2000
_AT_ONCE: Final = 500

_Part = tuple[Sequence[Place], Collection[str]]


class _Walk(NamedTuple):
    """A way along an index, from `start` to where nothing is due yet; it begins anew at its end if it `is_round`."""

    name: str
    start: Place
    part: Callable[[Place, int], Awaitable[_Part]]
    is_round: bool = False


class KeyLifeWatch:
    """Each walk goes along an index and notes how far it has come: what was passed becomes due only once.

    An expiry can be moved, so that what lies ahead of now is walked through again and again.
    """

    rules: Collection[Rule] = frozenset({Rule.EXPIRING, Rule.ROTATION, Rule.UNUSED})

    def __init__(
        self, keys: AlertKeys, marks: AlertMarks, terms: KeyTerms, keys_max: int = _KEYS_MAX
    ) -> None:
        """At most `keys_max` keys are looked at in a round of each of the four walks."""
        self._keys = keys
        self._marks = marks
        self._terms = terms
        self._keys_max = keys_max

    async def fresh(self, now: float) -> AsyncIterator[Sequence[Finding]]:
        """What may have become due."""
        now_us = round(now * 1_000_000)
        terms = await self._begun(now_us)
        marks = await self._marks.read()
        for walk in self._walks(terms, now_us):
            noted = marks.get(walk.name)
            place = max(walk.start, noted or walk.start)
            left = self._keys_max
            while left > 0:
                count = min(left, _AT_ONCE)
                places, key_ids = await walk.part(place, count)
                if key_ids:
                    yield await self._findings(key_ids, terms, now_us)
                place, left = (places[-1] if places else place), left - count
                if len(places) < count:
                    place = BEGIN if walk.is_round else place
                    break
            if place != (noted or (BEGIN if walk.is_round else walk.start)):
                await self._marks.note(walk.name, place)

    async def again(self, subjects: Sequence[Subject], now: float) -> Again:
        """How the keys are now; of one that is not in use any more, everything is gone."""
        now_us = round(now * 1_000_000)
        terms = await self._begun(now_us)
        wanted = set(subjects)
        found = await self._findings({one.key_id for one in subjects}, terms, now_us)
        findings = [one for one in found if one.subject in wanted]
        return Again(findings, sorted(wanted - {one.subject for one in findings}))

    async def _findings(
        self, key_ids: Collection[str], terms: KeyTerms, now_us: int
    ) -> Sequence[Finding]:
        watched = await self._keys.find(key_ids, now_us)
        return [one for key in watched for one in key_findings(key, terms, now_us)]

    async def _begun(self, now_us: int) -> KeyTerms:
        if not self._terms.begun_us:
            begun = await self._marks.begin(_BEGUN, now_us)
            self._terms = dataclasses.replace(self._terms, begun_us=begun.at)
        return self._terms

    def _walks(self, terms: KeyTerms, now_us: int) -> Sequence[_Walk]:
        unused_us, old_us = now_us - terms.unused_us, now_us - terms.rotation_us
        ahead_us = now_us + max(terms.expiring_us, default=0)
        before_us = terms.begun_us - terms.unused_us

        async def expiring(after: Place, count: int) -> _Part:
            return _with_ids(await self._keys.expiring(after, ahead_us, count))

        async def last_used(after: Place, count: int) -> _Part:
            # A day counts to its end, so that of the last one nothing is due yet.
            return _with_ids(await self._keys.last_used(after, unused_us // _DAY_US - 1, count))

        async def made(after: Place, count: int) -> _Part:
            return _with_ids(await self._keys.made(after, unused_us, count))

        async def old(after: Place, count: int) -> _Part:
            return await self._keys.secrets_made(after, old_us, count)

        return (
            _Walk("expiring", Place(now_us, ""), expiring, is_round=True),
            _Walk("last_used", Place(before_us // _DAY_US - 1, ""), last_used),
            _Walk("made", Place(before_us, ""), made),
            _Walk("secrets", Place(terms.begun_us - terms.rotation_us, ""), old),
        )


def _with_ids(places: Sequence[Place]) -> _Part:
    return places, [place.id for place in places]

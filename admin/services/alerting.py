"""Looks for what accounts want to be told of, again and again, and tells it."""

__all__ = ["Alerting"]

from collections.abc import Mapping, Sequence
from typing import Final

from admin.core.alerts.kinds import AlertKind, Finding, Rule, Subject
from admin.core.alerts.wishes import Defaults, Wishes, wishes
from admin.core.caller import system
from admin.services.alert_watch import Watch
from admin.services.rounds import go_round
from admin.stores.alert_choices import AlertChoices
from admin.stores.alert_keys import Place
from admin.stores.alert_marks import AlertMarks
from admin.stores.alert_states import AlertStates
from gateway.ports import Clock

_CALLER: Final = system("alerts")
_AGAIN: Final = "again"
_FIRST: Final = Subject("", "", Rule.EXPIRING)
# Of those that stand, looked at again in one round.
_STANDING_MAX: Final = 2000
_AT_ONCE: Final = 500

# What an account switches off; quotas are two kinds on one ladder, and left to their own watch.
_KINDS: Final[Mapping[Rule, AlertKind]] = {
    Rule.FORECAST_REQUESTS: AlertKind.QUOTA_FORECAST,
    Rule.FORECAST_BYTES: AlertKind.QUOTA_FORECAST,
    Rule.EXPIRING: AlertKind.KEY_EXPIRING,
    Rule.ROTATION: AlertKind.KEY_ROTATION_DUE,
    Rule.UNUSED: AlertKind.KEY_UNUSED,
    Rule.NEW_ADDRESS: AlertKind.KEY_NEW_ADDRESS,
    Rule.REFUSALS: AlertKind.KEY_MANY_REFUSALS,
    Rule.RISE: AlertKind.USAGE_SUDDEN_RISE,
}


class Alerting:
    """May run on several nodes at once: what one has told, the others find told."""

    def __init__(  # noqa: PLR0913, PLR0917 -- one parameter for each part
        self,
        watches: Sequence[Watch],
        states: AlertStates,
        choices: AlertChoices,
        marks: AlertMarks,
        clock: Clock,
        defaults: Defaults,
        interval_seconds: float = 60.0,
    ) -> None:
        """`defaults` are what accounts want that have not chosen."""
        self._watches = watches
        self._states = states
        self._choices = choices
        self._marks = marks
        self._clock = clock
        self._defaults = defaults
        self._interval = interval_seconds

    async def run(self) -> None:
        """Look again and again, for as long as it is left to."""
        await go_round(self.once, self._interval, "alerts_wait_for_store")

    async def once(self) -> int:
        """Look once; how many alerts were told. Raises StoreError when a store cannot answer."""
        now = self._clock.now()
        told = 0
        for watch in self._watches:
            async for findings in watch.fresh(now):
                told += await self._tell(findings, now)
        return told + await self._look_again(now)

    async def _tell(self, findings: Sequence[Finding], now: float) -> int:
        off = await self._off({one.subject for one in findings})
        wanted = [one for one in findings if one.subject not in off]
        return await self._states.tell(_CALLER, now, wanted)

    async def _look_again(self, now: float) -> int:
        """What stands is looked at in turns: most of it is over without anything that would tell so."""
        noted = (await self._marks.read()).get(_AGAIN)
        place = _FIRST if noted is None else _subject(noted.id)
        told, left = 0, _STANDING_MAX
        while left > 0:
            subjects = await self._states.standing_behind(place, _AT_ONCE)
            told += await self._again(subjects, now)
            place, left = (subjects[-1] if subjects else place), left - _AT_ONCE
            if len(subjects) < _AT_ONCE:
                place = _FIRST
                break
        if place != (_FIRST if noted is None else _subject(noted.id)):
            await self._marks.note(_AGAIN, Place(0, " ".join(place)))
        return told

    async def _again(self, subjects: Sequence[Subject], now: float) -> int:
        off = await self._off(set(subjects))
        told, gone = 0, list(off)
        for watch in self._watches:
            its = [one for one in subjects if one.rule in watch.rules and one not in off]
            if its:
                result = await watch.again(its, now)
                told += await self._states.tell(_CALLER, now, result.findings)
                gone += result.gone
        await self._states.forget(gone)
        return told

    async def _off(self, subjects: set[Subject]) -> set[Subject]:
        """Those that their accounts do not want to hear of."""
        known = await self._choices.of({one.account_id for one in subjects})
        of_account: dict[str, Wishes] = {
            id_: wishes(self._defaults, one.plan, one.choice) for id_, one in known.items()
        }
        return {
            one
            for one in subjects
            if one.rule in _KINDS
            and one.account_id in of_account
            and _KINDS[one.rule] in of_account[one.account_id].off
        }


def _subject(words: str) -> Subject:
    account_id, key_id, rule = words.split(" ")
    return Subject(account_id, key_id, Rule(rule))

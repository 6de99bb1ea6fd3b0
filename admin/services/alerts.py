"""What accounts want to be told of, and what stands now."""

__all__ = ["AlertChange", "AlertFilter", "AlertService", "ChosenAlerts", "Standing"]

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from admin.core.alerts.kinds import AlertKind
from admin.core.alerts.wishes import (
    THRESHOLD_MAX,
    THRESHOLDS_MAX,
    Choice,
    Defaults,
    Wishes,
    wishes,
)
from admin.core.caller import Caller, Permission
from admin.core.faults import Changed, NotFound
from admin.core.page import Page, PageRequest
from admin.core.unset import UNSET, Unset
from admin.services.validation import checked_id, checked_search
from admin.stores.alert_choices import AccountAlerts, AlertChoices
from admin.stores.alert_states import AlertFilter, AlertStates, Standing
from admin.stores.transaction import Target
from gateway.core.errors import Misuse
from gateway.ports import Clock

_SEE_ACCOUNTS = "'keywright accounts list' shows all accounts."


@dataclass(frozen=True, slots=True)
class ChosenAlerts:
    """What counts for an account, what it chose of that itself, and what it would get otherwise."""

    account_id: str
    wishes: Wishes
    choice: Choice
    default: Wishes
    version: int


@dataclass(frozen=True, slots=True)
class AlertChange:
    """What is to be different: thresholds of None are the default ones, and so is a switch of None."""

    thresholds: tuple[int, ...] | Unset | None = UNSET
    switches: Mapping[AlertKind, bool | None] | Unset = UNSET


class AlertService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(
        self, choices: AlertChoices, states: AlertStates, clock: Clock, defaults: Defaults
    ) -> None:
        """`defaults` are what the configuration says."""
        self._choices = choices
        self._states = states
        self._clock = clock
        self._defaults = defaults

    async def show(self, caller: Caller, account_id: str) -> ChosenAlerts:
        """What the account wants to be told of."""
        caller.require(Permission.ALERTS_READ)
        _check_sees(caller, account_id)
        found = (await self._choices.of([account_id])).get(account_id)
        if found is None:
            raise NotFound(_missing(account_id))
        return self._view(found)

    async def change(
        self, caller: Caller, account_id: str, change: AlertChange, expected: int | None = None
    ) -> ChosenAlerts:
        """Other thresholds, and kinds switched on or off; what was told already is not told again.

        Raises Changed if the version is not the `expected` one.
        """
        caller.require(Permission.ALERTS_WRITE)
        _check_sees(caller, account_id)
        thresholds = _checked(change.thresholds)
        async with self._choices.transaction("choose alerts", caller, self._clock.now()) as tx:
            before = await self._choices.lock(tx, account_id)
            if before is None:
                raise NotFound(_missing(account_id))
            if expected not in {None, before.version}:
                raise Changed(
                    f"The alerts of account {account_id} were changed meanwhile."
                    " Look at them again before you change them."
                )
            choice = _changed(before.choice, thresholds, change.switches)
            if choice == before.choice:
                return self._view(before)
            after = dataclasses.replace(before, choice=choice, version=before.version + 1)
            await self._choices.save(tx, before, after)
            tx.audit(
                "alerts.update",
                Target("account", account_id, account_id),
                before=_told(before.choice),
                after=_told(choice),
            )
        return self._view(after)

    async def standing(
        self, caller: Caller, wanted: AlertFilter, page: PageRequest
    ) -> Page[Standing]:
        """The alerts that stand now, of those that the caller sees, told last first."""
        caller.require(Permission.ALERTS_READ)
        for text in (wanted.account_id, wanted.key_id):
            checked_search(text)
        if caller.account_id is not None:
            if wanted.account_id not in {None, caller.account_id}:
                return Page(())
            wanted = dataclasses.replace(wanted, account_id=caller.account_id)
        return await self._states.standing(wanted, page)

    def _view(self, found: AccountAlerts) -> ChosenAlerts:
        return ChosenAlerts(
            found.account_id,
            wishes(self._defaults, found.plan, found.choice),
            found.choice,
            wishes(self._defaults, found.plan, Choice()),
            found.version,
        )


def _checked(thresholds: tuple[int, ...] | Unset | None) -> tuple[int, ...] | Unset | None:
    if thresholds is UNSET or thresholds is None:
        return thresholds
    if len(thresholds) > THRESHOLDS_MAX or not all(
        1 <= each <= THRESHOLD_MAX for each in thresholds
    ):
        raise Misuse(
            f"Thresholds are at most {THRESHOLDS_MAX} percents of the quota, each from 1 to {THRESHOLD_MAX}."
        )
    return tuple(sorted(set(thresholds)))


def _changed(
    before: Choice,
    thresholds: tuple[int, ...] | Unset | None,
    switches: Mapping[AlertKind, bool | None] | Unset,
) -> Choice:
    turned = {**before.switches, **({} if switches is UNSET else switches)}
    return Choice(
        before.thresholds if thresholds is UNSET else thresholds,
        {kind: is_on for kind, is_on in turned.items() if is_on is not None},
    )


def _told(choice: Choice) -> dict[str, Any]:
    return {
        "thresholds": None if choice.thresholds is None else list(choice.thresholds),
        "kinds": {kind.value: is_on for kind, is_on in choice.switches.items()},
    }


def _check_sees(caller: Caller, account_id: str) -> None:
    checked_id("acc", account_id, _SEE_ACCOUNTS)
    caller.require_account(account_id, _missing(account_id))


def _missing(account_id: str) -> str:
    return f"There is no account {account_id}. {_SEE_ACCOUNTS}"

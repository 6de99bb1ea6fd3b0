"""The facts behind each rule of admission, in words for whoever looks after the key."""

__all__ = ["FACTS", "Facts"]

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gateway.core.keys import KeyStatus, KeyType
from gateway.core.routes import Route
from gateway.pipeline.terms import KnownKey, Terms

_STATUS: Final = {
    KeyStatus.ACTIVE: "The key is active.",
    KeyStatus.DISABLED: "The key, or the user it belongs to, is disabled.",
    KeyStatus.REVOKED: "The key was revoked, for good.",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """One request and the key that it would be made with; `route` is None when none takes it."""

    known: KnownKey
    terms: Terms
    method: str
    address: str
    origin: str | None
    route: Route | None


def _status(facts: Facts) -> str:
    return _STATUS[facts.known.key.status]


def _not_before(facts: Facts) -> str:
    begin = facts.known.key.not_before
    return "It is valid from the start." if begin is None else f"It is valid from {_at(begin)}."


def _expiry(facts: Facts) -> str:
    key = facts.known.key
    ends = [end for end in (key.expires_at, key.secret_expires_at) if end is not None]
    if not ends:
        return "It does not expire."
    return f"It is valid until {_at(min(ends))}."


def _environment(facts: Facts) -> str:
    served = facts.terms.environment
    both = "live and test keys are" if served is None else f"only {served} keys are"
    return f"It is a {facts.known.key.environment} key; {both} served here."


def _api_access(facts: Facts) -> str:
    account = facts.known.key.account
    return f"API access of the account {account.id} is {account.api_access}."


def _address(facts: Facts) -> str:
    allowed = facts.known.key.addresses
    if not allowed:
        return "It may be used from every address."
    here = f"this is {facts.address}" if facts.address else "no address is given"
    return f"It may be used from {_listed(allowed, 'or')}; {here}."


def _origin(facts: Facts) -> str:
    allowed = facts.known.key.origins
    if not allowed:
        return "It may be used by every web page."
    here = "no origin is given" if facts.origin is None else f"this is {facts.origin}"
    return f"It may be used by pages of {_listed(allowed, 'or')}; {here}."


def _route(facts: Facts) -> str:
    if facts.route is None:
        return "No route takes this method and path."
    return f"The route {facts.route.name} takes it."


def _route_environment(facts: Facts) -> str:
    wanted = None if facts.route is None else facts.route.environment
    if wanted is None:
        return "The route is for live and test keys."
    return f"The route is for {wanted} keys; this is a {facts.known.key.environment} key."


def _plan(facts: Facts) -> str:
    plans = facts.route.plans if facts.route else ()
    if not plans:
        return "The route is for every plan."
    return f"The route is for {_listed(sorted(plans), 'or')}; the account's plan is {facts.known.plan}."


def _publishable(facts: Facts) -> str:
    if facts.known.key.type is not KeyType.PUBLISHABLE:
        return "It is a secret key."
    most = _listed(facts.terms.publishable_scopes, "and") or "nothing"
    return f"It is a publishable key, which can do at most what is in {most}."


def _scope(facts: Facts) -> str:
    held, given = facts.known.scopes, facts.known.key.scopes
    words = f"It has {_listed(held, 'and') or 'no scope'}"
    if len(held) < len(given):
        taken = [name for name in given if name not in held]
        words += f" ({_listed(taken, 'and')} being more than its owner may have)"
    if facts.route is None:
        return f"{words}."
    enough = facts.terms.scopes.allowing(facts.route.name, facts.method)
    needed = f"{_listed(enough, 'or')} is needed" if enough else "no scope allows it"
    return f"{words}; for {facts.method} on {facts.route.name} {needed}."


# By rule. Method, path and limits are told where they are judged: their facts are not the key's.
FACTS: Final[Mapping[str, Callable[[Facts], str]]] = {
    "status": _status,
    "not_before": _not_before,
    "expiry": _expiry,
    "environment": _environment,
    "api_access": _api_access,
    "address": _address,
    "origin": _origin,
    "route": _route,
    "route_environment": _route_environment,
    "plan": _plan,
    "publishable": _publishable,
    "scope": _scope,
}


def _at(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _listed(words: Collection[str], last: str) -> str:
    *some, final = words or ("",)
    return f"{', '.join(some)} {last} {final}" if some else final

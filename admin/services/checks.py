"""Asking about a key without a request to the proxy: may it be used, and why or why not."""

__all__ = ["CheckService", "Checked", "KeysById", "RequestCheck", "TokenCheck"]

import ipaddress
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from admin.core.caller import Caller, Permission
from admin.core.faults import NotFound
from admin.services.validation import checked_id
from gateway.core.credential import Credential
from gateway.core.errors import Misuse, Overloaded, StoreError
from gateway.core.keys import Key
from gateway.core.limits import Grant
from gateway.core.record import VERIFIED, recorded_path
from gateway.core.refusal import Refusal, Refused
from gateway.core.routes import Route
from gateway.pipeline.admission import Admission
from gateway.pipeline.exchange import Exchange, Reports
from gateway.pipeline.explanation import Explanation, Supposed, explain
from gateway.pipeline.terms import Terms
from gateway.pipeline.verification import Verification, Verified, verify
from gateway.ports import Clock

_SEE_KEYS: Final = "'keywright keys list' shows all keys."
_OK: Final = 200
# How a check without a path stands in the usage log.
_CHECK: Final = ("POST", "/v1/verify")


class KeysById(Protocol):
    """Keys as admission sees them, by their ids."""

    async def find_by_id(self, key_id: str) -> Key | None:
        """The key as seen through its newest secret; None if there is none. Raises StoreError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCheck:
    """A token, and what it is to be used for; see `gateway.pipeline.verification.Verification`."""

    token: str = field(repr=False)
    method: str | None = None
    path: str | None = None
    scopes: tuple[str, ...] = ()
    cost: int | None = None
    address: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCheck:
    """A request as the key's holder would make it."""

    key_id: str
    method: str
    path: str
    address: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether the key may be used. `key` is None unless the token proves one; `scopes` are those that are left."""

    refused: Refused | None
    key: Key | None = None
    scopes: tuple[str, ...] = ()
    route: str | None = None
    grant: Grant | None = None


class CheckService:
    """Asks the same admission as the proxy does."""

    def __init__(
        self,
        admission: Callable[[], AbstractContextManager[Admission]],
        keys: KeysById,
        clock: Clock,
        *,
        methods: Collection[str],
        reports: Reports | None = None,
    ) -> None:
        """`admission` lends one for one check; `methods` are those that the proxy listener serves.

        With `reports`, each check of a good token leaves a usage record, so that the key counts as used.
        """
        self._admission = admission
        self._keys = keys
        self._clock = clock
        self._methods = methods
        self._reports = reports

    async def verify(self, caller: Caller, asked: TokenCheck) -> Checked:
        """Judge a token and take what the use costs.

        Raises NotAllowed, Misuse, and StoreError or Overloaded when nobody can say: that is never a "no".
        """
        caller.require(Permission.VERIFY)
        if (asked.method is None) is not (asked.path is None):
            raise Misuse("Send method and path together, or neither.")
        wanted = Verification(
            method=asked.method or "",
            target=asked.path,
            scopes=asked.scopes,
            cost=asked.cost,
            address=_address(asked.address),
            origin=asked.origin,
            payer=caller.address,
        )
        exchange = self._exchange(caller, asked)
        with self._admission() as admission:
            verdict = await verify(admission, Credential(asked.token), wanted, self._methods)
        if isinstance(verdict, Refused):
            _raise_outage(verdict)
            exchange.refused(verdict)
        else:
            meter = None if asked.cost == 0 else verdict.known.meter
            exchange.admitted(verdict.known.key, _name(verdict.route), meter)
            exchange.answered(_OK, VERIFIED)
        if self._reports is not None and exchange.key is not None:
            self._reports.finished(exchange, self._clock)
        elif exchange.meter is not None:
            exchange.meter.ended(0, is_counted=True)
        return _checked(admission.terms, verdict)

    async def explain(self, caller: Caller, asked: RequestCheck) -> Explanation:
        """Each rule for a request with this key. Raises NotAllowed, NotFound, Misuse, StoreError."""
        caller.require(Permission.KEYS_READ)
        key = await self._keys.find_by_id(checked_id("key", asked.key_id, _SEE_KEYS))
        if key is None or not caller.sees(key.account.id):
            raise NotFound(f"There is no key {asked.key_id}. {_SEE_KEYS}")
        supposed = Supposed(asked.method, asked.path, _address(asked.address), asked.origin)
        with self._admission() as admission:
            return await explain(admission, key, supposed, self._methods)

    def _exchange(self, caller: Caller, asked: TokenCheck) -> Exchange:
        method, path = _CHECK
        return Exchange(
            began=self._clock.monotonic(),
            method=asked.method or method,
            path=path if asked.path is None else recorded_path(asked.path),
            address=asked.address or caller.address,
            request_id=caller.request_id,
        )


def _checked(terms: Terms, verdict: Verified | Refused) -> Checked:
    if isinstance(verdict, Verified):
        known = verdict.known
        return Checked(None, known.key, known.scopes, _name(verdict.route), verdict.grant)
    key = verdict.key
    scopes = () if key is None else terms.known(key, 0.0).scopes
    return Checked(verdict, key, scopes, verdict.route, verdict.grant)


def _name(route: Route | None) -> str | None:
    return None if route is None else route.name


def _raise_outage(refused: Refused) -> None:
    if refused.reason is Refusal.STORE_UNAVAILABLE:
        raise StoreError(
            "sql" if refused.grant is None else "redis", "check a key", "it could not answer"
        )
    if refused.reason is Refusal.OVERLOADED:
        raise Overloaded("Too many keys wait to be checked. Try again shortly.")


def _address(text: str | None) -> str:
    if text is None:
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise Misuse(f"'{text}' is no address, such as 192.0.2.1 or 2001:db8::1.") from None

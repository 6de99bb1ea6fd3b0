"""The answer to a proxy in front that asks whether a request may pass: the same as the proxy listener's.

It takes tokens, leaves a usage record and is counted as a request that is passed on would be. It needs no
admin token, because it says no more than the proxy listener says to whoever holds the same key.
"""

__all__ = ["Answer", "Asked", "ForwardAuth", "ForwardTerms"]

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from admin.core.forwarded import PREFIX, Original, caller_address, is_from_nginx, original
from gateway.core.addresses import Networks
from gateway.core.credential import Presented
from gateway.core.places import Fields, Places
from gateway.core.problem import problem, ratelimit_fields
from gateway.core.record import AUTHORIZED, recorded_path
from gateway.core.refusal import Refusal, Refused
from gateway.pipeline.exchange import Exchange, Reports
from gateway.pipeline.inquiry import Admitted, Decision, Inquiry, Waits
from gateway.pipeline.terms import identity_fields
from gateway.ports import Clock

_OK: Final = 200
# The whole problem document once more, for nginx, which does not read the body.
_PROBLEM_FIELD: Final = "X-Keywright-Problem"


class Judge(Protocol):
    """Admission, as far as it is needed here."""

    def decide(self, inquiry: Inquiry) -> Decision:
        """Yes, no, or what to await."""
        ...


class Asked(NamedTuple):
    """The proxy's own request: its target as received, and who is at the other end of its connection."""

    method: str
    target: str
    fields: Fields
    peer: str
    request_id: str


class Answer(NamedTuple):
    """What the proxy gets; the fields are complete but for Content-Length and those of the connection."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardTerms:
    """How the proxy listener would take the request in and refuse it; `methods` are those that it serves."""

    realm: str
    docs_url: str
    has_legacy_headers: bool
    trusted: Networks
    methods: Collection[str]
    places: Places


class ForwardAuth:
    """Answers proxies. Each question ends in exactly one usage record."""

    def __init__(self, judge: Judge, terms: ForwardTerms, reports: Reports, clock: Clock) -> None:
        """`judge` hears of revocations as the workers do."""
        self._judge = judge
        self._terms = terms
        self._reports = reports
        self._clock = clock

    async def answer(self, asked: Asked) -> Answer:
        """Yes with the identity of the caller, or the refusal that the proxy is to hand on."""
        fields, terms = asked.fields, self._terms
        found = original(asked.method, asked.target, fields)
        shown = Original(asked.method, PREFIX, None) if isinstance(found, str) else found
        exchange = Exchange(
            began=self._clock.monotonic(),
            method=shown.method,
            path=recorded_path(shown.target),
            address=caller_address(asked.peer, fields, terms.trusted),
            request_id=asked.request_id,
        )
        try:
            if isinstance(found, str):
                decision: Admitted | Refused = Refused(Refusal.BAD_REQUEST, hint=found)
            else:
                decision = await self._decide(found, fields, exchange.address)
            if isinstance(decision, Refused):
                exchange.refused(decision)
                return self._refusal(decision, exchange.request_id, fields)
            exchange.admitted(decision.key, decision.route.name, decision.known.meter)
            exchange.answered(_OK, AUTHORIZED)
            return self._consent(decision, exchange.request_id)
        except Exception:
            exchange.refused(Refused(Refusal.INTERNAL))
            raise
        finally:
            self._reports.finished(exchange, self._clock)

    async def _decide(self, asked: Original, fields: Fields, address: str) -> Admitted | Refused:
        if asked.method not in self._terms.methods:
            return Refused(Refusal.METHOD_NOT_ALLOWED)
        decision = self._judge.decide(
            Inquiry(
                asked.method,
                asked.target,
                asked.host,
                Presented(
                    tuple(fields.getall("Authorization", ())), *self._terms.places.sent(fields)
                ),
                _first(fields, "Origin"),
                address,
            )
        )
        return await decision.resolve() if isinstance(decision, Waits) else decision

    def _consent(self, admitted: Admitted, id_: str) -> Answer:
        legacy, meter = self._terms.has_legacy_headers, admitted.known.meter
        grant = admitted.grant
        if meter is not None:
            grant = grant._replace(levels=meter.levels(self._clock.monotonic()))
        # All of them, empty or not: a proxy that copies only what is there would let callers fill the gap.
        return Answer(
            _OK,
            (
                *identity_fields(admitted.key, admitted.known.scopes),
                ("X-Request-Id", id_),
                ("Cache-Control", "no-store"),
                *ratelimit_fields(grant, legacy=legacy),
            ),
        )

    def _refusal(self, refused: Refused, id_: str, fields: Fields) -> Answer:
        terms = self._terms
        answer = problem(
            refused,
            id_,
            realm=terms.realm,
            docs_url=terms.docs_url,
            legacy_headers=terms.has_legacy_headers,
        )
        found = [field for field in answer.headers if field[0] != "Content-Length"]
        if refused.reason is Refusal.METHOD_NOT_ALLOWED:
            found.append(("Allow", ", ".join(sorted(terms.methods))))
        if is_from_nginx(fields):
            found.append((_PROBLEM_FIELD, answer.body.decode("ascii")))
        return Answer(answer.status, tuple(found), answer.body)


def _first(fields: Fields, name: str) -> str | None:
    return next(iter(fields.getall(name, ())), None)

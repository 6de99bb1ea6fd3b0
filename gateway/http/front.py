"""What both lanes do alike: see who asks, write what we say ourselves, and record how it ended."""

__all__ = ["Front", "Judge", "Reports"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.addresses import client_address
from gateway.core.problem import problem
from gateway.core.record import recorded_path
from gateway.core.refusal import Refusal, Refused
from gateway.core.tracing import request_id
from gateway.http.complaints import Complaints
from gateway.http.load import Load
from gateway.http.render import problem_answer
from gateway.http.terms import LaneTerms
from gateway.pipeline.exchange import Exchange, Reports
from gateway.pipeline.inquiry import Admitted, Decision, Inquiry, Waits
from gateway.ports import Clock

_OVERLOADED = Refused(Refusal.OVERLOADED)


class Judge(Protocol):
    """Admission, as far as the lanes know it."""

    def decide(self, inquiry: Inquiry) -> Decision:
        """Yes, no, or what to await."""
        ...


@dataclass(slots=True)
class Front:
    """One for a listener. `is_draining` says that no connection is to be kept any longer."""

    terms: LaneTerms
    clock: Clock
    reports: Reports
    is_draining: bool = False
    complaints: Complaints = field(init=False)
    load: Load = field(init=False)

    def __post_init__(self) -> None:
        """Nothing has been complained of, and nothing is under way."""
        self.complaints = Complaints(self.clock)
        bounds = self.terms.bounds
        self.load = Load(bounds.requests_max, bounds.late_seconds)

    def is_trusted(self, peer: str) -> bool:
        """Whether what the peer says of earlier hops counts."""
        return self.terms.trusted.contains(peer)

    def address(self, peer: str, hops: Sequence[str]) -> str:
        """The client's address; `hops` are the values of X-Forwarded-For from a trusted peer, else none."""
        return client_address(peer, hops, self.terms.trusted)

    def exchange(self, address: str, method: str, target: str, sent_id: str | None) -> Exchange:
        """A request begins; `finished` must follow."""
        self.load.under_way += 1
        id_ = self.request_id(sent_id)
        return Exchange(self.clock.monotonic(), method, recorded_path(target), address, id_)

    def request_id(self, sent: str | None) -> str:
        """The id that the client chose, if it is a sane one, or one of ours."""
        fresh = self.terms.fresh_id
        return fresh() if sent is None else request_id(sent, fresh)

    def decide(self, judge: Judge, inquiry: Inquiry) -> Decision:
        """What `judge` says, unless there is too much to do: then no, before anything is waited for.

        A worker whose loop lags goes on with what it can decide from memory.
        """
        if self.load.is_full:
            return _OVERLOADED
        decision = judge.decide(inquiry)
        return _OVERLOADED if isinstance(decision, Waits) and self.load.is_late else decision

    def own_lines(self, request_id: str, admitted: Admitted) -> bytes:
        """What we say in an upstream's answer."""
        terms, known = self.terms, admitted.known
        limits = known.policies.lines(admitted.grant, legacy=terms.has_legacy_headers)
        if known.meter is not None:
            limits += known.meter.lines()
        return b"X-Request-Id: %b\r\n%b" % (request_id.encode(), limits)

    def problem(
        self, refused: Refused, id_: str, framing: bytes, *, has_body: bool = True
    ) -> bytes:
        """The whole answer to a refused request."""
        terms = self.terms
        answer = problem(
            refused,
            id_,
            realm=terms.realm,
            docs_url=terms.docs_url,
            legacy_headers=terms.has_legacy_headers,
        )
        if refused.reason is Refusal.METHOD_NOT_ALLOWED:
            framing += b"Allow: %b\r\n" % ", ".join(sorted(terms.methods)).encode()
        return problem_answer(
            answer, epoch_now=self.clock.now(), framing=framing, has_body=has_body
        )

    def finished(self, exchange: Exchange) -> None:
        """A request has ended; once for each."""
        self.load.under_way -= 1
        self.reports.finished(exchange, self.clock)

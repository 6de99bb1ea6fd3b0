"""What is known of one request so far; it ends as one usage record, whichever way it ends."""

__all__ = ["CLIENT_GONE", "CLIENT_GONE_STATUS", "Exchange", "Observe", "Reports"]

from dataclasses import dataclass
from typing import Protocol

from gateway.core.keys import Key
from gateway.core.meter import Meter
from gateway.core.record import CLIENT_GONE, COUNTED, SERVED, UsageRecord
from gateway.core.refusal import Refusal, Refused
from gateway.ports import Clock, UsageSink

# The status in the record of a request whose client left before there was an answer.
CLIENT_GONE_STATUS = 499


class Observe(Protocol):
    """Who is told of each finished request, besides the usage sink: the metrics."""

    def __call__(
        self,
        record: UsageRecord,
        key_name: str | None,
        overhead_seconds: float,
        upstream_seconds: float | None,
        target: str | None,
    ) -> None:
        """Take note. Never waits and never raises.

        `upstream_seconds` run from handing the request over until the answer's end was passed on, None
        if no upstream was asked; `overhead_seconds` are what is left of the duration; `target` is host:port.
        """
        ...


class Exchange:
    """One request on its way. Times are monotonic seconds."""

    __slots__ = (
        "address",
        "began",
        "bytes_in",
        "bytes_out",
        "key",
        "meter",
        "method",
        "outcome",
        "path",
        "request_id",
        "route",
        "status",
        "target",
        "upstream_began",
        "upstream_ended",
    )

    def __init__(self, began: float, method: str, path: str, address: str, request_id: str) -> None:
        """Before anything has been judged: if nothing more becomes known, the client has gone."""
        self.began = began
        self.method = method
        self.path = path
        self.address = address
        self.request_id = request_id
        self.key: Key | None = None
        # Its account's quota, if one request was taken from it.
        self.meter: Meter | None = None
        self.route: str | None = None
        self.status = CLIENT_GONE_STATUS
        self.outcome = CLIENT_GONE
        self.bytes_in = 0
        self.bytes_out = 0
        self.target: str | None = None
        self.upstream_began: float | None = None
        self.upstream_ended: float | None = None

    def admitted(self, key: Key, route: str | None, meter: Meter | None = None) -> None:
        """The caller may do it; there is no route when only the key was asked about.

        Of the account's quota, if it has one and `meter` is given, one request was taken.
        """
        self.key = key
        self.route = route
        self.meter = meter

    def refused(self, refused: Refused) -> None:
        """The answer is a refusal."""
        self.status = refused.reason.status
        self.outcome = refused.reason.code
        self.key = refused.key or self.key
        self.route = refused.route or self.route

    def answered(self, status: int, outcome: str = SERVED) -> None:
        """The answer is no refusal; `outcome` says whose it is."""
        self.status = status
        self.outcome = outcome

    def broke_off(self, reason: Refusal) -> None:
        """The answer had begun when `reason` cut it short: its status stands, its outcome does not."""
        self.outcome = reason.code


@dataclass(frozen=True, slots=True)
class Reports:
    """Who hears of every finished request."""

    usage: UsageSink
    observe: Observe

    def finished(self, exchange: Exchange, clock: Clock) -> None:
        """Tell them; to be called once for each exchange. Never waits and never raises."""
        now, key = clock.monotonic(), exchange.key
        duration = now - exchange.began
        # In the order of its fields: names would cost as much as all the rest.
        record = UsageRecord(
            clock.now() - duration,
            None if key is None else key.id,
            None if key is None else key.account.id,
            None if key is None else key.secret_id,
            exchange.route,
            exchange.method,
            exchange.path,
            exchange.status,
            exchange.outcome,
            exchange.bytes_in,
            exchange.bytes_out,
            duration,
            exchange.address,
            exchange.request_id,
        )
        self.usage.record(record)
        meter = exchange.meter
        if meter is not None:
            size = exchange.bytes_in + exchange.bytes_out
            meter.ended(size, is_counted=exchange.outcome in COUNTED)
        name = None if key is None else key.name
        began = exchange.upstream_began
        if began is None:
            self.observe(record, name, duration, None, exchange.target)
        else:
            upstream_seconds = (exchange.upstream_ended or now) - began
            overhead = max(0.0, duration - upstream_seconds)
            self.observe(record, name, overhead, upstream_seconds, exchange.target)

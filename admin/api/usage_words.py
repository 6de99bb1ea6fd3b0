"""What the fields of documents about usage mean."""

__all__ = ["USAGE_WORDS"]

from collections.abc import Mapping
from typing import Final

_NARROWING: Final[Mapping[str, str]] = {
    "address": "Those from this address.",
    "method": "Those with this method.",
    "outcome": "Those with this outcome: `served`, or a refusal's code.",
    "path": "Those with this path; with a `*` at its end, those that begin so.",
    "request_id": "The one with this X-Request-Id.",
    "route": "Those on the route of this name.",
    "since": "Not before: a time, or how long ago.",
    "status": "Those with this status: `404`, or `4xx` for all of them.",
    "until": "Before: a time, or how long ago.",
}

USAGE_WORDS: Final[Mapping[str, str]] = {
    **{
        f"{model}.{name}": words
        for model in ("RequestQuery", "RequestExportQuery", "RequestTailQuery")
        for name, words in _NARROWING.items()
    },
    "RequestExportQuery.format": "`csv` with a line of names before the others, or `jsonl`: one JSON object a line.",
    "RequestTailQuery.seconds": "For so long; 0: only what came in since `Last-Event-ID`.",
    "RequestDocument.key": "The id of the key that it was made with.",
    "RequestDocument.status": "The HTTP status of the answer; 499 if the caller went away.",
    "secret_id": "Which of the key's secrets it was; null where none was proved.",
    "from": "Where the first point begins.",
    "to": "Where the last point ends.",
    "step": "How long a point is.",
    "totals": "Of the whole time.",
    "series": "One point for each step, oldest first; those without requests, too.",
    "by_route": "By the name of the route, empty where none fits; most requests first.",
    "by_outcome": "By what became of them: `served`, or a refusal's code; most requests first.",
    "by_status": "By class of status, such as `4xx`; most requests first.",
    "statuses": "How many requests had a status of which class, such as `2xx`.",
    "refused": "How many of them Keywright did not let through.",
    "mean_ms": "Milliseconds they took, on average; null where there were none.",
    "p50_ms": "Half of them took no longer; right within one percent.",
    "p95_ms": "95 of 100 took no longer.",
    "p99_ms": "99 of 100 took no longer.",
    "FiguresDocument.requests": "How many there were.",
    "GroupDocument.requests": "How many there were.",
    "PointDocument.requests": "How many began in this step.",
    "FiguresDocument.bytes_in": "Bytes of their bodies.",
    "GroupDocument.bytes_in": "Bytes of their bodies.",
    "PointDocument.bytes_in": "Bytes of their bodies.",
    "FiguresDocument.bytes_out": "Bytes of the answers' bodies.",
    "GroupDocument.bytes_out": "Bytes of the answers' bodies.",
    "PointDocument.bytes_out": "Bytes of the answers' bodies.",
    "PointDocument.at": "Where it begins, in UTC.",
    "GroupDocument.name": "What they have in common.",
    "UsageQuery.from": "From then on: a time, or how long ago. The last day if not said.",
    "UsageQuery.to": "Up to then: a time, or how long ago. Until now if not said.",
    "UsageQuery.step": "How long a point is; `auto` is the smallest that makes a good chart. An answer has at"
    " most 1500 points.",
    "UsageQuery.route": "Those on the route of this name.",
    "UsageQuery.outcome": "Those with this outcome: `served`, or a refusal's code.",
    "UsageQuery.status": "Those with a status of this class, such as `4xx`.",
}

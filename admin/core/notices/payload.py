"""The body of a webhook: `type`, `timestamp` and `data`, as Standard Webhooks advises."""

__all__ = ["body_of"]

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from admin.core.notices.kinds import Notice

_FACTS_MAX: Final = 32 * 1024


def body_of(  # noqa: PLR0913 -- one parameter for each field
    notice: Notice,
    kind: str,
    at: float,
    *,
    event: int | None,
    account_id: str | None,
    key_id: str | None,
    facts: Mapping[str, Any],
) -> str:
    """One event as JSON. `facts` are what the event itself says; when they are huge they stay away."""
    said = dict(facts)
    if len(json.dumps(said)) > _FACTS_MAX:
        said = {}
    document = {
        "type": kind,
        "timestamp": datetime.fromtimestamp(at, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "data": {
            "event": event,
            "account": account_id,
            "key": key_id,
            "severity": notice.severity.value,
            "title": notice.title,
            "text": notice.text,
            "facts": said,
        },
    }
    # In ASCII, so that it can be stored and sent whatever stands in it.
    return json.dumps(document, separators=(",", ":"))

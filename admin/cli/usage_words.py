"""How usage is told."""

__all__ = ["request_row", "size"]

from datetime import datetime

from admin.cli.times import told
from admin.wire.usage import RequestDocument

_UNITS = ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))


def request_row(
    request: RequestDocument, now: datetime, *, is_of_account: bool = False
) -> dict[str, str]:
    """A finished request for a list; an account's say whose they are."""
    return {
        "when": told(request.at, now),
        **({"key": request.key} if is_of_account else {}),
        "method": request.method,
        "path": request.path,
        "route": request.route or "-",
        "status": str(request.status),
        "outcome": request.outcome,
        "took": f"{request.duration_ms:.1f} ms",
        "in": size(request.bytes_in),
        "out": size(request.bytes_out),
        "address": request.address,
    }


def size(count: int) -> str:
    """`2.0 KiB`."""
    unit_size, unit = next(((each, unit) for each, unit in _UNITS if count >= each), (1, "B"))
    return f"{count} B" if unit_size == 1 else f"{count / unit_size:.1f} {unit}"

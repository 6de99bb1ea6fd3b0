"""What an endpoint takes over HTTP: the server goes by it, and its OpenAPI document says it."""

__all__ = [
    "BODY_BYTES_MAX",
    "IMPORT_BYTES_MAX",
    "body_bytes_max",
    "needs_body",
    "takes_idempotency_key",
    "takes_if_match",
]

from admin.wire.checks import ExplainRequest, VerifyRequest
from admin.wire.endpoints import CREATED, Endpoint
from admin.wire.notifications import InboxReadRequest
from admin.wire.transfer import ImportRequest

BODY_BYTES_MAX = 1024 * 1024
IMPORT_BYTES_MAX = 8 * 1024 * 1024


def takes_if_match(one: Endpoint) -> bool:
    """Whether a change can be made conditional: what is only being made has no version yet."""
    return one.is_versioned and one.method != "GET" and one.status != CREATED


def takes_idempotency_key(one: Endpoint) -> bool:
    """Whether a repetition is answered as the first one: an import repeats itself, a check makes nothing,
    and what was read stays read.
    """
    alike = {ImportRequest, VerifyRequest, ExplainRequest, InboxReadRequest}
    return one.method == "POST" and one.body not in alike


def body_bytes_max(one: Endpoint) -> int:
    """How large a body may be."""
    return IMPORT_BYTES_MAX if one.body is ImportRequest else BODY_BYTES_MAX


def needs_body(one: Endpoint) -> bool:
    """Whether something must be said; a POST that has nothing to say may come without a body."""
    model = one.body
    if model is None or one.method != "POST":
        return model is not None
    return any(field.is_required() for field in model.model_fields.values())

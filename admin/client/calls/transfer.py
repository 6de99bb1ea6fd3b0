"""Calls that take keys in and out."""

__all__ = ["export_keys", "import_keys"]

from collections.abc import Sequence

from admin.client.call import Call, asked, given
from admin.wire.transfer import ExportPage, ExportQuery, ImportLine, ImportRequest, ImportResult


def import_keys(
    *, lines: Sequence[ImportLine], dry_run: bool = False, idempotency_key: str | None = None
) -> Call[ImportResult]:
    """Take in keys that were made elsewhere, at most 500 at once; with `dry_run` nothing is written."""
    body = given(lines=tuple(lines), dry_run=dry_run or None)
    return asked(
        "keys.import",
        ImportResult,
        body=ImportRequest.model_validate(body),
        idempotency_key=idempotency_key,
    )


def export_keys(
    *,
    account: str | None = None,
    deleted: bool = False,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[ExportPage]:
    """A page of keys with their hashes, as `import_keys` takes them."""
    wanted = given(account=account, deleted=deleted or None, limit=limit, cursor=cursor)
    return asked("keys.export", ExportPage, query=ExportQuery.model_validate(wanted))

"""Calls about keys: made, looked for, changed."""

__all__ = ["create_key", "list_keys", "show_key", "update_key"]

from collections.abc import Mapping, Sequence
from datetime import datetime

from admin.client.call import Call, asked, changed, given
from admin.client.calls.choices import EnvironmentWord, TypeWord
from admin.wire.keys import (
    KeyChanged,
    KeyCreated,
    KeyDocument,
    KeyPage,
    KeyPatch,
    KeyQuery,
    KeySort,
    KeyState,
    LimitDocument,
    NewKeyRequest,
)
from admin.wire.words import UNSET, Unset


def list_keys(  # noqa: PLR0913 -- one parameter for each field of the query
    *,
    q: str | None = None,
    account: str | None = None,
    owner: str | None = None,
    state: KeyState | None = None,
    type: TypeWord | None = None,  # noqa: A002 -- the wire's name
    environment: EnvironmentWord | None = None,
    unused_for: str | None = None,
    older_than: str | None = None,
    expiring_in: str | None = None,
    deleted: bool = False,
    sort: KeySort | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[KeyPage]:
    """A page of keys; `q` is part of the name, the id, or the beginning of a secret as it is shown."""
    wanted = given(
        q=q,
        account=account,
        owner=owner,
        state=state,
        type=type,
        environment=environment,
        unused_for=unused_for,
        older_than=older_than,
        expiring_in=expiring_in,
        deleted=deleted or None,
        sort=sort,
        limit=limit,
        cursor=cursor,
    )
    return asked("keys.list", KeyPage, query=KeyQuery.model_validate(wanted))


def create_key(  # noqa: PLR0913 -- one parameter for each field
    *,
    account: str,
    name: str,
    type: TypeWord | None = None,  # noqa: A002 -- the wire's name
    environment: EnvironmentWord | None = None,
    scopes: Sequence[str] = (),
    expires_in: str | None = None,
    expires_at: datetime | None = None,
    not_before: datetime | None = None,
    allowed_ips: Sequence[str] = (),
    allowed_origins: Sequence[str] = (),
    limits: Sequence[LimitDocument] = (),
    metadata: Mapping[str, str] | None = None,
    owner: str | None = None,
    idempotency_key: str | None = None,
) -> Call[KeyCreated]:
    """A new key, its secret in `secret` this once; a live `sk` with the scope read-only unless more is said."""
    body = given(
        account=account,
        name=name,
        type=type,
        environment=environment,
        scopes=scopes or None,
        expires_in=expires_in,
        expires_at=expires_at,
        not_before=not_before,
        allowed_ips=allowed_ips or None,
        allowed_origins=allowed_origins or None,
        limits=limits or None,
        metadata=metadata,
        owner=owner,
    )
    return asked(
        "keys.create",
        KeyCreated,
        body=NewKeyRequest.model_validate(body),
        idempotency_key=idempotency_key,
    )


def show_key(key_id: str) -> Call[KeyDocument]:
    """One key, and who still uses a replaced secret of it."""
    return asked("keys.show", KeyDocument, {"key_id": key_id})


def update_key(  # noqa: PLR0913 -- one parameter for each field
    key_id: str,
    *,
    name: str | Unset = UNSET,
    scopes: Sequence[str] | Unset = UNSET,
    expires_at: datetime | Unset | None = UNSET,
    not_before: datetime | Unset | None = UNSET,
    allowed_ips: Sequence[str] | Unset = UNSET,
    allowed_origins: Sequence[str] | Unset = UNSET,
    limits: Sequence[LimitDocument] | Unset = UNSET,
    metadata: Mapping[str, str] | Unset = UNSET,
    owner: str | Unset | None = UNSET,
    if_match: int | None = None,
) -> Call[KeyChanged]:
    """Change what is given; None takes an expiry, a not-before or an owner away. Lists are replaced whole."""
    body = changed(
        name=name,
        scopes=scopes,
        expires_at=expires_at,
        not_before=not_before,
        allowed_ips=allowed_ips,
        allowed_origins=allowed_origins,
        limits=limits,
        metadata=metadata,
        owner=owner,
    )
    return asked(
        "keys.update",
        KeyChanged,
        {"key_id": key_id},
        body=KeyPatch.model_validate(body),
        if_match=if_match,
    )

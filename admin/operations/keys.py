"""The life of a key."""

__all__ = ["KEY_ACTS"]

from collections.abc import Iterable, Mapping
from typing import Final

from admin.core.caller import Caller
from admin.core.unset import UNSET, Unset
from admin.operations.asked import Act, Asked
from admin.operations.key_documents import key_changed, key_created, key_document, key_rotated
from admin.operations.values import given, page_request, seconds, seconds_in
from admin.services.catalogue import Services
from admin.services.keys import KeyChange, KeyFilter, NewKey
from admin.wire.keys import (
    KeyChanged,
    KeyCreated,
    KeyDocument,
    KeyPage,
    KeyPatch,
    KeyQuery,
    KeyRotated,
    LimitDocument,
    NewKeyRequest,
    RotateRequest,
)
from gateway.core.limits import Limit

_UNTIL_UNUSED: Final = "until_unused"


async def _list(services: Services, caller: Caller, asked: Asked) -> KeyPage:
    query = asked.the_query(KeyQuery)
    wanted = KeyFilter(
        search=query.q,
        account_id=query.account,
        owner_id=query.owner,
        state=query.state,
        type=query.type,
        environment=query.environment,
        unused_for_seconds=seconds_in(query.unused_for),
        older_than_seconds=seconds_in(query.older_than),
        expiring_in_seconds=seconds_in(query.expiring_in),
        deleted=query.deleted,
        sort=query.sort,
    )
    page = await services.keys.list(caller, wanted, page_request(query))
    return KeyPage(keys=tuple(map(key_document, page.items)), next_cursor=page.next_cursor)


async def _create(services: Services, caller: Caller, asked: Asked) -> KeyCreated:
    new = asked.the_body(NewKeyRequest)
    wanted = NewKey(
        account_id=new.account,
        name=new.name,
        type=new.type,
        environment=new.environment,
        scopes=new.scopes,
        expires_in_seconds=seconds_in(new.expires_in),
        expires_at=seconds(new.expires_at),
        not_before=seconds(new.not_before),
        addresses=new.allowed_ips,
        origins=new.allowed_origins,
        limits=_limits(new.limits),
        metadata=new.metadata,
        owner_id=new.owner,
    )
    return key_created(await services.keys.create(caller, wanted))


async def _show(services: Services, caller: Caller, asked: Asked) -> KeyDocument:
    return key_document(await services.keys.show(caller, asked.ids["key_id"]))


async def _update(services: Services, caller: Caller, asked: Asked) -> KeyChanged:
    patch = asked.the_body(KeyPatch)
    limits = given(patch, "limits")
    change = KeyChange(
        name=given(patch, "name"),
        scopes=given(patch, "scopes"),
        expires_at=_time(patch, "expires_at"),
        not_before=_time(patch, "not_before"),
        addresses=given(patch, "allowed_ips"),
        origins=given(patch, "allowed_origins"),
        limits=UNSET if limits is UNSET else _limits(limits),
        metadata=given(patch, "metadata"),
        owner_id=given(patch, "owner"),
    )
    changed = await services.keys.change(caller, asked.ids["key_id"], change, asked.expected)
    return key_changed(changed)


async def _delete(services: Services, caller: Caller, asked: Asked) -> KeyChanged:
    return key_changed(await services.keys.delete(caller, asked.ids["key_id"], asked.expected))


async def _disable(services: Services, caller: Caller, asked: Asked) -> KeyChanged:
    return key_changed(await services.keys.disable(caller, asked.ids["key_id"], asked.expected))


async def _enable(services: Services, caller: Caller, asked: Asked) -> KeyChanged:
    return key_changed(await services.keys.enable(caller, asked.ids["key_id"], asked.expected))


async def _rotate(services: Services, caller: Caller, asked: Asked) -> KeyRotated:
    overlap = asked.the_body(RotateRequest).overlap
    wanted = None if overlap == _UNTIL_UNUSED else seconds_in(overlap)
    return key_rotated(
        await services.keys.rotate(caller, asked.ids["key_id"], wanted, asked.expected)
    )


async def _regenerate(services: Services, caller: Caller, asked: Asked) -> KeyRotated:
    return key_rotated(await services.keys.regenerate(caller, asked.ids["key_id"], asked.expected))


async def _revoke(services: Services, caller: Caller, asked: Asked) -> KeyChanged:
    return key_changed(await services.keys.revoke(caller, asked.ids["key_id"], asked.expected))


async def _end_secret(services: Services, caller: Caller, asked: Asked) -> KeyChanged:
    return key_changed(
        await services.keys.end_secret(
            caller, asked.ids["key_id"], asked.ids["secret_id"], asked.expected
        )
    )


def _time(patch: KeyPatch, name: str) -> float | Unset | None:
    wanted = given(patch, name)
    return UNSET if wanted is UNSET else seconds(wanted)


def _limits(limits: Iterable[LimitDocument]) -> tuple[Limit, ...]:
    return tuple(Limit(one.name, one.quota, one.window, one.per) for one in limits)


KEY_ACTS: Final[Mapping[str, Act]] = {
    "keys.list": _list,
    "keys.create": _create,
    "keys.show": _show,
    "keys.update": _update,
    "keys.delete": _delete,
    "keys.disable": _disable,
    "keys.enable": _enable,
    "keys.rotate": _rotate,
    "keys.regenerate": _regenerate,
    "keys.revoke": _revoke,
    "keys.end_secret": _end_secret,
}

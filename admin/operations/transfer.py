"""Taking keys in and out."""

__all__ = ["TRANSFER_ACTS", "exported_line", "imported_key"]

from collections.abc import Mapping
from typing import Any, Final

from admin.core.caller import Caller
from admin.core.transfer.keys import ImportedKey, ImportedSecret, LineOutcome
from admin.operations.asked import Act, Asked
from admin.operations.values import moment, moment_or_none, page_request, seconds
from admin.services.catalogue import Services
from admin.services.transfer import ExportFilter
from admin.wire import transfer as wire
from admin.wire.keys import LimitDocument
from gateway.core.limits import Limit


async def _import(services: Services, caller: Caller, asked: Asked) -> wire.ImportResult:
    body = asked.the_body(wire.ImportRequest)
    lines = [imported_key(line) for line in body.lines]
    outcomes = await services.transfer.take_in(caller, lines, dry_run=body.dry_run)
    return wire.ImportResult(results=tuple(map(_outcome, outcomes)))


async def _export(services: Services, caller: Caller, asked: Asked) -> wire.ExportPage:
    query = asked.the_query(wire.ExportQuery)
    wanted = ExportFilter(query.account, query.deleted)
    page = await services.transfer.export(caller, wanted, page_request(query))
    return wire.ExportPage(
        lines=tuple(map(exported_line, page.items)), next_cursor=page.next_cursor
    )


def imported_key(line: wire.ImportLine) -> ImportedKey:
    """A line as the service takes it."""
    return ImportedKey(
        number=line.number,
        account=line.account,
        account_name=line.account_name,
        account_status=line.account_status,
        account_api_access=line.account_api_access,
        plan=line.plan,
        owner=line.owner,
        vendor=line.vendor,
        id=line.id,
        name=line.name,
        value=None if line.value is None else line.value.get_secret_value(),
        type=line.type,
        environment=line.environment,
        status=line.status,
        scopes=line.scopes,
        created_at=seconds(line.created_at),
        not_before=seconds(line.not_before),
        expires_at=seconds(line.expires_at),
        revoked_at=seconds(line.revoked_at),
        deleted_at=seconds(line.deleted_at),
        addresses=line.allowed_ips,
        origins=line.allowed_origins,
        limits=tuple(Limit(each.name, each.quota, each.window, each.per) for each in line.limits),
        metadata=line.metadata,
        secrets=tuple(map(_secret, line.secrets)),
    )


def _secret(secret: wire.ImportedSecret) -> ImportedSecret:
    return ImportedSecret(
        id=secret.id,
        token_hash=secret.token_hash,
        cost_class=secret.cost_class,
        digests=secret.digests,
        created_at=secret.created_at.timestamp(),
        expires_at=seconds(secret.expires_at),
        revoked_at=seconds(secret.revoked_at),
        replaced_at=seconds(secret.replaced_at),
        until_unused=secret.until_unused,
    )


def exported_line(key: ImportedKey) -> wire.ExportLine:
    """A key as a line that can be imported."""
    fields: dict[str, Any] = {
        "number": key.number,
        "account": key.account,
        "account_name": key.account_name,
        "account_status": key.account_status,
        "account_api_access": key.account_api_access,
        "plan": key.plan,
        "owner": key.owner,
        "vendor": key.vendor,
        "id": key.id,
        "name": key.name,
        "type": key.type,
        "environment": key.environment,
        "status": key.status,
        "scopes": key.scopes,
        "created_at": moment_or_none(key.created_at),
        "not_before": moment_or_none(key.not_before),
        "expires_at": moment_or_none(key.expires_at),
        "revoked_at": moment_or_none(key.revoked_at),
        "deleted_at": moment_or_none(key.deleted_at),
        "allowed_ips": key.addresses,
        "allowed_origins": key.origins,
        "limits": tuple(
            LimitDocument(name=one.name, quota=one.quota, window=one.window_seconds, per=one.per)
            for one in key.limits
        ),
        "metadata": dict(key.metadata),
        "secrets": tuple(map(_exported_secret, key.secrets)),
    }
    return wire.ExportLine(**fields)


def _exported_secret(secret: ImportedSecret) -> wire.ImportedSecret:
    fields: dict[str, Any] = {
        "id": secret.id,
        "token_hash": secret.token_hash,
        "cost_class": secret.cost_class,
        "digests": secret.digests,
        "created_at": moment(secret.created_at),
        "expires_at": moment_or_none(secret.expires_at),
        "revoked_at": moment_or_none(secret.revoked_at),
        "replaced_at": moment_or_none(secret.replaced_at),
        "until_unused": secret.until_unused,
    }
    return wire.ImportedSecret(**fields)


def _outcome(outcome: LineOutcome) -> wire.ImportedLine:
    return wire.ImportedLine(
        number=outcome.number,
        outcome=outcome.outcome.value,
        key=outcome.key_id,
        problem=outcome.problem,
    )


TRANSFER_ACTS: Final[Mapping[str, Act]] = {"keys.import": _import, "keys.export": _export}

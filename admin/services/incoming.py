"""One line of an import by itself: whether it can be a key here, whatever is stored."""

__all__ = ["LineRules", "checked_line", "sought"]

import dataclasses
import re
from collections.abc import Collection, Iterable
from typing import Protocol

from admin.core.faults import Conflict
from admin.core.transfer.keys import ImportedKey, ImportedSecret
from admin.core.transfer.settle import Incoming
from admin.core.transfer.values import value_problem
from admin.services.accounts import AccountRules
from admin.services.validation import (
    checked_addresses,
    checked_email,
    checked_limits,
    checked_metadata,
    checked_name,
    checked_one_of,
    checked_origins,
    checked_scopes,
    checked_time,
    new_id,
)
from admin.stores.transfer import Sought
from gateway.core.credential import Credential, Peppers
from gateway.core.errors import Misuse
from gateway.core.keys import KeyStatus
from gateway.core.token import SECRET_ID_LENGTH
from gateway.stores.secret_hash import CostClass

_ACCOUNT_ID = re.compile(r"acc_[0-9A-Za-z]{1,100}")
_KEY_ID = re.compile(r"key_[0-9A-Za-z]{1,100}")
_SECRET_ID = re.compile(rf"[0-9A-Za-z]{{{SECRET_ID_LENGTH}}}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PEPPER_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
# What an argon2 hash of ours looks like, in PHC form; what it costs is bounded here, not when a request pays it.
_HASH = re.compile(
    r"\$argon2id\$v=19\$m=([0-9]{1,6}),t=([0-9]{1,2}),p=([0-9]{1,2})"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}"
)
_MEMORY_KIB_MAX = 65_536
_PASSES_MAX = 4
_LANES_MAX = 4
_SECRETS_MAX = 100


class LineRules(Protocol):
    """What the configuration says about keys and accounts."""

    @property
    def scopes(self) -> Collection[str]:
        """The names of the scopes."""
        ...

    @property
    def accounts(self) -> AccountRules:
        """About accounts that have to be made."""
        ...

    @property
    def vendor(self) -> str:
        """What all keys that were made here begin with."""
        ...


def checked_line(
    place: int, line: ImportedKey, rules: LineRules, peppers: Peppers, now: float
) -> Incoming:
    """The line in its usual spelling, with ids for what may have to be made. Raises Misuse or Conflict."""
    _check_account(line, rules.accounts)
    if line.secrets:
        if line.value is not None:
            raise Misuse("The line has a value and secrets; it can have one of them.")
        _check_secrets(line, rules.vendor, peppers)
    elif (problem := value_problem(line.value, rules.vendor)) is not None:
        raise Misuse(problem)
    if line.id is not None and _KEY_ID.fullmatch(line.id) is None:
        raise Misuse("The id is not one of a key: those begin with 'key_'.")
    return Incoming(
        place=place,
        line=_spelt(line, rules.scopes, now),
        key_id=line.id or new_id("key"),
        new_account_id=line.account if _is_account_id(line) else new_id("acc"),
        is_account_id=_is_account_id(line),
        digests=_digests(line, peppers),
    )


def sought(lines: Iterable[Incoming]) -> Sought:
    """All that has to be looked for in the database before the lines can be settled."""
    all_lines = list(lines)
    return Sought(
        account_ids={each.line.account for each in all_lines if each.is_account_id},
        account_names={each.line.account for each in all_lines if not each.is_account_id},
        key_ids={each.line.id for each in all_lines if each.line.id is not None},
        secret_ids={secret.id for each in all_lines for secret in each.line.secrets},
        digests={digest for each in all_lines for digest in each.digests},
        emails={each.line.owner for each in all_lines if each.line.owner is not None},
    )


def _is_account_id(line: ImportedKey) -> bool:
    return _ACCOUNT_ID.fullmatch(line.account) is not None


def _check_account(line: ImportedKey, rules: AccountRules) -> None:
    checked_name("account", line.account)
    if line.account_name is not None:
        checked_name("account", line.account_name)
    if line.plan is not None:
        checked_one_of("plan", line.plan, rules.plans)
    if line.account_status is not None:
        checked_one_of("status", line.account_status, ("active", "suspended"))


def _check_secrets(line: ImportedKey, vendor: str, peppers: Peppers) -> None:
    if len(line.secrets) > _SECRETS_MAX:
        raise Misuse(f"A key can have at most {_SECRETS_MAX} secrets.")
    if len({each.id for each in line.secrets}) < len(line.secrets):
        raise Misuse("The line has one secret twice.")
    if any(each.cost_class == CostClass.GENERATED for each in line.secrets):
        _check_vendor(line.vendor, vendor)
    for each in line.secrets:
        _check_secret(each, peppers)


def _check_vendor(theirs: str | None, ours: str) -> None:
    if theirs is not None and theirs != ours:
        raise Conflict(
            f"The key was made under the vendor prefix {theirs!r}, this installation has {ours!r}:"
            " its holders' keys would not be recognised. Set the same 'keys.vendor_prefix' here, and restart."
        )


def _check_secret(secret: ImportedSecret, peppers: Peppers) -> None:
    if _SECRET_ID.fullmatch(secret.id) is None:
        raise Misuse(f"A secret's id has {SECRET_ID_LENGTH} characters of 0-9, A-Z, a-z.")
    cost = checked_one_of("cost class", secret.cost_class, tuple(CostClass))
    if not _is_bearable(secret.token_hash):
        raise Misuse(f"The hash of secret {secret.id} is not one that Keywright wrote.")
    if any(
        _PEPPER_ID.fullmatch(one) is None or _DIGEST.fullmatch(two) is None
        for one, two in secret.digests
    ):
        raise Misuse(f"A digest of secret {secret.id} is not one that Keywright wrote.")
    for moment in (secret.created_at, secret.expires_at, secret.revoked_at, secret.replaced_at):
        if moment is not None:
            checked_time("A time of the secret", moment)
    is_findable = any(peppers.find(pepper_id) is not None for pepper_id, _ in secret.digests)
    if cost == CostClass.IMPORTED and not is_findable:
        raise Conflict(
            "The key's value was made elsewhere, and can only be found with the pepper of the installation that"
            " exported it. Give this one the same pepper ('keys.pepper'), restart it, and import again."
        )


def _is_bearable(token_hash: str) -> bool:
    found = _HASH.fullmatch(token_hash)
    if found is None:
        return False
    memory, passes, lanes = map(int, found.groups())
    return (
        8 * lanes <= memory <= _MEMORY_KIB_MAX
        and 1 <= passes <= _PASSES_MAX
        and 1 <= lanes <= _LANES_MAX
    )


def _spelt(line: ImportedKey, scopes: Collection[str], now: float) -> ImportedKey:
    for what, moment in (
        ("The key's making", line.created_at),
        ("The key's first moment", line.not_before),
        ("The key's expiry", line.expires_at),
        ("The key's revocation", line.revoked_at),
        ("The key's deletion", line.deleted_at),
    ):
        if moment is not None:
            checked_time(what, moment)
    is_revoked = line.status is KeyStatus.REVOKED
    revoked_at = now if line.revoked_at is None else line.revoked_at
    return dataclasses.replace(
        line,
        name=checked_name("key", line.name),
        owner=None if line.owner is None else checked_email(line.owner),
        scopes=_scopes(line, scopes),
        revoked_at=revoked_at if is_revoked else None,
        deleted_at=line.deleted_at if is_revoked else None,
        addresses=checked_addresses(line.addresses),
        origins=checked_origins(line.origins),
        limits=checked_limits(line.limits),
        metadata=checked_metadata(line.metadata),
    )


def _scopes(line: ImportedKey, known: Collection[str]) -> tuple[str, ...]:
    # An exported key without scopes had none: it gets no default.
    if line.secrets and not line.scopes:
        return ()
    return checked_scopes(line.scopes, known)


def _digests(line: ImportedKey, peppers: Peppers) -> tuple[tuple[str, str], ...]:
    if line.value is None:
        return tuple(digest for each in line.secrets for digest in each.digests)
    found = (Credential(line.value).digest(pepper) for pepper in (peppers.current, *peppers.older))
    return tuple((digest.pepper_id, digest.value.hex()) for digest in found)

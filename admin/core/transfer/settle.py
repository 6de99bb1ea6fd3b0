"""What becomes of lines, in view of what is stored: created, unchanged, or refused and why. No I/O."""

__all__ = ["Incoming", "Known", "NewAccount", "Owned", "Settlement", "StoredSecret", "settle"]

from collections.abc import Iterable
from dataclasses import dataclass, field

from admin.core.transfer.keys import ImportedKey, LineOutcome, Outcome

Digest = tuple[str, str]

_HERE_ALREADY = "It was changed since it was moved; nothing is changed here."


@dataclass(frozen=True, slots=True)
class Owned:
    """Whose something is: a key of an account. `is_revoked`: that key will never be served again."""

    key_id: str
    account_id: str
    is_revoked: bool = False


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret that is there: whose, and its hash."""

    owned: Owned
    token_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account that a line names and nobody has."""

    id: str
    line: ImportedKey


@dataclass(slots=True)
class Known:
    """What is stored of all that some lines name; it grows with what is decided about them."""

    names_by_account: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, StoredSecret] = field(default_factory=dict, repr=False)
    keys: dict[str, Owned] = field(default_factory=dict)
    digests: dict[Digest, Owned] = field(default_factory=dict, repr=False)
    users: dict[str, tuple[str, str | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A line that is sound in itself, and the ids it gets if it is new.

    `place` is its position among the lines asked about: numbers may repeat where a file has few line breaks.
    `digests` are those of its value, or of its secrets.
    """

    place: int
    line: ImportedKey
    key_id: str
    new_account_id: str
    is_account_id: bool
    digests: tuple[Digest, ...] = field(repr=False)


@dataclass(slots=True)
class Settlement:
    """Outcomes by place, the accounts to make, and the lines to write with the account and owner of each."""

    outcomes: dict[int, LineOutcome] = field(default_factory=dict)
    accounts: list[NewAccount] = field(default_factory=list)
    keys: list[tuple[Incoming, str, str | None]] = field(default_factory=list)


class _Refused(Exception):
    """Why a line is not taken in."""


def settle(lines: Iterable[Incoming], known: Known, seen_account: str | None) -> Settlement:
    """Decide line by line, each in view of those before. `seen_account` is the only one that the caller sees."""
    result = Settlement()
    for incoming in lines:
        result.outcomes[incoming.place] = _settle_one(incoming, known, seen_account, result)
    return result


def _settle_one(
    incoming: Incoming, known: Known, seen_account: str | None, result: Settlement
) -> LineOutcome:
    number = incoming.line.number
    try:
        there = _account(incoming, known, seen_account)
        present = _present(incoming, known, there, seen_account)
        if present is not None:
            return LineOutcome(number, Outcome.UNCHANGED, present.key_id)
        owner = _owner(incoming.line, known, there)
    except _Refused as why:
        return LineOutcome(number, Outcome.REFUSED, problem=str(why))
    if there is None:
        result.accounts.append(NewAccount(incoming.new_account_id, incoming.line))
    account = there or incoming.new_account_id
    _remember(incoming, known, account)
    result.keys.append((incoming, account, owner))
    return LineOutcome(number, Outcome.CREATED, incoming.key_id)


def _account(incoming: Incoming, known: Known, seen_account: str | None) -> str | None:
    """The account's id; None if it is to be made."""
    line = incoming.line
    if incoming.is_account_id:
        found = [line.account] if line.account in known.names_by_account else []
    else:
        found = [each for each, name in known.names_by_account.items() if name == line.account]
    if seen_account is not None:
        found = [each for each in found if each == seen_account]
    if len(found) > 1:
        raise _Refused(
            f"There are {len(found)} accounts with the name {line.account!r}. Give the id of the one that is meant."
        )
    if found:
        return found[0]
    if seen_account is not None or (incoming.is_account_id and line.account_name is None):
        raise _Refused(f"There is no account {line.account!r}.")
    return None


def _present(
    incoming: Incoming, known: Known, account: str | None, seen_account: str | None
) -> Owned | None:
    """The key that this line is, if it is there already; what belongs to another one is refused."""
    line = incoming.line
    owners = [known.digests[each] for each in incoming.digests if each in known.digests]
    owners += [known.secrets[each.id].owned for each in line.secrets if each.id in known.secrets]
    if line.id in known.keys:
        owners.append(known.keys[line.id])
    if not owners:
        return None
    first = owners[0]
    is_one_key = all(each.key_id == first.key_id for each in owners)
    is_theirs = first.account_id == account
    if not is_one_key or not is_theirs or line.id not in {None, first.key_id}:
        raise _Refused(_taken(line, first, seen_account))
    if line.value is None:
        _check_same_secrets(line, known, first)
    elif not any(each in known.digests for each in incoming.digests):
        raise _Refused(f"The id {line.id} is that of a key with another value.")
    elif first.is_revoked and line.status.value != "revoked":
        raise _Refused(
            f"The value is that of key {first.key_id}, which was revoked: a revoked key never comes back."
        )
    return first


def _taken(line: ImportedKey, owned: Owned, seen_account: str | None) -> str:
    what = "This value or id" if line.value is not None else "The id or a secret of this key"
    if seen_account not in {None, owned.account_id}:
        return f"{what} is in use already."
    return f"{what} belongs to key {owned.key_id} of account {owned.account_id} already."


def _check_same_secrets(line: ImportedKey, known: Known, present: Owned) -> None:
    for each in line.secrets:
        stored = known.secrets.get(each.id)
        if stored is None:
            raise _Refused(
                f"Key {present.key_id} is here without its secret {each.id}. {_HERE_ALREADY}"
            )
        if stored.token_hash != each.token_hash:
            raise _Refused(
                f"Key {present.key_id} has another hash for its secret {each.id}. {_HERE_ALREADY}"
            )


def _owner(line: ImportedKey, known: Known, account: str | None) -> str | None:
    """The id of the user who owns the key; a key must not get wider by losing who narrows it."""
    if line.owner is None:
        return None
    user_id, of_account = known.users.get(line.owner, (None, None))
    if user_id is None or of_account not in {None, account}:
        raise _Refused(
            f"Its owner {line.owner!r} is no user of this account here. Create the user first,"
            " or take 'owner' out of the line: then nobody narrows the key."
        )
    return user_id


def _remember(incoming: Incoming, known: Known, account: str) -> None:
    line = incoming.line
    name = line.account_name if incoming.is_account_id else line.account
    known.names_by_account.setdefault(account, name or "")
    owned = Owned(incoming.key_id, account, is_revoked=line.status.value == "revoked")
    known.keys[incoming.key_id] = owned
    known.digests.update(dict.fromkeys(incoming.digests, owned))
    known.secrets.update((each.id, StoredSecret(owned, each.token_hash)) for each in line.secrets)

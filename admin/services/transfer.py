"""Keys that were made elsewhere are taken in, and those from here given out."""

__all__ = ["LINES_MAX", "ExportFilter", "TransferRules", "TransferService"]

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from admin.core.caller import Caller, Permission
from admin.core.faults import Conflict, NotFound
from admin.core.page import Page, PageRequest
from admin.core.transfer.keys import ImportedKey, ImportedSecret, LineOutcome, Outcome
from admin.core.transfer.settle import Incoming, Settlement, settle
from admin.services.accounts import AccountRules
from admin.services.hashing import SlowHashes
from admin.services.incoming import checked_line, sought
from admin.services.validation import checked_id, new_text
from admin.stores.accounts import AccountStore, AccountView
from admin.stores.transaction import Target, Transaction
from admin.stores.transfer import ExportFilter, TransferStore, WrittenKey
from gateway.core.credential import Credential, Peppers
from gateway.core.errors import Misuse
from gateway.core.token import SECRET_ID_LENGTH
from gateway.ports import Clock
from gateway.stores.secret_hash import CostClass

# At most so many lines are one transaction.
LINES_MAX = 500

_SEE_ACCOUNTS = "'keywright accounts list' shows all accounts."
_MEANWHILE = "It was changed by somebody else meanwhile. Import it again."


@dataclass(frozen=True, slots=True)
class TransferRules:
    """What the configuration says: the names of its scopes, the vendor prefix, and whether other values are keys."""

    scopes: Collection[str]
    accounts: AccountRules
    vendor: str = ""
    accepts_imported: bool = False


class TransferService:
    """Each method raises NotAllowed, NotFound, Conflict, Misuse, and StoreError when SQL cannot answer."""

    def __init__(  # noqa: PLR0913 -- the wiring gives each by name
        self,
        *,
        store: TransferStore,
        accounts: AccountStore,
        hashes: SlowHashes,
        peppers: Callable[[], Peppers],
        clock: Clock,
        rules: TransferRules,
    ) -> None:
        """`peppers` are those of the gateway that is to find the values."""
        self._store = store
        self._accounts = accounts
        self._hashes = hashes
        self._peppers = peppers
        self._clock = clock
        self._rules = rules

    async def take_in(
        self, caller: Caller, lines: Sequence[ImportedKey], *, dry_run: bool = False
    ) -> tuple[LineOutcome, ...]:
        """Add the keys that are not here yet, all in one transaction; a bad line does not stop the rest.

        The same lines again change nothing. With `dry_run` nothing is written or hashed.
        Raises Misuse for more than 500 lines, Conflict when the configuration takes no such values.
        """
        caller.require(Permission.KEYS_IMPORT)
        if len(lines) > LINES_MAX:
            raise Misuse(f"At most {LINES_MAX} lines can be imported at once.")
        self._check_accepted(lines)
        now = self._clock.now()
        sound, refused = self._checked(lines, now)
        named = sought(sound)
        first = settle(sound, await self._store.survey(named), caller.account_id)
        if dry_run or not first.keys:
            return _in_order({**refused, **_without_ids(first, dry_run=dry_run)})
        hashed = await self._hashed(first, now)
        async with self._store.transaction("import keys", caller, now) as tx:
            known = await self._store.locked_survey(tx, named)
            # Once more, in view of what others have written since.
            ready = [hashed.get(each.place, each) for each in sound]
            final = settle(ready, known, caller.account_id)
            await self._write(tx, final)
        return _in_order({**refused, **_unready_refused(final)})

    async def export(
        self, caller: Caller, wanted: ExportFilter, page: PageRequest
    ) -> Page[ImportedKey]:
        """Keys with their hashes, oldest first: what another installation needs to serve them, and no secret.

        Each page is written down in the audit log.
        """
        caller.require(Permission.KEYS_EXPORT)
        account = wanted.account_id
        if account is not None:
            checked_id("acc", account, _SEE_ACCOUNTS)
            caller.require_account(account, _no_account(account))
            if await self._accounts.find(account) is None:
                raise NotFound(_no_account(account))
        elif caller.account_id is not None:
            account = caller.account_id
        chosen = dataclasses.replace(wanted, account_id=account)
        async with self._store.transaction("export keys", caller, self._clock.now()) as tx:
            found = await self._store.export(tx, chosen, page)
            tx.audit(
                "key.export",
                Target("keys", account or "all", account),
                after={
                    "count": len(found.items),
                    "first": found.items[0].id,
                    "last": found.items[-1].id,
                }
                if found.items
                else {"count": 0},
            )
        lines = tuple(
            dataclasses.replace(line, number=number, vendor=self._rules.vendor)
            for number, line in enumerate(found.items, 1)
        )
        return Page(lines, found.next_cursor)

    def _check_accepted(self, lines: Sequence[ImportedKey]) -> None:
        if not self._rules.accepts_imported and any(map(_is_from_elsewhere, lines)):
            raise Conflict(
                "This installation takes no values that were made elsewhere. Set 'keys.accept_imported: true'"
                " in the configuration, restart Keywright, and import again."
            )

    def _checked(
        self, lines: Sequence[ImportedKey], now: float
    ) -> tuple[list[Incoming], dict[int, LineOutcome]]:
        """The lines that are sound in themselves, and the outcome of those that are not, by place."""
        sound, refused = [], {}
        peppers = self._peppers()
        for place, line in enumerate(lines):
            try:
                sound.append(checked_line(place, line, self._rules, peppers, now))
            except (Misuse, Conflict) as why:
                refused[place] = LineOutcome(line.number, Outcome.REFUSED, problem=str(why))
        return sound, refused

    async def _hashed(self, first: Settlement, now: float) -> dict[int, Incoming]:
        """The new lines by place, their values in the form in which they are stored."""
        wanted = [incoming for incoming, _, _ in first.keys]
        values = [each.line.value for each in wanted if each.line.value is not None]
        hashes = iter(await self._hashes.of(values))
        ready = {}
        for each in wanted:
            if each.line.value is not None:
                secret = self._secret(each.line.value, next(hashes), now)
                line = dataclasses.replace(each.line, secrets=(secret,))
                each = dataclasses.replace(each, line=line)  # noqa: PLW2901
            ready[each.place] = each
        return ready

    def _secret(self, value: str, token_hash: str, now: float) -> ImportedSecret:
        digest = Credential(value).digest(self._peppers().current)
        return ImportedSecret(
            id=new_text(SECRET_ID_LENGTH),
            token_hash=token_hash,
            cost_class=CostClass.IMPORTED.value,
            created_at=now,
            digests=((digest.pepper_id, digest.value.hex()),),
        )

    async def _write(self, tx: Transaction, final: Settlement) -> None:
        used = {account for incoming, account, _ in final.keys if incoming.line.secrets}
        for new in final.accounts:
            if new.id in used:
                await self._create_account(tx, new.id, new.line)
        written = [
            WrittenKey(incoming.key_id, account, owner, incoming.line)
            for incoming, account, owner in final.keys
            if incoming.line.secrets
        ]
        await self._store.insert(tx, written)
        for each in written:
            tx.audit("key.import", Target("key", each.id, each.account_id), after=_told(each))

    async def _create_account(self, tx: Transaction, account_id: str, line: ImportedKey) -> None:
        rules = self._rules.accounts
        account = AccountView(
            id=account_id,
            name=line.account_name or line.account,
            plan=line.plan or rules.default_plan,
            status=line.account_status or "active",
            api_access=line.account_api_access or rules.default_api_access,
            version=1,
            created_at=tx.now,
            updated_at=tx.now,
        )
        await self._accounts.insert(tx, account)
        tx.audit(
            "account.create",
            Target("account", account.id, account.id),
            after={
                "name": account.name,
                "plan": account.plan,
                "status": account.status,
                "api_access": account.api_access,
            },
        )


def _is_from_elsewhere(line: ImportedKey) -> bool:
    return line.value is not None or any(
        each.cost_class == CostClass.IMPORTED for each in line.secrets
    )


def _without_ids(settled: Settlement, *, dry_run: bool) -> dict[int, LineOutcome]:
    """What would be created has no id yet."""
    if not dry_run:
        return settled.outcomes
    return {
        place: dataclasses.replace(each, key_id=None) if each.outcome is Outcome.CREATED else each
        for place, each in settled.outcomes.items()
    }


def _unready_refused(final: Settlement) -> dict[int, LineOutcome]:
    """The outcomes; a line that became new only while the others were hashed has no hash, and was not written."""
    unready = {
        incoming.place: LineOutcome(incoming.line.number, Outcome.REFUSED, problem=_MEANWHILE)
        for incoming, _, _ in final.keys
        if not incoming.line.secrets
    }
    return final.outcomes | unready


def _in_order(outcomes: Mapping[int, LineOutcome]) -> tuple[LineOutcome, ...]:
    return tuple(outcomes[place] for place in sorted(outcomes))


def _no_account(account_id: str) -> str:
    return f"There is no account {account_id}. {_SEE_ACCOUNTS}"


def _told(key: WrittenKey) -> dict[str, object]:
    line = key.line
    return {
        "name": line.name,
        "type": line.type.value,
        "environment": line.environment.value,
        "status": line.status.value,
        "scopes": list(line.scopes),
        "secrets": [each.id for each in line.secrets],
        "owner": key.owner_id,
        "expires_at": line.expires_at,
    }

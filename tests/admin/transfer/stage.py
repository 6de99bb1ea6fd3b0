"""The transfer service on a real database, and lines to give it."""

__all__ = ["NOON", "PEPPERS", "SCOPES", "audit_of", "line", "outcomes", "rows_of", "transfer_of"]

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.transfer.keys import ImportedKey, LineOutcome
from admin.migrations.metadata import METADATA
from admin.services.accounts import AccountRules
from admin.services.hashing import SlowHashes
from admin.services.transfer import TransferRules, TransferService
from admin.stores.accounts import AccountStore
from admin.stores.transfer import TransferStore
from gateway.core.credential import Pepper, Peppers
from gateway.core.keys import ApiAccess
from gateway.stores.secret_hash import CostClass, hash_token
from gateway.stores.tables import audit_entries
from tests.doubles import ManualClock

NOON = 1_800_000_000.0
SCOPES = ("read-only", "read-write")
PEPPERS = Peppers(Pepper("p2", b"of these tests" * 3), (Pepper("p1", b"of older tests" * 3),))


def _light(value: bytes, _: CostClass) -> str:
    return hash_token(value, CostClass.GENERATED)


def transfer_of(
    engine: AsyncEngine,
    *,
    peppers: Peppers = PEPPERS,
    vendor: str = "",
    accepts_imported: bool = True,
    api_access: ApiAccess = ApiAccess.APPROVED,
) -> TransferService:
    """The service with a light hash, so that hundreds of values are a matter of a second."""
    accounts = AccountRules(("starter", "vps"), "starter", api_access)
    return TransferService(
        store=TransferStore(engine),
        accounts=AccountStore(engine),
        hashes=SlowHashes(_light),
        peppers=lambda: peppers,
        clock=ManualClock(NOON),
        rules=TransferRules(SCOPES, accounts, vendor, accepts_imported),
    )


def line(number: int = 1, **fields: Any) -> ImportedKey:  # noqa: ANN401 -- ImportedKey's fields
    """A sound line, but for what is said otherwise."""
    return ImportedKey(
        **{
            "number": number,
            "account": "Acme",
            "name": f"robot {number}",
            "value": f"value-{number}",
            **fields,
        }
    )


def outcomes(found: Sequence[LineOutcome]) -> list[str]:
    """The words alone."""
    return [each.outcome.value for each in found]


async def rows_of(engine: AsyncEngine, *tables: Table) -> dict[str, list[dict[str, Any]]]:
    """Every row of these tables, of all without any."""
    found = {}
    async with engine.connect() as connection:
        for table in tables or METADATA.sorted_tables:
            statement = select(table).order_by(*table.primary_key.columns)
            found[table.name] = [row._asdict() for row in await connection.execute(statement)]
    return found


async def audit_of(engine: AsyncEngine) -> list[tuple[str, str]]:
    """What was done to what, in order."""
    rows = (await rows_of(engine, audit_entries))["audit_entries"]
    return [(row["action"], row["target_id"]) for row in rows]

"""The services on a real database, for tests of the control plane."""

__all__ = ["OPERATOR", "PEPPERS", "PLANS", "accounts_of", "enforcement_of", "repeats_of"]

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import operator
from admin.services.accounts import AccountRules, AccountService
from admin.services.enforcing import Enforcement
from admin.services.repeats import Repeats
from admin.services.sealing import Sealer
from admin.stores.accounts import AccountStore
from admin.stores.concerned import ConcernedSecrets
from admin.stores.idempotency import IdempotencyStore
from gateway.core.credential import Pepper, Peppers
from gateway.core.keys import ApiAccess
from gateway.ports import Announcer, Clock

OPERATOR = operator("tests")
PLANS = ("starter", "vps")
PEPPERS = Peppers(Pepper("p1", b"of these tests" * 3))


def enforcement_of(engine: AsyncEngine, announcer: Announcer) -> Enforcement:
    """What finds the secrets concerned in `engine`, and tells `announcer`."""
    return Enforcement(announcer, ConcernedSecrets(engine))


def repeats_of(engine: AsyncEngine, peppers: Peppers = PEPPERS) -> Repeats:
    """The answers kept in `engine`."""
    return Repeats(IdempotencyStore(engine), Sealer(lambda: peppers))


def accounts_of(
    engine: AsyncEngine,
    announcer: Announcer,
    clock: Clock,
    default_api_access: ApiAccess = ApiAccess.APPROVED,
) -> AccountService:
    """The account service, with two plans to choose from."""
    return AccountService(
        AccountStore(engine),
        enforcement_of(engine, announcer),
        repeats_of(engine),
        clock,
        AccountRules(PLANS, PLANS[0], default_api_access),
    )

"""From the settings to what the console needs of the domain. The pages are elsewhere: no command has to load them."""

__all__ = ["Proving", "console_services", "password_verifier", "set_up_url"]

from functools import partial
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller
from admin.services.attempts import Attempts
from admin.services.console import ConsoleServices
from admin.services.entry_links import EntryLinks
from admin.services.identities import IdentityService
from admin.services.jobs import Jobs
from admin.services.passwords import Hash, PasswordService, Verify
from admin.services.sealing import Sealer
from admin.services.second_factors import SecondFactorService
from admin.services.sign_ins import SignInService, SignInTerms, user_caller
from admin.stores.proofs import ProofStore
from admin.stores.sign_ins import SignInStore
from admin.stores.users import UserStore
from gateway.pipeline.verifier import Verifier
from gateway.ports import Clock
from gateway.settings import Settings
from gateway.stores.secret_hash import verify

# Each password takes 64 MiB and a tenth of a second; more than these wait in vain anyway.
_PASSWORDS_WAITING_MAX = 50
_EVERYWHERE = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104 -- compared, not listened on


class Proving(NamedTuple):
    """What passwords and second factors are kept and checked with."""

    hash_texts: Hash
    verify: Verify
    sealer: Sealer


def password_verifier() -> Verifier:
    """Threads for passwords alone, so that they and admin tokens do not wait for each other; to be closed."""
    return Verifier(verify, threads=1, waiting_max=_PASSWORDS_WAITING_MAX)


def console_services(
    settings: Settings, engine: AsyncEngine, clock: Clock, proving: Proving
) -> ConsoleServices:
    """Who is who."""
    proofs, sign_ins, users = ProofStore(engine), SignInStore(engine), UserStore(engine)
    passwords = PasswordService(proofs, sign_ins, clock, proving.hash_texts, proving.verify)
    terms = SignInTerms(
        life_seconds=settings.console.sign_in_life_seconds,
        idle_seconds=settings.console.sign_in_idle_seconds,
    )
    return ConsoleServices(
        sealer=proving.sealer,
        sign_ins=SignInService(sign_ins, clock, terms),
        passwords=passwords,
        second_factors=SecondFactorService(proofs, sign_ins, proving.sealer, clock),
        entry_links=EntryLinks(proofs, users, sign_ins, passwords, clock),
        identities=IdentityService(proofs, clock),
        attempts=Attempts(clock),
        jobs=Jobs(clock, partial(_anew, passwords)),
    )


async def _anew(passwords: PasswordService, caller: Caller) -> Caller | None:
    """The same user with the rights that they have now; None when they are not active any more."""
    proofs = None if caller.user_id is None else await passwords.proofs_of(caller.user_id)
    return None if proofs is None else user_caller(proofs.user, caller.address, caller.request_id)


def set_up_url(settings: Settings, token: str) -> str:
    """The link of which `token` is the end, as a browser on this machine can open it."""
    host = settings.admin.host if settings.admin.host not in _EVERYWHERE else "127.0.0.1"
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    base = settings.console.public_url or f"http://{host}:{settings.admin.port}"
    return f"{base}/set-up/{token}"

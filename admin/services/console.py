"""What the console needs besides the acts of the API: who somebody is, and that they are signed in."""

__all__ = ["ConsoleServices"]

from dataclasses import dataclass

from admin.services.attempts import Attempts
from admin.services.entry_links import EntryLinks
from admin.services.identities import IdentityService
from admin.services.jobs import Jobs
from admin.services.passwords import PasswordService
from admin.services.sealing import Sealer
from admin.services.second_factors import SecondFactorService
from admin.services.sign_ins import SignInService


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleServices:
    """By whom it is done."""

    sealer: Sealer
    sign_ins: SignInService
    passwords: PasswordService
    second_factors: SecondFactorService
    entry_links: EntryLinks
    identities: IdentityService
    attempts: Attempts
    jobs: Jobs

    async def forget(self) -> None:
        """Take out what is over: sign-ins, links, and long work. Raises StoreError."""
        self.jobs.forget()
        await self.sign_ins.forget()
        await self.entry_links.forget()

"""Who a provider of OpenID Connect says that somebody is: which user that makes them here."""

__all__ = ["Identity", "IdentityService"]

from dataclasses import dataclass

from admin.core.faults import NotAllowed
from admin.services.sign_ins import user_caller
from admin.stores.proofs import ProofStore
from admin.stores.transaction import Target
from admin.stores.users import UserView
from gateway.ports import Clock


@dataclass(frozen=True, slots=True)
class Identity:
    """What the provider has signed: its own name, the person's id there, and an address if it has checked that."""

    issuer: str
    subject: str
    verified_email: str | None


class IdentityService:
    """Each method raises StoreError when SQL cannot answer."""

    def __init__(self, store: ProofStore, clock: Clock) -> None:
        """Users are made by admins: nobody becomes one by signing in."""
        self._store = store
        self._clock = clock

    async def user_of(self, identity: Identity, address: str, request_id: str) -> UserView:
        """The active user that this is: known by the id, and the first time by the address.

        An address that changes hands at the provider leads nobody into what was somebody else's: who came
        by another id before is not taken for the same. Raises NotAllowed.
        """
        known = await self._store.find_identity(identity.issuer, identity.subject)
        user = known or await self._by_address(identity)
        if user.status != "active":
            raise NotAllowed("This user is disabled. An admin can say why.")
        if known is None:
            caller = user_caller(user, address, request_id)
            async with self._store.transaction("know somebody", caller, self._clock.now()) as tx:
                await self._store.put_identity(
                    tx, user.id, issuer=identity.issuer, subject=identity.subject
                )
                target = Target("user", user.id, user.account_id)
                tx.audit("user.identity", target, after={"issuer": identity.issuer})
        return user

    async def _by_address(self, identity: Identity) -> UserView:
        if identity.verified_email is None:
            raise NotAllowed(
                "The provider has not checked your e-mail address, so it proves nothing."
            )
        proofs = await self._store.find(email=identity.verified_email.strip().lower())
        if proofs is None:
            raise NotAllowed(
                "Nobody here has your e-mail address. An admin can add you; then sign in again."
            )
        if await self._store.has_identity(proofs.user.id, identity.issuer):
            raise NotAllowed(
                "Your e-mail address belongs to somebody who signs in by another account there."
            )
        return proofs.user

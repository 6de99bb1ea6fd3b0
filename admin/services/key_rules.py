"""What the configuration says about keys, and who may do what with them."""

__all__ = ["KeyRules"]

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from admin.core.caller import Caller, Role
from admin.core.faults import NotAllowed
from admin.stores.key_records import KeyOwner, KeyRecord
from gateway.core.keys import KeyType, Owner, narrowed
from gateway.core.limits import Limit

_DAY_SECONDS = 86_400.0
_ASK_AN_ADMIN = "Ask an admin."


@dataclass(frozen=True, slots=True)
class KeyRules:
    """The names of the scopes, the tokens' vendor prefix, and what members may have.

    `member_scopes` are what each plan offers to members, None for all scopes; a plan that is not named
    is taken for `default_plan`. Without `secret_keys_by_members` only admins make keys of type `sk`.
    """

    scopes: Collection[str]
    vendor: str = ""
    member_scopes: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    default_plan: str = ""
    secret_keys_by_members: bool = True
    rotation_due_after_seconds: float = 90 * _DAY_SECONDS
    retire_unused_after_seconds: float = 7 * _DAY_SECONDS

    def effective(self, record: KeyRecord) -> tuple[str, ...]:
        """Those of the key's scopes that it has at present: as the gateway narrows them."""
        left = narrowed(
            record.key.scopes, _narrowing(record.owner), self._offer(record.account.plan)
        )
        return tuple(scope for scope in left if scope in self.scopes)

    def offered(self, plan: str, role: str, scopes: tuple[str, ...] | None) -> tuple[str, ...]:
        """The scopes that a user of this role, with these of their own (None: all), may give to a key."""
        return narrowed(tuple(self.scopes), Owner(role, scopes), self._offer(plan))

    def check_type(self, caller: Caller, kind: KeyType) -> None:
        """Return if the caller may hold a new secret of this type. Raises NotAllowed."""
        if (
            kind is KeyType.SECRET
            and not self.secret_keys_by_members
            and caller.role is not Role.ADMIN
        ):
            raise NotAllowed(
                "Here only admins make secret keys (sk). Make a publishable one (pk), or ask an admin."
            )

    def check_limits(self, caller: Caller, limits: Collection[Limit]) -> None:
        """Return if the caller may give a key these limits. Raises NotAllowed."""
        # They stand in for the plan's: whoever sets them can lift those.
        if limits and caller.role is not Role.ADMIN:
            raise NotAllowed(
                f"A key's own limits take the place of its plan's, so only admins set them. {_ASK_AN_ADMIN}"
            )

    def check_scopes(
        self, caller: Caller, user: KeyOwner | None, plan: str, scopes: Collection[str]
    ) -> None:
        """Return if the caller, who is `user` if they are one, may give these scopes away. Raises NotAllowed."""
        if caller.role is Role.ADMIN:
            return
        own = None if user is None else user.scopes
        offered = self.offered(plan, caller.role.value, own)
        if over := [scope for scope in scopes if scope not in offered]:
            raise NotAllowed(
                f"You may not give a key {_named(over)}. You may give: {', '.join(offered) or 'none'}."
            )

    def check_owner(self, owner: KeyOwner, plan: str, scopes: Collection[str]) -> None:
        """Return if the owner may hold these scopes. Raises NotAllowed: the key would not have them."""
        offered = self.offered(plan, owner.role, owner.scopes)
        if over := [scope for scope in scopes if scope not in offered]:
            raise NotAllowed(
                f"User {owner.id} may not hold {_named(over)}. They may hold: {', '.join(offered) or 'none'}."
            )

    def check_grasp(self, caller: Caller, user: KeyOwner | None, record: KeyRecord) -> None:
        """Return if the key can do no more than the caller may. Raises NotAllowed.

        Whoever could rotate or loosen a stronger key than they are offered would have it.
        """
        if caller.role is Role.ADMIN:
            return
        own = None if user is None else user.scopes
        offered = self.offered(record.account.plan, caller.role.value, own)
        if any(scope not in offered for scope in self.effective(record)):
            raise NotAllowed(
                "This key may do more than you may. You can disable, revoke or delete it;"
                " for anything else ask an admin."
            )

    def _offer(self, plan: str) -> tuple[str, ...] | None:
        # As the gateway has it: a plan that left the configuration must not widen what members hold.
        known = plan if plan in self.member_scopes else self.default_plan
        return self.member_scopes.get(known)


def _narrowing(owner: KeyOwner | None) -> Owner | None:
    return None if owner is None else Owner(owner.role, owner.scopes)


def _named(scopes: Collection[str]) -> str:
    return f"the {'scope' if len(scopes) == 1 else 'scopes'} {', '.join(scopes)}"

"""Accounts, users and admin tokens."""

__all__ = [
    "AccessDecision",
    "AccessRequest",
    "AccountChanged",
    "AccountDocument",
    "AccountPage",
    "AccountPatch",
    "AccountQuery",
    "AccountStatus",
    "MeDocument",
    "NewAccountRequest",
    "NewTokenRequest",
    "NewUserRequest",
    "PlanDocument",
    "PlanPage",
    "PlanQuota",
    "ScopeDocument",
    "TokenCreated",
    "TokenDocument",
    "TokenPage",
    "UserChanged",
    "UserDocument",
    "UserPage",
    "UserPatch",
    "UserQuery",
    "UserStatus",
]

from typing import Literal

from pydantic import Field

from admin.core.caller import Permission, Role
from admin.wire.receipt import ReceiptDocument
from admin.wire.shapes import Document, Duration, PageQuery, Request, Text, Timestamp, Word
from gateway.core.keys import ApiAccess
from gateway.core.quota import AtLimit

AccountStatus = Literal["active", "suspended"]
UserStatus = Literal["active", "disabled"]


class AccountDocument(Document):
    """Who holds keys."""

    id: str
    name: str
    plan: str
    status: AccountStatus
    api_access: ApiAccess
    api_access_reason: str | None
    api_access_changed_at: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class AccountChanged(AccountDocument):
    """The account as it is now, and who enforces it; None when no worker has to be told."""

    enforced: ReceiptDocument | None = None


class AccountPage(Document):
    """Some accounts."""

    accounts: tuple[AccountDocument, ...]
    next_cursor: str | None


class AccountQuery(PageQuery):
    """Which accounts."""

    q: str | None = Field(default=None, max_length=200, description="Part of the name, or the id.")
    plan: Word | None = None
    status: AccountStatus | None = None
    api_access: ApiAccess | None = None


class NewAccountRequest(Request):
    """A new account; without a plan it gets the default one."""

    name: Text
    plan: str | None = None


class AccountPatch(Request):
    """What is to change; what is left out stays."""

    name: Text = ""
    plan: str = ""
    status: AccountStatus = "active"


class AccessRequest(Request):
    """A request for API access, with a word on what for."""

    note: Text = ""


class AccessDecision(Request):
    """Why; required to deny."""

    reason: Text = ""


class UserDocument(Document):
    """Somebody who uses the console, or owns keys. `scopes` None: all that the plan offers members."""

    id: str
    email: str
    name: str
    role: Role
    account: str | None
    scopes: tuple[str, ...] | None
    status: UserStatus
    created_at: Timestamp
    updated_at: Timestamp
    version: int


class UserChanged(UserDocument):
    """The user as they are now, and who enforces it on their keys."""

    enforced: ReceiptDocument | None = None


class UserPage(Document):
    """Some users."""

    users: tuple[UserDocument, ...]
    next_cursor: str | None


class UserQuery(PageQuery):
    """Which users."""

    q: str | None = Field(default=None, max_length=200, description="Part of the name or e-mail.")
    account: Word | None = None
    role: Role | None = None
    status: UserStatus | None = None


class NewUserRequest(Request):
    """A new user. A member needs an account; an admin has none."""

    email: Text
    name: Text
    role: Role
    account: str | None = None
    scopes: tuple[str, ...] | None = None


class UserPatch(Request):
    """What is to change; what is left out stays. `scopes: null` lifts the narrowing.

    Who becomes an admin leaves their account; who becomes a member needs one.
    """

    name: Text = ""
    role: Role = Role.MEMBER
    account: Word | None = None
    scopes: tuple[str, ...] | None = None
    status: UserStatus = "active"


class TokenDocument(Document):
    """An admin token, for machines. `permissions` None: all that the role has."""

    id: str
    name: str
    role: Role
    account: str | None
    permissions: tuple[Permission, ...] | None
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None


class TokenCreated(TokenDocument):
    """The token itself, this once."""

    secret: str = Field(repr=False)


class TokenPage(Document):
    """Some tokens."""

    tokens: tuple[TokenDocument, ...]
    next_cursor: str | None


class NewTokenRequest(Request):
    """A new admin token."""

    name: Text
    role: Role
    account: str | None = None
    permissions: tuple[Permission, ...] | None = None
    expires_in: Duration | None = None


class MeDocument(Document):
    """Who is asking."""

    kind: str
    id: str
    name: str
    role: Role
    account: str | None
    permissions: tuple[Permission, ...]


class ScopeDocument(Document):
    """One scope that the configuration names, with what it allows."""

    name: str
    rules: tuple[dict[str, tuple[str, ...]], ...]


class PlanQuota(Document):
    """What an account may use in a calendar month (UTC); null is any number."""

    requests: int | None
    bytes: int | None
    at_limit: AtLimit


class PlanDocument(Document):
    """One plan that the configuration names; `monthly_quota` is the `requests` of its `quota`, if it has one."""

    name: str
    limits: tuple[dict[str, str | int], ...]
    member_scopes: tuple[str, ...] | None
    monthly_quota: int | None
    quota: PlanQuota | None


class PlanPage(Document):
    """All plans and scopes."""

    plans: tuple[PlanDocument, ...]
    scopes: tuple[ScopeDocument, ...]
    default_plan: str

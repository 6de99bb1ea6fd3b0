"""How accounts, users, admin tokens and plans are told."""

__all__ = [
    "account_details",
    "account_row",
    "account_sentence",
    "plan_row",
    "scope_row",
    "token_details",
    "token_row",
    "user_details",
    "user_row",
]

from collections.abc import Iterator
from datetime import datetime

from admin.cli.key_words import receipt_sentence
from admin.cli.times import told
from admin.cli.usage_words import size
from admin.wire.people import (
    AccountChanged,
    AccountDocument,
    PlanDocument,
    PlanPage,
    PlanQuota,
    ScopeDocument,
    TokenDocument,
    UserDocument,
)
from gateway.core.quota import AtLimit


def account_row(account: AccountDocument, now: datetime) -> dict[str, str]:
    """An account for a list."""
    return {
        "id": account.id,
        "name": account.name,
        "plan": account.plan,
        "status": account.status,
        "API access": account.api_access.value,
        "created": told(account.created_at, now),
    }


def account_details(account: AccountDocument, now: datetime) -> Iterator[tuple[str, str]]:
    """An account as names and values; what it does not have is left out."""
    yield from account_row(account, now).items()
    if account.api_access_reason:
        yield "because", account.api_access_reason
    if account.api_access_changed_at is not None:
        yield "decided", told(account.api_access_changed_at, now)
    yield "version", str(account.version)


def account_sentence(done: str, account: AccountChanged) -> str:
    """What was done to an account, and who enforces it."""
    said = f"{done} account {account.id} ({account.name})"
    if account.enforced is None:
        return f"{said}."
    return f"{said}: {receipt_sentence(account.enforced)}"


def user_row(user: UserDocument, now: datetime) -> dict[str, str]:
    """A user for a list."""
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "role": user.role.value,
        "account": user.account or "-",
        "status": user.status,
        "created": told(user.created_at, now),
    }


def user_details(user: UserDocument, now: datetime) -> Iterator[tuple[str, str]]:
    """A user as names and values."""
    yield from user_row(user, now).items()
    yield "scopes", "all" if user.scopes is None else ", ".join(user.scopes) or "none"
    yield "version", str(user.version)


def token_row(token: TokenDocument, now: datetime) -> dict[str, str]:
    """An admin token for a list."""
    is_expired = token.expires_at is not None and token.expires_at <= now
    state = "revoked" if token.revoked_at is not None else "expired" if is_expired else "active"
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role.value,
        "account": token.account or "-",
        "status": state,
        "created": told(token.created_at, now),
        "expires": told(token.expires_at, now),
    }


def token_details(token: TokenDocument, now: datetime) -> Iterator[tuple[str, str]]:
    """An admin token as names and values."""
    yield from token_row(token, now).items()
    permissions = token.permissions
    yield "permissions", "all of its role" if permissions is None else ", ".join(permissions)
    if token.revoked_at is not None:
        yield "revoked", told(token.revoked_at, now)


def plan_row(plan: PlanDocument, page: PlanPage) -> dict[str, str]:
    """A plan for a list."""
    is_default = plan.name == page.default_plan
    return {
        "plan": f"{plan.name} (default)" if is_default else plan.name,
        "limits": ", ".join(_limit(limit) for limit in plan.limits) or "none",
        "monthly quota": _quota(plan.quota),
        "members may give": "every scope"
        if plan.member_scopes is None
        else ", ".join(plan.member_scopes) or "none",
    }


def scope_row(scope: ScopeDocument) -> dict[str, str]:
    """A scope for a list: each rule is a way to be allowed."""
    rules = [
        "; ".join(f"{name} {', '.join(of)}" for name, of in rule.items()) or "everything"
        for rule in scope.rules
    ]
    return {"scope": scope.name, "allows": " or ".join(rules) or "nothing"}


def _quota(quota: PlanQuota | None) -> str:
    if quota is None:
        return "none"
    counts = [] if quota.requests is None else [str(quota.requests)]
    counts += [] if quota.bytes is None else [size(quota.bytes)]
    words = " and ".join(counts)
    return words if quota.at_limit is AtLimit.REFUSE else f"{words}, {quota.at_limit.value}"


def _limit(limit: dict[str, str | int]) -> str:
    words = dict(limit)
    said = f"{words.pop('name', '')}: {words.pop('quota', '')} in {words.pop('window', '')} s"
    per = words.pop("per", None)
    return said if per is None else f"{said} per {per}"

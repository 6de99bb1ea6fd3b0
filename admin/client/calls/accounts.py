"""Calls about accounts and their API access."""

__all__ = [
    "approve_access",
    "create_account",
    "deny_access",
    "disable_access",
    "list_accounts",
    "request_access",
    "show_account",
    "update_account",
]

from admin.client.call import Call, asked, changed, given
from admin.client.calls.choices import AccessWord
from admin.wire.people import (
    AccessDecision,
    AccessRequest,
    AccountChanged,
    AccountDocument,
    AccountPage,
    AccountPatch,
    AccountQuery,
    AccountStatus,
    NewAccountRequest,
)
from admin.wire.words import UNSET, Unset


def list_accounts(  # noqa: PLR0913 -- one parameter for each field of the query
    *,
    q: str | None = None,
    plan: str | None = None,
    status: AccountStatus | None = None,
    api_access: AccessWord | None = None,
    limit: int | None = None,
    cursor: str | None = None,
) -> Call[AccountPage]:
    """A page of accounts; `q` is part of the name, or the id."""
    wanted = given(q=q, plan=plan, status=status, api_access=api_access, limit=limit, cursor=cursor)
    return asked("accounts.list", AccountPage, query=AccountQuery.model_validate(wanted))


def create_account(
    *, name: str, plan: str | None = None, idempotency_key: str | None = None
) -> Call[AccountDocument]:
    """A new account; without a plan it gets the default one."""
    return asked(
        "accounts.create",
        AccountDocument,
        body=NewAccountRequest.model_validate(given(name=name, plan=plan)),
        idempotency_key=idempotency_key,
    )


def show_account(account_id: str) -> Call[AccountDocument]:
    """One account."""
    return asked("accounts.show", AccountDocument, {"account_id": account_id})


def update_account(
    account_id: str,
    *,
    name: str | Unset = UNSET,
    plan: str | Unset = UNSET,
    status: AccountStatus | Unset = UNSET,
    if_match: int | None = None,
) -> Call[AccountChanged]:
    """Change what is given; a suspended account's keys are refused at once."""
    return asked(
        "accounts.update",
        AccountChanged,
        {"account_id": account_id},
        body=AccountPatch.model_validate(changed(name=name, plan=plan, status=status)),
        if_match=if_match,
    )


def request_access(
    account_id: str, *, note: str = "", if_match: int | None = None
) -> Call[AccountChanged]:
    """Ask for API access, with a word on what for."""
    return asked(
        "access.request",
        AccountChanged,
        {"account_id": account_id},
        body=AccessRequest.model_validate({"note": note}),
        if_match=if_match,
    )


def approve_access(
    account_id: str, *, reason: str = "", if_match: int | None = None
) -> Call[AccountChanged]:
    """Let the account's keys through."""
    return _decision("access.approve", account_id, reason, if_match)


def deny_access(
    account_id: str, *, reason: str, if_match: int | None = None
) -> Call[AccountChanged]:
    """Say no to a request, and why."""
    return _decision("access.deny", account_id, reason, if_match)


def disable_access(
    account_id: str, *, reason: str = "", if_match: int | None = None
) -> Call[AccountChanged]:
    """Switch API access off: the account's traffic stops at once."""
    return _decision("access.disable", account_id, reason, if_match)


def _decision(
    name: str, account_id: str, reason: str, if_match: int | None
) -> Call[AccountChanged]:
    return asked(
        name,
        AccountChanged,
        {"account_id": account_id},
        body=AccessDecision.model_validate({"reason": reason}),
        if_match=if_match,
    )

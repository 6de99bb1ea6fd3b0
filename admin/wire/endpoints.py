"""Every endpoint of the admin API, once: the server, its OpenAPI document, the client and the commands read it."""

__all__ = ["ENDPOINTS", "Endpoint", "endpoint"]

from dataclasses import dataclass

from pydantic import BaseModel

from admin.core.caller import Permission
from admin.wire.alerts import AlertPage, AlertQuery, AlertSettingsDocument, AlertSettingsPatch
from admin.wire.checks import ExplainDocument, ExplainRequest, VerifyDocument, VerifyRequest
from admin.wire.keys import (
    Empty,
    KeyChanged,
    KeyCreated,
    KeyDocument,
    KeyPage,
    KeyPatch,
    KeyQuery,
    KeyRotated,
    NewKeyRequest,
    RotateRequest,
)
from admin.wire.notifications import (
    ChannelCreated,
    ChannelDocument,
    ChannelPage,
    ChannelPatch,
    ChannelQuery,
    DeliveryDetails,
    DeliveryDocument,
    DeliveryPage,
    DeliveryQuery,
    InboxPage,
    InboxQuery,
    InboxRead,
    InboxReadRequest,
    NewChannelRequest,
    RotateSecretRequest,
)
from admin.wire.people import (
    AccessDecision,
    AccessRequest,
    AccountChanged,
    AccountDocument,
    AccountPage,
    AccountPatch,
    AccountQuery,
    MeDocument,
    NewAccountRequest,
    NewTokenRequest,
    NewUserRequest,
    PlanPage,
    TokenCreated,
    TokenDocument,
    TokenPage,
    UserChanged,
    UserDocument,
    UserPage,
    UserPatch,
    UserQuery,
)
from admin.wire.quotas import (
    BillingPage,
    BillingQuery,
    QuotaChanged,
    QuotaDocument,
    RaiseRequest,
)
from admin.wire.records import (
    AuditPage,
    AuditQuery,
    AuditVerdict,
    AuditVerifyQuery,
    EventPage,
    EventQuery,
)
from admin.wire.shapes import PageQuery
from admin.wire.transfer import ExportPage, ExportQuery, ImportRequest, ImportResult
from admin.wire.usage import RequestPage, RequestQuery, UsageQuery, UsageReport

CREATED = 201
OK = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing that can be asked. `permission` None: every caller may.

    `is_versioned`: the answer carries an ETag, and a change may be made conditional by If-Match.
    """

    name: str
    method: str
    path: str
    summary: str
    permission: Permission | None
    answer: type[BaseModel]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = OK
    is_versioned: bool = False


ENDPOINTS = (
    Endpoint("me", "GET", "/v1/me", "Who is asking.", None, MeDocument),
    # accounts
    Endpoint("accounts.list", "GET", "/v1/accounts", "List accounts.", Permission.ACCOUNTS_READ, AccountPage, query=AccountQuery),
    Endpoint("accounts.create", "POST", "/v1/accounts", "Create an account.", Permission.ACCOUNTS_WRITE, AccountDocument, NewAccountRequest, status=CREATED, is_versioned=True),
    Endpoint("accounts.show", "GET", "/v1/accounts/{account_id}", "Show an account.", Permission.ACCOUNTS_READ, AccountDocument, is_versioned=True),
    Endpoint("accounts.update", "PATCH", "/v1/accounts/{account_id}", "Change an account's name, plan or status.", Permission.ACCOUNTS_WRITE, AccountChanged, AccountPatch, is_versioned=True),
    Endpoint("access.request", "POST", "/v1/accounts/{account_id}/api-access/request", "Request API access.", Permission.ACCESS_REQUEST, AccountChanged, AccessRequest, is_versioned=True),
    Endpoint("access.approve", "POST", "/v1/accounts/{account_id}/api-access/approve", "Approve API access.", Permission.ACCESS_DECIDE, AccountChanged, AccessDecision, is_versioned=True),
    Endpoint("access.deny", "POST", "/v1/accounts/{account_id}/api-access/deny", "Deny API access, with a reason.", Permission.ACCESS_DECIDE, AccountChanged, AccessDecision, is_versioned=True),
    Endpoint("access.disable", "POST", "/v1/accounts/{account_id}/api-access/disable", "Switch API access off: the account's traffic stops at once.", Permission.ACCESS_DECIDE, AccountChanged, AccessDecision, is_versioned=True),
    # users
    Endpoint("users.list", "GET", "/v1/users", "List users.", Permission.USERS_READ, UserPage, query=UserQuery),
    Endpoint("users.create", "POST", "/v1/users", "Create a user.", Permission.USERS_WRITE, UserDocument, NewUserRequest, status=CREATED, is_versioned=True),
    Endpoint("users.show", "GET", "/v1/users/{user_id}", "Show a user.", Permission.USERS_READ, UserDocument, is_versioned=True),
    Endpoint("users.update", "PATCH", "/v1/users/{user_id}", "Change a user; narrowing one narrows their keys at once.", Permission.USERS_WRITE, UserChanged, UserPatch, is_versioned=True),
    # admin tokens
    Endpoint("tokens.list", "GET", "/v1/tokens", "List admin tokens.", Permission.TOKENS_READ, TokenPage, query=PageQuery),
    Endpoint("tokens.create", "POST", "/v1/tokens", "Create an admin token; it is shown this once.", Permission.TOKENS_WRITE, TokenCreated, NewTokenRequest, status=CREATED),
    Endpoint("tokens.show", "GET", "/v1/tokens/{token_id}", "Show an admin token.", Permission.TOKENS_READ, TokenDocument),
    Endpoint("tokens.revoke", "POST", "/v1/tokens/{token_id}/revoke", "Revoke an admin token.", Permission.TOKENS_WRITE, TokenDocument, Empty),
    # keys
    Endpoint("keys.list", "GET", "/v1/keys", "List keys: search, filter, sort.", Permission.KEYS_READ, KeyPage, query=KeyQuery),
    Endpoint("keys.create", "POST", "/v1/keys", "Create a key; its secret is shown this once.", Permission.KEYS_WRITE, KeyCreated, NewKeyRequest, status=CREATED, is_versioned=True),
    Endpoint("keys.import", "POST", "/v1/keys/import", "Take in keys that were made elsewhere.", Permission.KEYS_IMPORT, ImportResult, ImportRequest),
    Endpoint("keys.export", "GET", "/v1/keys/export", "Keys with their hashes, for another installation.", Permission.KEYS_EXPORT, ExportPage, query=ExportQuery),
    Endpoint("keys.show", "GET", "/v1/keys/{key_id}", "Show a key, and who still uses a replaced secret.", Permission.KEYS_READ, KeyDocument, is_versioned=True),
    Endpoint("keys.update", "PATCH", "/v1/keys/{key_id}", "Change a key.", Permission.KEYS_WRITE, KeyChanged, KeyPatch, is_versioned=True),
    Endpoint("keys.delete", "DELETE", "/v1/keys/{key_id}", "Revoke a key and take it out of the lists; it is kept for the audit.", Permission.KEYS_WRITE, KeyChanged, is_versioned=True),
    Endpoint("keys.disable", "POST", "/v1/keys/{key_id}/disable", "Refuse a key until it is enabled again.", Permission.KEYS_WRITE, KeyChanged, Empty, is_versioned=True),
    Endpoint("keys.enable", "POST", "/v1/keys/{key_id}/enable", "Let a disabled key through again.", Permission.KEYS_WRITE, KeyChanged, Empty, is_versioned=True),
    Endpoint("keys.rotate", "POST", "/v1/keys/{key_id}/rotate", "A new secret beside the old one, which goes on for an overlap.", Permission.KEYS_WRITE, KeyRotated, RotateRequest, is_versioned=True),
    Endpoint("keys.regenerate", "POST", "/v1/keys/{key_id}/regenerate", "A new secret; the old one ends at once.", Permission.KEYS_WRITE, KeyRotated, Empty, is_versioned=True),
    Endpoint("keys.revoke", "POST", "/v1/keys/{key_id}/revoke", "Revoke a key for good, with the receipt of who enforces it.", Permission.KEYS_WRITE, KeyChanged, Empty, is_versioned=True),
    Endpoint("keys.end_secret", "POST", "/v1/keys/{key_id}/secrets/{secret_id}/end", "End a replaced secret before its time.", Permission.KEYS_WRITE, KeyChanged, Empty, is_versioned=True),
    # what keys did
    Endpoint("keys.requests", "GET", "/v1/keys/{key_id}/requests", "A key's requests, one by one, newest first.", Permission.USAGE_READ, RequestPage, query=RequestQuery),
    Endpoint("accounts.requests", "GET", "/v1/accounts/{account_id}/requests", "The requests of all of an account's keys, newest first.", Permission.USAGE_READ, RequestPage, query=RequestQuery),
    # alerts
    Endpoint("alerts.list", "GET", "/v1/alerts", "The alerts that stand now, told last first.", Permission.ALERTS_READ, AlertPage, query=AlertQuery),
    Endpoint("alerts.show", "GET", "/v1/accounts/{account_id}/alerts", "What an account is told of.", Permission.ALERTS_READ, AlertSettingsDocument, is_versioned=True),
    Endpoint("alerts.update", "PATCH", "/v1/accounts/{account_id}/alerts", "Change what an account is told of.", Permission.ALERTS_WRITE, AlertSettingsDocument, AlertSettingsPatch, is_versioned=True),
    Endpoint("keys.usage", "GET", "/v1/keys/{key_id}/usage", "What a key's requests amount to, point by point.", Permission.USAGE_READ, UsageReport, query=UsageQuery),
    Endpoint("accounts.usage", "GET", "/v1/accounts/{account_id}/usage", "What the requests of all of an account's keys amount to.", Permission.USAGE_READ, UsageReport, query=UsageQuery),
    Endpoint("usage.show", "GET", "/v1/usage", "What all requests amount to that you may see.", Permission.USAGE_READ, UsageReport, query=UsageQuery),
    # quotas
    Endpoint("quota.show", "GET", "/v1/accounts/{account_id}/quota", "How an account's month stands.", Permission.USAGE_READ, QuotaDocument),
    Endpoint("quota.raise", "POST", "/v1/accounts/{account_id}/quota/raises", "Allow an account more for a time; it counts at once.", Permission.QUOTAS_WRITE, QuotaChanged, RaiseRequest, status=CREATED),
    Endpoint("quota.end_raise", "POST", "/v1/accounts/{account_id}/quota/raises/{raise_id}/end", "End a raise before its time.", Permission.QUOTAS_WRITE, QuotaChanged, Empty),
    Endpoint("usage.billing", "GET", "/v1/usage/billing", "What each account used in a month.", Permission.USAGE_READ, BillingPage, query=BillingQuery),
    # notifications
    Endpoint("inbox.list", "GET", "/v1/inbox", "What the caller ought to know, newest first.", Permission.NOTIFICATIONS_READ, InboxPage, query=InboxQuery),
    Endpoint("inbox.read", "POST", "/v1/inbox/read", "Note what the caller has read.", Permission.NOTIFICATIONS_READ, InboxRead, InboxReadRequest),
    Endpoint("channels.list", "GET", "/v1/channels", "List where notifications go.", Permission.NOTIFICATIONS_READ, ChannelPage, query=ChannelQuery),
    Endpoint("channels.create", "POST", "/v1/channels", "Send notifications somewhere; a webhook's secret is shown this once.", Permission.NOTIFICATIONS_WRITE, ChannelCreated, NewChannelRequest, status=CREATED, is_versioned=True),
    Endpoint("channels.show", "GET", "/v1/channels/{channel_id}", "Show a channel, and how it goes.", Permission.NOTIFICATIONS_READ, ChannelDocument, is_versioned=True),
    Endpoint("channels.update", "PATCH", "/v1/channels/{channel_id}", "Change a channel, pause it, or switch it on again.", Permission.NOTIFICATIONS_WRITE, ChannelDocument, ChannelPatch, is_versioned=True),
    Endpoint("channels.delete", "DELETE", "/v1/channels/{channel_id}", "Take a channel away.", Permission.NOTIFICATIONS_WRITE, ChannelDocument, is_versioned=True),
    Endpoint("channels.rotate", "POST", "/v1/channels/{channel_id}/rotate-secret", "A webhook's new secret; the old one signs beside it for an overlap.", Permission.NOTIFICATIONS_WRITE, ChannelCreated, RotateSecretRequest, is_versioned=True),
    Endpoint("channels.test", "POST", "/v1/channels/{channel_id}/test", "Send a trial; what became of it is in the delivery a moment later.", Permission.NOTIFICATIONS_WRITE, DeliveryDocument, Empty),
    Endpoint("channels.deliveries", "GET", "/v1/channels/{channel_id}/deliveries", "What was sent to a channel, newest first.", Permission.NOTIFICATIONS_READ, DeliveryPage, query=DeliveryQuery),
    Endpoint("deliveries.show", "GET", "/v1/deliveries/{delivery_id}", "What is sent, and each attempt.", Permission.NOTIFICATIONS_READ, DeliveryDetails),
    Endpoint("deliveries.replay", "POST", "/v1/deliveries/{delivery_id}/replay", "Send a finished delivery once more, under its own id.", Permission.NOTIFICATIONS_WRITE, DeliveryDocument, Empty),
    # what is configured, what has happened
    Endpoint("plans.list", "GET", "/v1/plans", "The plans and scopes of the configuration.", Permission.PLANS_READ, PlanPage),
    Endpoint("audit.list", "GET", "/v1/audit", "Who did what, newest first.", Permission.AUDIT_READ, AuditPage, query=AuditQuery),
    Endpoint("audit.verify", "GET", "/v1/audit/verify", "Whether the audit log is whole.", Permission.AUDIT_READ, AuditVerdict, query=AuditVerifyQuery),
    Endpoint("events.list", "GET", "/v1/events", "What has happened since.", Permission.EVENTS_READ, EventPage, query=EventQuery),
    # asking about a key
    Endpoint("verify", "POST", "/v1/verify", "Whether a key may be used, and for what.", Permission.VERIFY, VerifyDocument, VerifyRequest),
    Endpoint("explain", "POST", "/v1/explain", "Each rule with its outcome for a key and a request; nothing is taken.", Permission.KEYS_READ, ExplainDocument, ExplainRequest),
)  # fmt: skip

_BY_NAME = {one.name: one for one in ENDPOINTS}


def endpoint(name: str) -> Endpoint:
    """The endpoint of that name. Raises KeyError."""
    return _BY_NAME[name]

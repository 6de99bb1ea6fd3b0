"""The wire's choices, which may also be written as the plain words that they are."""

__all__ = [
    "AccessWord",
    "AlertKindWord",
    "ChannelKindWord",
    "DeliveryStateWord",
    "EnvironmentWord",
    "PermissionWord",
    "RoleWord",
    "SeverityWord",
    "TypeWord",
]

from typing import Literal

from admin.wire.words import (
    AlertKind,
    ApiAccess,
    ChannelKind,
    DeliveryState,
    Environment,
    KeyType,
    Permission,
    Role,
    Severity,
)

TypeWord = KeyType | Literal["sk", "pk"]
EnvironmentWord = Environment | Literal["live", "test"]
AccessWord = ApiAccess | Literal["disabled", "requested", "approved", "denied"]
ChannelKindWord = ChannelKind | Literal["webhook", "email", "chat"]
DeliveryStateWord = DeliveryState | Literal["pending", "delivered", "failed"]
RoleWord = Role | Literal["admin", "member", "viewer"]
SeverityWord = Severity | Literal["info", "warning", "critical"]
AlertKindWord = (
    AlertKind
    | Literal[
        "quota.threshold",
        "quota.exceeded",
        "quota.forecast",
        "key.expiring",
        "key.rotation_due",
        "key.new_address",
        "key.many_refusals",
        "key.unused",
        "usage.sudden_rise",
    ]
)
PermissionWord = (
    Permission
    | Literal[
        "accounts:read",
        "accounts:write",
        "access:request",
        "access:decide",
        "users:read",
        "users:write",
        "keys:read",
        "keys:write",
        "keys:import",
        "keys:export",
        "usage:read",
        "quotas:write",
        "alerts:read",
        "alerts:write",
        "notifications:read",
        "notifications:write",
        "plans:read",
        "audit:read",
        "events:read",
        "tokens:read",
        "tokens:write",
        "verify",
    ]
)

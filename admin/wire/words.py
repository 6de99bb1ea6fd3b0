"""The words that documents are written in, for those who know nothing below the wire."""

__all__ = [
    "UNSET",
    "ApiAccess",
    "CountedPer",
    "Environment",
    "KeyStatus",
    "KeyType",
    "Permission",
    "Role",
    "Unset",
]

from admin.core.caller import Permission, Role
from admin.core.unset import UNSET, Unset
from gateway.core.keys import ApiAccess, Environment, KeyStatus, KeyType
from gateway.core.limits import CountedPer

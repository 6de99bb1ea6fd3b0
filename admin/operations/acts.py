"""Every act by the name of its endpoint: what the API serves, and what the commands do on the local stores."""

__all__ = ["ACTS"]

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from admin.operations.accounts import ACCOUNT_ACTS
from admin.operations.alerts import ALERT_ACTS
from admin.operations.asked import Act
from admin.operations.checks import CHECK_ACTS
from admin.operations.keys import KEY_ACTS
from admin.operations.notifications import NOTIFICATION_ACTS
from admin.operations.quotas import QUOTA_ACTS
from admin.operations.records import RECORD_ACTS
from admin.operations.tokens import TOKEN_ACTS
from admin.operations.transfer import TRANSFER_ACTS
from admin.operations.usage import USAGE_ACTS
from admin.operations.users import USER_ACTS

ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        **ACCOUNT_ACTS,
        **USER_ACTS,
        **TOKEN_ACTS,
        **KEY_ACTS,
        **TRANSFER_ACTS,
        **RECORD_ACTS,
        **ALERT_ACTS,
        **USAGE_ACTS,
        **QUOTA_ACTS,
        **NOTIFICATION_ACTS,
        **CHECK_ACTS,
    }
)

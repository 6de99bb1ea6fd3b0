"""Every page of the console. What checks all of them (tests/console) goes by these tables."""

__all__ = ["OPEN_PAGES", "PAGES"]

from collections.abc import Sequence

from admin.console.entering import ENTERING_PAGES, INVITING_PAGES
from admin.console.keys.life import LIFE_PAGES
from admin.console.keys.listing import LISTING_PAGES
from admin.console.keys.making import MAKING_PAGES
from admin.console.keys.single import SINGLE_PAGES
from admin.console.keys.streams import STREAM_PAGES
from admin.console.keys.taking_in import IMPORT_PAGES
from admin.console.long_work import WORK_PAGES
from admin.console.me import ME_PAGES
from admin.console.notices.alerts import ALERT_PAGES
from admin.console.notices.channels import CHANNEL_PAGES
from admin.console.notices.inbox import INBOX_PAGES
from admin.console.operate.audit import AUDIT_PAGES
from admin.console.operate.gateway import GATEWAY_PAGES
from admin.console.operate.unused import UNUSED_PAGES
from admin.console.page import OpenPage, Page
from admin.console.people.access import ACCESS_PAGES
from admin.console.people.accounts import ACCOUNT_PAGES
from admin.console.people.tokens import TOKEN_PAGES
from admin.console.people.users import USER_PAGES
from admin.console.proving import PROVING_PAGES
from admin.console.quota import QUOTA_PAGES
from admin.console.second_step import SECOND_STEP_PAGES
from admin.console.sign_in import SIGN_IN_PAGES, SIGN_OUT_PAGES
from admin.console.single_sign_on import SINGLE_SIGN_ON_PAGES
from admin.console.start import START_PAGES
from admin.console.usage import USAGE_PAGES

PAGES: Sequence[Page] = (
    *START_PAGES,
    *SIGN_OUT_PAGES,
    *PROVING_PAGES,
    *LISTING_PAGES,
    *MAKING_PAGES,
    *UNUSED_PAGES,
    *IMPORT_PAGES,
    *WORK_PAGES,
    *SINGLE_PAGES,
    *LIFE_PAGES,
    *ACCESS_PAGES,
    *ACCOUNT_PAGES,
    *USER_PAGES,
    *TOKEN_PAGES,
    *AUDIT_PAGES,
    *ME_PAGES,
    *INVITING_PAGES,
    *GATEWAY_PAGES,
    *ALERT_PAGES,
    *INBOX_PAGES,
    *CHANNEL_PAGES,
    *USAGE_PAGES,
    *QUOTA_PAGES,
    *STREAM_PAGES,
)
OPEN_PAGES: Sequence[OpenPage] = (
    *SIGN_IN_PAGES,
    *SECOND_STEP_PAGES,
    *SINGLE_SIGN_ON_PAGES,
    *ENTERING_PAGES,
)

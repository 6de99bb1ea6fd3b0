"""All that the control plane can do, in one place: the API and the commands are given this."""

__all__ = ["Services"]

from dataclasses import dataclass

from admin.services.accounts import AccountService
from admin.services.alerting import Alerting
from admin.services.alerts import AlertService
from admin.services.channels import ChannelService
from admin.services.checks import CheckService
from admin.services.console import ConsoleServices
from admin.services.deliveries import DeliveryService
from admin.services.housekeeping import Housekeeping
from admin.services.inbox import InboxService
from admin.services.keys import KeyService
from admin.services.plans import PlanService
from admin.services.quotas import QuotaService
from admin.services.records import RecordService
from admin.services.shown_once import ShownOnce
from admin.services.tokens import TokenService
from admin.services.transfer import TransferService
from admin.services.usage import UsageService
from admin.services.users import UserService


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What can be asked for, by whom it is done."""

    accounts: AccountService
    users: UserService
    tokens: TokenService
    keys: KeyService
    housekeeping: Housekeeping
    transfer: TransferService
    usage: UsageService
    quotas: QuotaService
    records: RecordService
    channels: ChannelService
    deliveries: DeliveryService
    inbox: InboxService
    plans: PlanService
    checks: CheckService
    alerts: AlertService
    alerting: Alerting
    shown_once: ShownOnce
    console: ConsoleServices

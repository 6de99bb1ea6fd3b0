"""One document of each kind that the admin API answers with."""

__all__ = ["ACCOUNT", "KEY", "NOW", "RECEIPT", "SAMPLES", "TOKEN", "USER"]

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel

from admin.wire import (
    alerts,
    checks,
    keys,
    notifications,
    people,
    quotas,
    receipt,
    records,
    transfer,
    usage,
    words,
)
from gateway.core.quota import AtLimit

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
MINUTES = timedelta(minutes=1)

RECEIPT = receipt.ReceiptDocument(workers=2, acknowledged=2, ms=11, missing=())
LAST_USE = keys.LastUseDocument(at=NOW - 3 * MINUTES, address="192.0.2.7", route="dns")
QUOTA = quotas.QuotaDocument(
    account="acc_1",
    plan="big",
    month="2027-01",
    starts_at=NOW,
    ends_at=NOW,
    at_limit=AtLimit.REFUSE,
    requests=quotas.QuotaUse(limit=10, extra=5, used=3, remaining=12),
    bytes=None,
    raises=(
        quotas.RaiseDocument(
            id="raise_1", requests=5, bytes=0, reason="launch", created_at=NOW, until=NOW
        ),
    ),
)
SECRET = keys.SecretDocument(
    id="9aB3xxxxxxxx",
    shown="sk_live_9aB3…",
    created_at=NOW - 2 * MINUTES,
    expires_at=None,
    revoked_at=None,
    replaced_at=None,
    until_unused=False,
    last_used=None,
    uses=0,
    used_by=(),
)
KEY = keys.KeyDocument(
    id="key_1",
    account="acc_1",
    owner=None,
    name="ci",
    type=words.KeyType.SECRET,
    environment=words.Environment.LIVE,
    status=words.KeyStatus.ACTIVE,
    state="active",
    scopes=("read-only", "dns-only"),
    effective_scopes=("read-only", "dns-only"),
    created_at=NOW - 2 * MINUTES,
    updated_at=NOW - 2 * MINUTES,
    not_before=None,
    expires_at=None,
    revoked_at=None,
    deleted_at=None,
    allowed_ips=(),
    allowed_origins=(),
    limits=(),
    metadata={},
    secrets=(SECRET,),
    last_used=None,
    rotation_due=False,
    warnings=(),
    version=2,
)
ACCOUNT = people.AccountDocument(
    id="acc_1",
    name="Acme",
    plan="starter",
    status="active",
    api_access=words.ApiAccess.APPROVED,
    api_access_reason=None,
    api_access_changed_at=None,
    created_at=NOW - 5 * MINUTES,
    updated_at=NOW - 5 * MINUTES,
    version=1,
)
USER = people.UserDocument(
    id="usr_1",
    email="jo@example.com",
    name="Jo",
    role=words.Role.MEMBER,
    account="acc_1",
    scopes=None,
    status="active",
    created_at=NOW - 4 * MINUTES,
    updated_at=NOW - 4 * MINUTES,
    version=3,
)
TOKEN = people.TokenDocument(
    id="tok_1",
    name="deploy",
    role=words.Role.ADMIN,
    account=None,
    permissions=None,
    created_at=NOW - 6 * MINUTES,
    expires_at=None,
    revoked_at=None,
)
ENTRY = records.AuditDocument(
    sequence=7,
    at=NOW - MINUTES,
    actor_kind="operator",
    actor_id="jo",
    actor_name="jo",
    address="",
    request_id="",
    action="key.revoke",
    target_kind="key",
    target_id="key_1",
    account="acc_1",
    before={"status": "active"},
    after={"status": "revoked"},
    hash="ab" * 32,
)
EVENT = records.EventDocument(
    sequence=9, at=NOW - MINUTES, kind="key.revoked", account="acc_1", key="key_1", data={}
)
LINE = transfer.ExportLine(number=1, account="acc_1", name="ci", id="key_1")
LEFT = checks.LimitLeft(name="default", quota=1000, window=60, remaining=940, reset_in=4)
REQUEST = usage.RequestDocument(
    at=NOW - MINUTES,
    key="key_1",
    account="acc_1",
    secret_id="9aB3xxxxxxxx",
    request_id="r1",
    method="GET",
    path="/v1/dns/zones",
    route="dns",
    status=200,
    outcome="served",
    duration_ms=1.5,
    bytes_in=0,
    bytes_out=2048,
    address="192.0.2.7",
)

FIGURES: Mapping[str, float] = {
    "requests": 3,
    "refused": 1,
    "bytes_in": 0,
    "bytes_out": 4096,
    "mean_ms": 1.5,
    "p50_ms": 1.5,
    "p95_ms": 2.0,
    "p99_ms": 2.0,
}
REPORT = usage.UsageReport.model_validate(
    {
        "from": NOW - 60 * MINUTES,
        "to": NOW,
        "step": "hour",
        "totals": FIGURES,
        "series": [{**FIGURES, "at": NOW - 60 * MINUTES, "statuses": {"2xx": 2, "4xx": 1}}],
        "by_route": [{**FIGURES, "name": "dns"}],
        "by_outcome": [{**FIGURES, "name": "served"}],
        "by_status": [{**FIGURES, "name": "2xx"}],
    }
)
NOTICE = notifications.NoticeDocument(
    sequence=9,
    at=NOW - MINUTES,
    account="acc_1",
    key="key_1",
    kind="key.revoked",
    severity=words.Severity.WARNING,
    title="Key ci was revoked",
    text="jo revoked the key ci (key_1) for good.",
    is_read=False,
)
CHANNEL = notifications.ChannelDocument(
    id="chn_1",
    account="acc_1",
    kind=words.ChannelKind.WEBHOOK,
    name="desk",
    url="https://hooks.example.com/",
    recipients=(),
    events=("key.*",),
    severity=words.Severity.INFO,
    status=words.ChannelStatus.ACTIVE,
    reason=None,
    failures=0,
    failing_since=None,
    delivered_at=NOW - MINUTES,
    old_secret_ends_at=None,
    created_at=NOW - 5 * MINUTES,
    updated_at=NOW - 5 * MINUTES,
    version=1,
)
DELIVERY = notifications.DeliveryDocument(
    id="dlv_1",
    channel="chn_1",
    event=9,
    kind="key.revoked",
    severity=words.Severity.WARNING,
    title="Key ci was revoked",
    state=words.DeliveryState.DELIVERED,
    attempts=1,
    created_at=NOW - MINUTES,
    next_attempt_at=None,
    finished_at=NOW - MINUTES,
    last_status=204,
    last_detail="The receiver has taken it.",
)
ATTEMPT = notifications.AttemptDocument(
    number=1,
    at=NOW - MINUTES,
    duration_ms=8.5,
    outcome="delivered",
    status=204,
    detail="The receiver has taken it.",
)


def _more(document: BaseModel, kind: type[BaseModel], **fields: object) -> BaseModel:
    return kind.model_validate({**document.model_dump(), **fields})


_ONCE = {
    "secret": "sk_live_9aB3xxxxxxxx" + "s" * 38,
    "api_key": "9aB3xxxxxxxx",
    "api_secret": "s" * 32,
}

SAMPLES: Mapping[type[BaseModel], BaseModel] = {
    one.__class__: one
    for one in (
        KEY,
        _more(KEY, keys.KeyChanged, enforced=RECEIPT),
        _more(KEY, keys.KeyCreated, **_ONCE),
        _more(KEY, keys.KeyRotated, **_ONCE, enforced=RECEIPT),
        keys.KeyPage(keys=(KEY,), next_cursor=None),
        ACCOUNT,
        _more(ACCOUNT, people.AccountChanged, enforced=RECEIPT),
        people.AccountPage(accounts=(ACCOUNT,), next_cursor=None),
        USER,
        _more(USER, people.UserChanged, enforced=RECEIPT),
        people.UserPage(users=(USER,), next_cursor=None),
        TOKEN,
        _more(TOKEN, people.TokenCreated, secret="kwadmin_" + "t" * 50),
        people.TokenPage(tokens=(TOKEN,), next_cursor=None),
        people.MeDocument(
            kind="token",
            id="tok_1",
            name="deploy",
            role=words.Role.ADMIN,
            account=None,
            permissions=(words.Permission.KEYS_READ,),
        ),
        people.PlanPage(
            plans=(
                people.PlanDocument(
                    name="starter",
                    limits=({"name": "default", "quota": 1000, "window": 60, "per": "key"},),
                    member_scopes=("read-only",),
                    monthly_quota=1_000_000,
                    quota=people.PlanQuota(requests=1_000_000, bytes=None, at_limit=AtLimit.REFUSE),
                ),
            ),
            scopes=(people.ScopeDocument(name="read-only", rules=({"methods": ("GET",)},)),),
            default_plan="starter",
        ),
        records.AuditPage(entries=(ENTRY,), next_cursor=None),
        records.AuditVerdict(ok=True, entries=7, head_sequence=7, head_hash="ab" * 32),
        records.EventPage(events=(EVENT,), last_sequence=9),
        usage.RequestPage(requests=(REQUEST,), next_cursor=None),
        alerts.AlertPage(
            alerts=(
                alerts.AlertDocument(
                    account="acc_1",
                    key="key_1",
                    kind=words.AlertKind.KEY_EXPIRING,
                    severity=words.Severity.WARNING,
                    title="Key expires in 7 days",
                    text="The key 'ci' expires on 2027-01-22T08:00:00Z.",
                    data={"within_seconds": 604_800},
                    told_at=NOW - MINUTES,
                ),
            ),
            next_cursor=None,
        ),
        alerts.AlertSettingsDocument(
            account="acc_1",
            thresholds=(75, 90, 100),
            thresholds_chosen=False,
            default_thresholds=(75, 90, 100),
            kinds={"key.unused": False, "key.expiring": True},
            chosen=("key.unused",),
            version=2,
        ),
        REPORT,
        QUOTA,
        quotas.QuotaChanged(quota=QUOTA, raise_id="raise_1", enforced=RECEIPT),
        quotas.BillingPage(
            rows=(
                quotas.BillingRow(
                    account="acc_1",
                    name="Acme",
                    plan="big",
                    month="2027-01",
                    requests=3,
                    bytes_in=4,
                    bytes_out=5,
                ),
            ),
            next_cursor=None,
        ),
        transfer.ImportResult(
            results=(transfer.ImportedLine(number=1, outcome="created", key="key_1"),)
        ),
        transfer.ExportPage(lines=(LINE,), next_cursor=None),
        notifications.InboxPage(notices=(NOTICE,), unread=1, next_cursor=None),
        notifications.InboxRead(unread=0),
        CHANNEL,
        _more(CHANNEL, notifications.ChannelCreated, secret="whsec_" + "s" * 43 + "="),
        notifications.ChannelPage(channels=(CHANNEL,), next_cursor=None),
        DELIVERY,
        _more(
            DELIVERY, notifications.DeliveryDetails, body={"type": "key.revoked"}, log=(ATTEMPT,)
        ),
        notifications.DeliveryPage(deliveries=(DELIVERY,), next_cursor=None),
        checks.VerifyDocument(
            active=True,
            key="key_1",
            name="ci",
            client_id="acc_1",
            scope="read-only",
            limits=(LEFT,),
        ),
        checks.ExplainDocument(
            key="key_1",
            allowed=True,
            status=200,
            code=None,
            route="dns",
            rules=(checks.RuleDocument(rule="state", outcome="pass", detail="It is active."),),
            limits=(LEFT,),
        ),
    )
}

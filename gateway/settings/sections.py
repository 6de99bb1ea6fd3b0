"""Every setting: its name, type, bounds and default. Frozen, complete, and a constructor that does nothing.

In the file a duration or size carries its unit (`header_deadline: 10s`); in code the name does
(`listen.header_deadline_seconds`). docs/settings.md describes each field; a test compares the two.
"""

__all__ = [
    "METHODS",
    "AccountsSettings",
    "AdminSettings",
    "CredentialsSettings",
    "ForwardNamesSettings",
    "HeadersSettings",
    "KeysSettings",
    "LimitSettings",
    "LimitsSettings",
    "ListenSettings",
    "LogsSettings",
    "MatchSettings",
    "MetricsSettings",
    "PlanSettings",
    "RedisSettings",
    "RouteSettings",
    "ScopeRuleSettings",
    "Section",
    "Settings",
    "StoreSettings",
    "UpstreamSettings",
    "UsageSettings",
    "revealed",
]

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from gateway.core.keys import ApiAccess
from gateway.core.limits import WINDOW_SECONDS_MAX, CountedPer
from gateway.core.methods import METHODS
from gateway.settings.alert_sections import AlertsSettings
from gateway.settings.console_sections import ConsoleSettings
from gateway.settings.notification_sections import NotificationsSettings
from gateway.settings.quota_sections import QuotaSettings
from gateway.settings.section import Section
from gateway.settings.values import (
    Count,
    Duration,
    ExtraMethod,
    Flag,
    Folder,
    HeaderName,
    HostName,
    Method,
    Name,
    NameOrStar,
    Network,
    PathPattern,
    Port,
    Realm,
    RedisUrl,
    ScopeName,
    Size,
    SqlUrl,
    TargetUrl,
    VendorPrefix,
    WebUrl,
    WholeNumber,
)


def revealed(secret: SecretStr | None) -> str | None:
    """The text of a setting that is hidden wherever settings are shown."""
    return None if secret is None else secret.get_secret_value()


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _star_is_all(texts: tuple[str, ...]) -> tuple[str, ...]:
    return () if "*" in texts else texts


def _star_is_none(texts: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if texts is None or "*" in texts else texts


class ForwardNamesSettings(Section):
    """Odd header names that may cross to the upstream; frameworks confuse them with the usual ones."""

    underscore: Flag = False
    dot: Flag = False


class ListenSettings(Section):
    """The proxy's listener, and what it accepts from a client."""

    host: HostName = "127.0.0.1"
    port: Port = 8080
    environment: Literal["any", "live", "test"] = "any"
    trusted_proxies: tuple[Network, ...] = ()
    methods_extra: tuple[ExtraMethod, ...] = ()
    allow_encoded_slash: Flag = False
    express: Flag = True
    forward_names_with: ForwardNamesSettings = ForwardNamesSettings()
    realm: Realm = "api"
    header_deadline_seconds: Annotated[float, Duration("10ms", "10m")] = 10.0
    body_idle_deadline_seconds: Annotated[float, Duration("10ms", "1h")] = 30.0
    body_deadline_seconds: Annotated[float, Duration("10ms", "7d")] = 3600.0
    keepalive_idle_seconds: Annotated[float, Duration("10ms", "1h")] = 75.0
    drain_deadline_seconds: Annotated[float, Duration("10ms", "1h")] = 30.0
    max_requests: Annotated[WholeNumber, Field(ge=1, le=1_000_000)] = 4096
    max_target_bytes: Annotated[int, Size("256", "1MiB")] = 8 * 1024
    max_header_bytes: Annotated[int, Size("1KiB", "1MiB")] = 32 * 1024
    max_body_bytes: Annotated[int, Size("0", "1048576GiB")] | None = None


class AdminSettings(Section):
    """The admin listener: metrics and health. Keep it on a network of your own."""

    host: HostName = "127.0.0.1"
    port: Port = 8081


class CredentialsSettings(Section):
    """Where a caller may put its key, besides `Authorization: Bearer` and `Basic`."""

    key_headers: tuple[HeaderName, ...] = ("X-API-Key",)
    secret_header: HeaderName = "X-API-Secret"  # noqa: S105 -- the name of a field
    query_parameters: tuple[Name, ...] = ()


class StoreSettings(Section):
    """The source of truth (SQL). Without a URL: a SQLite file in the data folder."""

    url: SqlUrl | None = None
    deadline_seconds: Annotated[float, Duration("10ms", "60s")] = 2.0


class RedisSettings(Section):
    """Shared state. Without a URL: a private Valkey on a socket in the data folder."""

    url: RedisUrl | None = None
    deadline_seconds: Annotated[float, Duration("1ms", "10s")] = 0.05


class UpstreamSettings(Section):
    """One API behind the gateway. Deadlines: to connect, to the first byte, between two reads."""

    targets: tuple[TargetUrl, ...] = Field(min_length=1, examples=['["http://127.0.0.1:9001"]'])
    connect_deadline_seconds: Annotated[float, Duration("10ms", "10m")] = 5.0
    response_deadline_seconds: Annotated[float, Duration("10ms", "1d")] = 60.0
    idle_deadline_seconds: Annotated[float, Duration("10ms", "1d")] = 300.0
    host_header: Literal["preserve", "target"] = "preserve"
    max_connections: Annotated[WholeNumber, Field(ge=1, le=100_000)] = 1000


class MatchSettings(Section):
    """Which requests a route takes. No methods (or "*") means all that the listener serves."""

    path: Annotated[tuple[PathPattern, ...], BeforeValidator(_one_or_more)] = Field(
        min_length=1, examples=['"/v1/dns/**"']
    )
    methods: Annotated[tuple[Method, ...], AfterValidator(_star_is_all)] = ()


class RouteSettings(Section):
    """Where a request goes, what it costs, and which plans include it (none named: all)."""

    name: Name = Field(examples=["dns"])
    match: MatchSettings = Field(examples=['{path: "/v1/dns/**"}'])
    upstream: Name = Field(examples=["dns"])
    plans: tuple[Name, ...] = ()
    cost: Annotated[WholeNumber, Field(ge=1, le=1_000_000)] = 1
    critical: Flag = False


class ScopeRuleSettings(Section):
    """One thing a scope allows: these methods on these routes. None (left out, or "*") is not restricted."""

    methods: Annotated[
        Annotated[tuple[Method, ...], Field(min_length=1)] | None, AfterValidator(_star_is_none)
    ] = None
    routes: Annotated[
        Annotated[tuple[NameOrStar, ...], Field(min_length=1)] | None, AfterValidator(_star_is_none)
    ] = None

    @model_validator(mode="after")
    def _says_something(self) -> "ScopeRuleSettings":
        if not self.model_fields_set:
            raise ValueError(
                'names neither methods nor routes, which would allow everything; if that is meant, write methods: ["*"]'
            )
        return self


class LimitSettings(Section):
    """One token bucket: `quota` tokens, refilled evenly over `window`."""

    name: Name = "default"
    quota: Count = Field(examples=["1000"])
    window_seconds: Annotated[
        int, Duration("1s", f"{WINDOW_SECONDS_MAX // 86_400}d", is_whole=True)
    ] = Field(examples=["60s"])
    per: CountedPer = CountedPer.KEY


_DEFAULT_LIMIT = LimitSettings.model_validate({"quota": 1000, "window": "60s"})


class PlanSettings(Section):
    """What an account on this plan may use. An empty list of limits means no limit."""

    limits: tuple[LimitSettings, ...] = (_DEFAULT_LIMIT,)
    quota: QuotaSettings | None = None
    monthly_quota: Count | None = None
    alerts: tuple[Annotated[WholeNumber, Field(ge=1, le=100)], ...] | None = None
    member_scopes: tuple[ScopeName, ...] | None = None


class AccountsSettings(Section):
    """What a new account starts with."""

    default_plan: Name = "starter"
    default_api_access: Literal[ApiAccess.APPROVED, ApiAccess.DISABLED] = ApiAccess.APPROVED


class KeysSettings(Section):
    """How keys look, how they are checked, and how much is remembered of them."""

    vendor_prefix: VendorPrefix = ""
    pepper: SecretStr | None = Field(default=None, min_length=32)
    failed_per_minute: Count = 300
    cache_size: Annotated[WholeNumber, Field(ge=1, le=10_000_000)] = 100_000
    unknown_cache_size: Annotated[WholeNumber, Field(ge=0, le=10_000_000)] = 10_000
    unknown_cache_lifetime_seconds: Annotated[float, Duration("100ms", "60s")] = 10.0
    verify_threads: Annotated[WholeNumber, Field(ge=1, le=64)] = 2
    verify_queue_max: Annotated[WholeNumber, Field(ge=1, le=1_000_000)] = 2000
    staleness_budget_seconds: Annotated[float, Duration("1s", "1d")] = 600.0
    secret_keys_by: Literal["members", "admins"] = "members"  # noqa: S105 -- a word for who
    accept_imported: Flag = False
    rotation_due_after_seconds: Annotated[float, Duration("1d", "3650d")] = 90 * 86_400.0
    retire_unused_after_seconds: Annotated[float, Duration("1m", "365d")] = 7 * 86_400.0


class LimitsSettings(Section):
    """How limits are counted."""

    mode: Literal["leased", "exact"] = "leased"


class HeadersSettings(Section):
    """Additions to the answers."""

    legacy: Flag = False


class UsageSettings(Section):
    """How finished requests are recorded, and shipped to SQL."""

    flush_interval_seconds: Annotated[float, Duration("10ms", "60s")] = 0.5
    flush_size: Annotated[WholeNumber, Field(ge=1, le=50_000)] = 10_000
    segment_size_bytes: Annotated[int, Size("64KiB", "64MiB")] = 8 * 1024 * 1024
    journal_max_bytes: Annotated[int, Size("256KiB", "1024GiB")] = 1024 * 1024 * 1024
    when_full: Literal["serve", "refuse"] = "serve"
    retention_seconds: Annotated[float, Duration("1d", "3650d")] = 90 * 86_400.0
    keep_minutes_seconds: Annotated[float, Duration("2d", "3650d")] = 14 * 86_400.0
    keep_hours_seconds: Annotated[float, Duration("35d", "3650d")] = 400 * 86_400.0
    keep_days_seconds: Annotated[float, Duration("35d", "36500d")] = 3650 * 86_400.0


class LogsSettings(Section):
    """The log on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class MetricsSettings(Section):
    """What the metrics tell apart."""

    busiest_keys: Annotated[WholeNumber, Field(ge=0, le=10_000)] = 200


_DEFAULT_SCOPES: Mapping[str, tuple[ScopeRuleSettings, ...]] = {
    "read-only": (ScopeRuleSettings(methods=("GET", "HEAD", "OPTIONS")),),
    "read-write": (ScopeRuleSettings.model_validate({"methods": ["*"]}),),
}
_READ_ONLY = "read-only"
_SINGLE_VALUES = frozenset({"data_dir", "docs_url"})


class Settings(Section):
    """Everything an operator can choose. `Settings()` is what an empty file means."""

    listen: ListenSettings = ListenSettings()
    admin: AdminSettings = AdminSettings()
    data_dir: Folder = Path("var")
    store: StoreSettings = StoreSettings()
    redis: RedisSettings = RedisSettings()
    upstreams: Mapping[Name, UpstreamSettings] = {}
    routes: tuple[RouteSettings, ...] = ()
    scopes: Mapping[ScopeName, tuple[ScopeRuleSettings, ...]] = _DEFAULT_SCOPES
    publishable_scopes: tuple[ScopeName, ...] = (_READ_ONLY,)
    plans: Mapping[Name, PlanSettings] = {"starter": PlanSettings()}
    accounts: AccountsSettings = AccountsSettings()
    keys: KeysSettings = KeysSettings()
    credentials: CredentialsSettings = CredentialsSettings()
    limits: LimitsSettings = LimitsSettings()
    headers: HeadersSettings = HeadersSettings()
    usage: UsageSettings = UsageSettings()
    logs: LogsSettings = LogsSettings()
    metrics: MetricsSettings = MetricsSettings()
    alerts: AlertsSettings = AlertsSettings()
    notifications: NotificationsSettings = NotificationsSettings()
    console: ConsoleSettings = ConsoleSettings()
    docs_url: WebUrl = "https://keywright.example/docs"

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_whole(cls, data: Any) -> Any:  # noqa: ANN401 -- whatever the file holds
        if not isinstance(data, dict):
            return data
        # A list or mapping whose entries are all commented out is null to YAML, as if it were not there.
        written = {
            name: value
            for name, value in data.items()
            if value is not None or name in _SINGLE_VALUES
        }
        # Scopes of one's own replace the built-in ones; the default must not then name one that is gone.
        if isinstance(scopes := written.get("scopes"), dict) and _READ_ONLY not in scopes:
            return {"publishable_scopes": (), **written}
        return written

"""What is done with channels: made, changed, given a new secret, taken away."""

__all__ = [
    "ChannelChange",
    "ChannelService",
    "CreatedChannel",
    "NewChannel",
    "sealed_context",
]

import base64
import dataclasses
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from admin.core.caller import Caller, Permission
from admin.core.faults import Changed, Conflict, NotFound
from admin.core.notices.channel_words import ChannelKind, ChannelStatus
from admin.core.notices.severity import Severity
from admin.core.page import Page, PageRequest
from admin.core.unset import UNSET, Unset
from admin.services.channel_rules import ChannelRules, checked_events
from admin.services.repeats import Repeats
from admin.services.sealing import Sealer
from admin.services.validation import checked_id, checked_name, checked_one_of, new_id
from admin.stores.channels import ChannelStore, ChannelView, Sealed
from admin.stores.transaction import Repeated, Target, Transaction
from gateway.core.errors import Misuse
from gateway.ports import Clock

_SEE_CHANNELS = "'keywright channels list' shows all channels."
_SECRET_BYTES = 32
_OVERLAP_MAX = 30 * 86_400.0
_CHOOSABLE = (ChannelStatus.ACTIVE, ChannelStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class NewChannel:
    """Where to, and what. `severity` None: what suits the kind, `info` for a program and `warning` for people."""

    kind: ChannelKind | str
    name: str
    account_id: str | None = None
    url: str | None = field(default=None, repr=False)
    recipients: Sequence[str] = ()
    events: Sequence[str] = ("*",)
    severity: Severity | str | None = None


@dataclass(frozen=True, slots=True)
class ChannelChange:
    """What is to be different. `status` active: also out of being off."""

    name: str | Unset = UNSET
    url: str | Unset = field(default=UNSET, repr=False)
    recipients: Sequence[str] | Unset = UNSET
    events: Sequence[str] | Unset = UNSET
    severity: Severity | str | Unset = UNSET
    status: ChannelStatus | str | Unset = UNSET


class CreatedChannel(NamedTuple):
    """A channel, and a webhook's new secret: the only time that it leaves the house."""

    channel: ChannelView
    secret: str | None

    def __repr__(self) -> str:
        """Never shows the secret."""
        return f"CreatedChannel({self.channel.id}, …)"


class ChannelService:
    """Each method raises NotAllowed, NotFound, Misuse for what cannot be, StoreError when SQL cannot answer."""

    def __init__(
        self,
        store: ChannelStore,
        repeats: Repeats,
        sealer: Sealer,
        clock: Clock,
        rules: ChannelRules,
    ) -> None:
        """`sealer` is the one for secrets of channels."""
        self._store = store
        self._repeats = repeats
        self._sealer = sealer
        self._clock = clock
        self._rules = rules

    async def create(self, caller: Caller, new: NewChannel) -> CreatedChannel:
        """A new channel; a webhook's secret is shown this once.

        Whoever belongs to an account makes channels of that account, and sends e-mail to its users only.
        """
        caller.require(Permission.NOTIFICATIONS_WRITE)
        now = self._clock.now()
        account_id = new.account_id if new.account_id is not None else caller.account_id
        if account_id is not None:
            checked_id("acc", account_id, "'keywright accounts list' shows all accounts.")
            caller.require_account(account_id, _no_account(account_id))
        channel, hidden = await self._checked_new(new, account_id, now)
        shown = hidden if channel.kind is ChannelKind.WEBHOOK else None
        sealed = None if hidden is None else self._sealed(channel.id, hidden)
        try:
            async with self._store.transaction("add a channel", caller, now) as tx:
                kept = None if shown is None else self._repeats.sealed(caller, shown)
                await tx.claim(channel.id, kept)
                await self._check_room(tx, channel)
                await self._store.insert(tx, channel, sealed)
                tx.audit("channel.create", _target(channel), after=_told(channel))
        except Repeated:
            return await self._made_before(caller, now)
        return CreatedChannel(channel, shown)

    async def list(
        self,
        caller: Caller,
        page: PageRequest,
        account_id: str | None = None,
        kind: ChannelKind | None = None,
    ) -> Page[ChannelView]:
        """The channels that the caller sees (of one account, of one kind), oldest first."""
        caller.require(Permission.NOTIFICATIONS_READ)
        if caller.account_id is not None:
            if account_id not in {None, caller.account_id}:
                return Page(())
            account_id = caller.account_id
        return await self._store.list(account_id, kind, page)

    async def show(self, caller: Caller, channel_id: str) -> ChannelView:
        """The channel with this id."""
        caller.require(Permission.NOTIFICATIONS_READ)
        return await self.found(caller, channel_id)

    async def change(
        self, caller: Caller, channel_id: str, change: ChannelChange, expected: int | None = None
    ) -> ChannelView:
        """What of it is different from now on; one that was off is sent what waits for it.

        Raises Changed if the channel's version is not the `expected` one.
        """
        caller.require(Permission.NOTIFICATIONS_WRITE)
        present = await self.found(caller, channel_id)
        wanted, hidden = await self._checked_change(present.kind, change)
        now = self._clock.now()
        async with self._store.transaction("change a channel", caller, now) as tx:
            before = await self.locked(tx, channel_id, expected)
            # Another URL of the same service looks the same, and is different all the same.
            differing = {
                name: value
                for name, value in wanted.items()
                if getattr(before, name) != value or (name == "url" and hidden is not None)
            }
            if not differing:
                return before
            if "recipients" in differing:
                await self._check_recipients(tx, before.account_id, differing["recipients"])
            channel = _changed(before, differing, now)
            sealed = None if hidden is None else self._sealed(channel_id, hidden)
            await self._store.save(tx, channel, sealed)
            tx.audit(
                "channel.update",
                _target(channel),
                before={name: getattr(before, name) for name in differing},
                after={name: getattr(channel, name) for name in differing},
            )
        return channel

    async def delete(
        self, caller: Caller, channel_id: str, expected: int | None = None
    ) -> ChannelView:
        """Take the channel away: nothing more is sent to it, not even what waits."""
        caller.require(Permission.NOTIFICATIONS_WRITE)
        checked_id("chn", channel_id, _SEE_CHANNELS)
        now = self._clock.now()
        async with self._store.transaction("delete a channel", caller, now) as tx:
            channel = await self.locked(tx, channel_id, expected)
            await self._store.delete(tx, channel_id)
            tx.audit("channel.delete", _target(channel), before=_told(channel))
        return channel

    async def rotate(
        self,
        caller: Caller,
        channel_id: str,
        overlap_seconds: float = 86_400.0,
        expected: int | None = None,
    ) -> CreatedChannel:
        """A webhook's new secret, shown this once; both sign until the overlap is over."""
        caller.require(Permission.NOTIFICATIONS_WRITE)
        checked_id("chn", channel_id, _SEE_CHANNELS)
        if not 0 <= overlap_seconds <= _OVERLAP_MAX:
            raise Misuse("The overlap must be 0s to 30d.")
        now, secret = self._clock.now(), _new_secret()
        try:
            async with self._store.transaction("rotate a channel's secret", caller, now) as tx:
                await tx.claim(channel_id, self._repeats.sealed(caller, secret))
                before = await self.locked(tx, channel_id, expected)
                if before.kind is not ChannelKind.WEBHOOK:
                    raise Conflict("Only webhooks have a secret of ours.")
                old = await self._store.sealed(tx, channel_id)
                sealed = self._sealed(channel_id, secret)
                ends_at = None
                if old is not None and overlap_seconds > 0:
                    ends_at = now + overlap_seconds
                    sealed = dataclasses.replace(sealed, before=old.present, before_ends_at=ends_at)
                channel = dataclasses.replace(
                    before, old_secret_ends_at=ends_at, updated_at=now, version=before.version + 1
                )
                await self._store.save(tx, channel, sealed)
                tx.audit("channel.rotate", _target(channel), after={"old_secret_ends_at": ends_at})
        except Repeated:
            return await self._made_before(caller, now)
        return CreatedChannel(channel, secret)

    async def _checked_new(
        self, new: NewChannel, account_id: str | None, now: float
    ) -> tuple[ChannelView, str | None]:
        """The channel as it is to be, and what of it is kept sealed."""
        kind = checked_one_of("kind of channel", new.kind, tuple(ChannelKind))
        usual = Severity.INFO if kind is ChannelKind.WEBHOOK else Severity.WARNING
        severity = checked_one_of("severity", new.severity or usual, tuple(Severity))
        _check_fields(kind, new.url, new.recipients)
        url: str | None = None
        hidden: str | None = None
        recipients: tuple[str, ...] = ()
        match kind:
            case ChannelKind.WEBHOOK:
                url, hidden = self._rules.checked_webhook(new.url), _new_secret()
            case ChannelKind.CHAT:
                hidden = await self._rules.checked_chat(new.url)
                url = _scheme_alone(hidden)
            case ChannelKind.EMAIL:
                recipients = self._rules.checked_mail(new.recipients)
        channel = ChannelView(
            id=new_id("chn"),
            account_id=account_id,
            kind=kind,
            name=checked_name("channel", new.name),
            url=url,
            recipients=recipients,
            events=checked_events(new.events),
            severity=severity,
            created_at=now,
            updated_at=now,
        )
        return channel, hidden

    async def _checked_change(
        self, kind: ChannelKind, change: ChannelChange
    ) -> tuple[dict[str, Any], str | None]:
        wanted: dict[str, Any] = {}
        hidden = None
        if change.name is not UNSET:
            wanted["name"] = checked_name("channel", change.name)
        if change.url is not UNSET:
            _check_fields(kind, change.url, ())
            if kind is ChannelKind.CHAT:
                hidden = await self._rules.checked_chat(change.url)
                wanted["url"] = _scheme_alone(hidden)
            else:
                wanted["url"] = self._rules.checked_webhook(change.url)
        if change.recipients is not UNSET:
            _check_fields(kind, None, change.recipients)
            wanted["recipients"] = self._rules.checked_mail(change.recipients)
        return wanted | _checked_wishes(change), hidden

    async def _check_room(self, tx: Transaction, channel: ChannelView) -> None:
        account_id, most = channel.account_id, self._rules.channels_max
        if account_id is not None and not await self._store.lock_account(tx, account_id):
            raise NotFound(_no_account(account_id))
        if await self._store.count(tx, account_id) >= most:
            raise Conflict(f"There are {most} channels already, which is as many as there may be.")
        await self._check_recipients(tx, account_id, channel.recipients)

    async def _check_recipients(
        self, tx: Transaction, account_id: str | None, recipients: Sequence[str]
    ) -> None:
        # Else anybody with an account could have mail sent to anybody in the operator's name.
        if tx.caller.account_id is None or account_id is None or not recipients:
            return
        known = await self._store.known_emails(tx, account_id, recipients)
        if strangers := [each for each in recipients if each not in known]:
            raise Misuse(
                f"E-mail goes to active users of the account; {', '.join(strangers)} is none of them."
            )

    async def found(self, caller: Caller, channel_id: str) -> ChannelView:
        """The channel, if the caller sees it. Raises NotFound."""
        channel = await self._store.find(checked_id("chn", channel_id, _SEE_CHANNELS))
        if channel is None or not caller.sees(channel.account_id):
            raise NotFound(_missing(channel_id))
        return channel

    async def locked(self, tx: Transaction, channel_id: str, expected: int | None) -> ChannelView:
        """The channel, locked, if the caller sees it. Raises NotFound, and Changed if it is not the `expected` one."""
        channel = await self._store.lock(tx, channel_id)
        if channel is None or not tx.caller.sees(channel.account_id):
            raise NotFound(_missing(channel_id))
        if expected not in {None, channel.version}:
            raise Changed(
                f"Channel {channel_id} was changed meanwhile. Look at it again before you change it."
            )
        return channel

    async def _made_before(self, caller: Caller, now: float) -> CreatedChannel:
        earlier = await self._repeats.earlier(caller, now)
        return CreatedChannel(await self.found(caller, earlier.target_id), earlier.secret)

    def _sealed(self, channel_id: str, hidden: str) -> Sealed:
        sealer = self._sealer
        return Sealed(sealer.seal(sealed_context(channel_id), hidden), sealer.pepper_id)


def sealed_context(channel_id: str) -> str:
    """What a channel's secrets are bound to: moved to another channel's row, they do not open."""
    return f"channel {channel_id}"


def _new_secret() -> str:
    # As Standard Webhooks writes a symmetric secret: 24 to 64 bytes.
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _scheme_alone(url: str) -> str:
    return f"{url.partition('://')[0].lower()}://…"


def _check_fields(kind: ChannelKind, url: str | None, recipients: Sequence[str]) -> None:
    if kind is ChannelKind.EMAIL and url is not None:
        raise Misuse("An e-mail channel has recipients, and no URL.")
    if kind is not ChannelKind.EMAIL and recipients:
        raise Misuse(f"A {kind} channel has a URL, and no recipients.")


def _checked_wishes(change: ChannelChange) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if change.events is not UNSET:
        wanted["events"] = checked_events(change.events)
    if change.severity is not UNSET:
        wanted["severity"] = checked_one_of("severity", change.severity, tuple(Severity))
    if change.status is not UNSET:
        wanted["status"] = checked_one_of("status", change.status, _CHOOSABLE)
    return wanted


def _changed(before: ChannelView, differing: dict[str, Any], now: float) -> ChannelView:
    channel = dataclasses.replace(before, **differing, updated_at=now, version=before.version + 1)
    # What went wrong at another place, or before somebody mended it, does not count any more.
    if {"url", "recipients", "status"} & set(differing):
        channel = dataclasses.replace(channel, failures=0, failing_since=None)
    if channel.status is not ChannelStatus.OFF:
        channel = dataclasses.replace(channel, reason=None)
    return channel


def _missing(channel_id: str) -> str:
    return f"There is no channel {channel_id}. {_SEE_CHANNELS}"


def _no_account(account_id: str) -> str:
    return f"There is no account {account_id}. 'keywright accounts list' shows all accounts."


def _target(channel: ChannelView) -> Target:
    return Target("channel", channel.id, channel.account_id)


def _told(channel: ChannelView) -> dict[str, Any]:
    told = {
        name: getattr(channel, name)
        for name in ("kind", "name", "url", "recipients", "events", "severity", "status")
    }
    return {name: value for name, value in told.items() if value not in {None, ()}}

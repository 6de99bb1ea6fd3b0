"""The client for programs that await: `async with AsyncClient(url, token=…) as client: await client.keys.list()`."""

__all__ = ["AsyncClient"]

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import update_wrapper
from http import HTTPStatus
from types import TracebackType
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar

import httpx
from pydantic import BaseModel, SecretStr

from admin.client import connection
from admin.client.call import Call
from admin.client.calls import (
    accounts,
    alerts,
    checks,
    key_life,
    keys,
    notifications,
    quotas,
    records,
    tokens,
    transfer,
    usage,
    users,
)
from admin.client.faults import ApiError, ClientError, Unreachable
from admin.client.message import Message, message, problem, read
from admin.client.pages import (
    EVERY_ACCOUNT,
    EVERY_ACCOUNT_REQUEST,
    EVERY_ALERT,
    EVERY_BILLED,
    EVERY_CHANNEL,
    EVERY_DELIVERY,
    EVERY_ENTRY,
    EVERY_EVENT,
    EVERY_EXPORTED,
    EVERY_KEY,
    EVERY_KEY_REQUEST,
    EVERY_NOTICE,
    EVERY_TOKEN,
    EVERY_USER,
    Paged,
)
from admin.client.patience import Patience, lost_pause_seconds, pause_seconds
from admin.client.streams import EventReader, StreamCall, stream_message
from admin.wire.usage import RequestDocument

P = ParamSpec("P")
Answer = TypeVar("Answer", bound=BaseModel)
Item = TypeVar("Item")


class _Asks(Protocol):
    async def ask(self, call: Call[Answer]) -> Answer:
        """The document that answers this call."""
        ...


class _Sent(Generic[P, Answer]):
    """A method that builds a call and asks it."""

    def __init__(self, build: Callable[P, Call[Answer]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    def __get__(
        self, whose: _Asks, _owner: object = None
    ) -> Callable[P, Coroutine[Any, Any, Answer]]:
        async def ask(*args: P.args, **kwargs: P.kwargs) -> Answer:
            return await whose.ask(self._build(*args, **kwargs))

        return update_wrapper(ask, self._build)


class _Every(Generic[P, Item]):
    """A method that goes through all pages of a list, asking for each when it is needed."""

    def __init__(self, paged: Paged[P, Any, Item]) -> None:
        self._paged = paged
        self.__doc__ = f"Each item of all pages. One page: {paged.build.__doc__}"

    def __get__(self, whose: _Asks, _owner: object = None) -> Callable[P, AsyncIterator[Item]]:
        async def each(*args: P.args, **kwargs: P.kwargs) -> AsyncIterator[Item]:
            call: Call[Any] | None = self._paged.first(*args, **kwargs)
            while call is not None:
                page = await whose.ask(call)
                for item in self._paged.items(page):
                    yield item
                call = self._paged.following(call, page)

        return update_wrapper(each, self._paged.build)


class _Group:
    def __init__(self, whose: _Asks) -> None:
        self._whose = whose

    async def ask(self, call: Call[Answer]) -> Answer:
        """The document that answers this call."""
        return await self._whose.ask(call)


class Accounts(_Group):
    """Accounts, and their API access."""

    create = _Sent(accounts.create_account)
    list = _Sent(accounts.list_accounts)
    all = _Every(EVERY_ACCOUNT)
    show = _Sent(accounts.show_account)
    update = _Sent(accounts.update_account)
    request_access = _Sent(accounts.request_access)
    approve_access = _Sent(accounts.approve_access)
    deny_access = _Sent(accounts.deny_access)
    disable_access = _Sent(accounts.disable_access)
    requests = _Sent(usage.list_account_requests)
    all_requests = _Every(EVERY_ACCOUNT_REQUEST)
    usage = _Sent(usage.show_account_usage)


class Users(_Group):
    """Users."""

    create = _Sent(users.create_user)
    list = _Sent(users.list_users)
    all = _Every(EVERY_USER)
    show = _Sent(users.show_user)
    update = _Sent(users.update_user)


class Tokens(_Group):
    """Admin tokens."""

    create = _Sent(tokens.create_token)
    list = _Sent(tokens.list_tokens)
    all = _Every(EVERY_TOKEN)
    show = _Sent(tokens.show_token)
    revoke = _Sent(tokens.revoke_token)


class Keys(_Group):
    """Keys."""

    create = _Sent(keys.create_key)
    list = _Sent(keys.list_keys)
    all = _Every(EVERY_KEY)
    show = _Sent(keys.show_key)
    update = _Sent(keys.update_key)
    requests = _Sent(usage.list_key_requests)
    all_requests = _Every(EVERY_KEY_REQUEST)
    usage = _Sent(usage.show_key_usage)
    disable = _Sent(key_life.disable_key)
    enable = _Sent(key_life.enable_key)
    rotate = _Sent(key_life.rotate_key)
    regenerate = _Sent(key_life.regenerate_key)
    end_secret = _Sent(key_life.end_secret)
    revoke = _Sent(key_life.revoke_key)
    delete = _Sent(key_life.delete_key)
    import_lines = _Sent(transfer.import_keys)
    export = _Sent(transfer.export_keys)
    export_all = _Every(EVERY_EXPORTED)


class Quota(_Group):
    """What accounts may use in a month, and what they have used."""

    show = _Sent(quotas.show_quota)
    raise_ = _Sent(quotas.raise_quota)
    end_raise = _Sent(quotas.end_raise)
    billing = _Sent(quotas.list_billing)
    all_billing = _Every(EVERY_BILLED)


class Alerts(_Group):
    """What an account is told of, and what stands now."""

    list = _Sent(alerts.list_alerts)
    all = _Every(EVERY_ALERT)
    show = _Sent(alerts.show_alerts)
    update = _Sent(alerts.update_alerts)


class Audit(_Group):
    """The audit log."""

    list = _Sent(records.list_audit)
    all = _Every(EVERY_ENTRY)
    verify = _Sent(records.verify_audit)


class Events(_Group):
    """What has happened since."""

    list = _Sent(records.list_events)
    all = _Every(EVERY_EVENT)


class Inbox(_Group):
    """What the caller ought to know."""

    list = _Sent(notifications.list_inbox)
    all = _Every(EVERY_NOTICE)
    read = _Sent(notifications.mark_read)


class Channels(_Group):
    """Where notifications go."""

    list = _Sent(notifications.list_channels)
    all = _Every(EVERY_CHANNEL)
    create = _Sent(notifications.create_channel)
    show = _Sent(notifications.show_channel)
    update = _Sent(notifications.update_channel)
    delete = _Sent(notifications.delete_channel)
    rotate = _Sent(notifications.rotate_channel)
    test = _Sent(notifications.try_channel)
    deliveries = _Sent(notifications.list_deliveries)
    all_deliveries = _Every(EVERY_DELIVERY)


class Deliveries(_Group):
    """What was sent to channels."""

    show = _Sent(notifications.show_delivery)
    replay = _Sent(notifications.replay_delivery)


class AsyncClient:
    """A connection to one installation's admin API, to be closed; usable from several tasks of one loop.

    Methods raise ApiError when the API says no, Unreachable when it does not answer, and ValueError for
    arguments that cannot be sent.
    """

    me = _Sent(tokens.me)
    plans = _Sent(records.list_plans)
    usage = _Sent(usage.show_usage)
    verify = _Sent(checks.verify_token)
    explain = _Sent(checks.explain_request)

    def __init__(  # noqa: PLR0913 -- everything but the first two has a good default
        self,
        url: str,
        *,
        token: str | SecretStr,
        timeout: float = 30.0,
        patience: Patience = Patience(),  # noqa: B008 -- frozen
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`timeout` is the longest silence in seconds; `tls` for a certificate of a private authority.

        Raises ValueError for an address or a token that cannot be one.
        """
        self._url = connection.base_url(url)
        self._deadlines = connection.Deadlines(timeout)
        self._patience = patience
        self._sleep = sleep
        self._http = httpx.AsyncClient(
            base_url=self._url,
            auth=connection.Bearer(token),
            headers=connection.headers(),
            verify=True if tls is None else tls,
        )
        self.accounts = Accounts(self)
        self.users = Users(self)
        self.tokens = Tokens(self)
        self.keys = Keys(self)
        self.alerts = Alerts(self)
        self.quota = Quota(self)
        self.audit = Audit(self)
        self.events = Events(self)
        self.inbox = Inbox(self)
        self.channels = Channels(self)
        self.deliveries = Deliveries(self)

    def __repr__(self) -> str:
        """Without the token."""
        return f"AsyncClient('{self._url}')"

    async def __aenter__(self) -> Self:
        """Nothing is opened before the first call."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes."""
        await self.close()

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()

    async def ask(self, call: Call[Answer]) -> Answer:
        """The document that answers this call, which is repeated as far as `Patience` allows and it does no harm."""
        prepared = message(call, secrets.token_urlsafe())
        repeated = 0
        while True:
            try:
                return await self._answer(call, prepared)
            except ClientError as fault:
                pause = pause_seconds(call, fault, repeated, self._patience)
                if pause is None:
                    raise
            await self._sleep(pause)
            repeated += 1

    async def _answer(self, call: Call[Answer], prepared: Message) -> Answer:
        try:
            response = await self._http.request(
                prepared.method,
                prepared.path,
                params=prepared.params,
                headers=prepared.headers,
                content=prepared.content,
                timeout=self._deadlines.of(call),
            )
        except httpx.TransportError as error:
            raise connection.unreachable(self._url, error) from None
        return read(call, response.status_code, response.headers, response.content)

    async def download(self, call: StreamCall) -> AsyncIterator[bytes]:
        """The bytes of a file, as they come. Raises Unreachable if it breaks off: what came is not all of it."""
        async with self._streamed(call) as response:
            async for part in response.aiter_bytes():
                yield part

    async def follow(
        self, call: StreamCall, begun: Callable[[], None] = lambda: None
    ) -> AsyncIterator[RequestDocument]:
        """Requests as they come in, for ever; a connection that breaks is made again, and nothing is missed.

        `begun` is called once: what comes in from then on is told.

        Raises ApiError, StreamEnded, and Unreachable when the server stays away longer than `Patience` allows.
        """
        repeated = 0
        while True:
            reader = EventReader()
            try:
                async for request in self._told(call, reader, begun):
                    yield request
            except (ApiError, Unreachable) as fault:
                # A position was told: then this is another connection that broke, and not the same again.
                repeated = 0 if reader.position else repeated
                pause = lost_pause_seconds(fault, repeated, self._patience)
                if pause is None:
                    raise
                await self._sleep(pause)
                repeated += 1
            call = call.behind(reader.position)

    async def _told(
        self, call: StreamCall, reader: EventReader, begun: Callable[[], None]
    ) -> AsyncIterator[RequestDocument]:
        async with self._streamed(call) as response:
            async for line in response.aiter_lines():
                had_begun = bool(reader.position)
                if (request := reader.take(line)) is not None:
                    yield request
                if call.after is None and reader.position and not had_begun:
                    begun()

    @contextlib.asynccontextmanager
    async def _streamed(self, call: StreamCall) -> AsyncIterator[httpx.Response]:
        prepared = stream_message(call)
        try:
            async with self._http.stream(
                prepared.method,
                prepared.path,
                params=prepared.params,
                headers=prepared.headers,
                timeout=self._deadlines.of_streams(),
            ) as response:
                if response.status_code != HTTPStatus.OK:
                    content = await response.aread()
                    raise problem(response.status_code, response.headers, content)
                yield response
        except httpx.TransportError as error:
            raise connection.unreachable(self._url, error) from None

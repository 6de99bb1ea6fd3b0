"""Chat and push services, through the Apprise library: as many as it knows, as few as the operator allows.

It is synchronous, and connects by libraries of its own choice; so it runs in threads of its own, which are fenced.
"""

__all__ = ["ChatSender", "chat_problem", "scheme_of"]

import asyncio
import re
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from admin.core.notices.outcome import Done, Outcome, Parcel
from admin.core.notices.places import NetworkRules
from admin.senders.fenced import fence_this_thread

if TYPE_CHECKING:
    from apprise import NotifyBase

_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,31})://")
_URL_MAX: Final = 2000
# They work in threads of their own, where nobody looks at their connections.
_UNFENCED: Final = frozenset({"mqtt", "mqtts", "xmpp", "xmpps"})
_CONNECT_SECONDS: Final = 4.0


def scheme_of(url: str) -> str:
    """What the URL begins with, in lower case; empty for what is no URL."""
    found = _SCHEME.match(url)
    return "" if found is None else found[1].lower()


def chat_problem(url: str, schemes: Collection[str]) -> str | None:
    """Why no service can be reached by this URL, in a sentence that does not repeat it; None if one can. Blocks."""
    if not schemes:
        return "cannot be used: the operator allows no chat service (notifications.chat_schemes)."
    if scheme_of(url) in _UNFENCED:
        return "leads to a kind of service whose connections cannot be looked at."
    if scheme_of(url) not in schemes:
        return f"must begin with one of: {', '.join(f'{each}://' for each in sorted(schemes))}."
    if len(url) > _URL_MAX or not url.isprintable() or _service(url, 1.0) is None:
        return "is not one that Apprise understands; its documentation tells how each service's is written."
    return None


class ChatSender:
    """Never follows a redirect, always checks certificates, whatever the URL asks for."""

    def __init__(
        self,
        rules: NetworkRules,
        schemes: Collection[str],
        *,
        deadline_seconds: float,
        threads: int,
    ) -> None:
        """`schemes` are those that the operator allows now: a channel made earlier may have another."""
        self._schemes = frozenset(schemes) - _UNFENCED
        self._deadline = deadline_seconds
        self._free = asyncio.Semaphore(threads)
        self._pool = ThreadPoolExecutor(
            threads,
            thread_name_prefix="chat",
            initializer=_begin,
            initargs=(rules,),
        )

    def close(self) -> None:
        """Begin nothing more; what runs ends at its own deadlines."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def send(self, parcel: Parcel) -> Outcome:
        """Tell the service once. Never raises for what it does."""
        url = parcel.secrets[0] if parcel.secrets else ""
        if scheme_of(url) not in self._schemes:
            return Outcome(Done.FAILED, "The operator does not allow this service (any more).")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline):
                _ = await self._free.acquire()
                work = loop.run_in_executor(self._pool, self._told, url, parcel)
                # Free when the thread is, and not when nobody waits for it any more.
                work.add_done_callback(lambda _: self._free.release())
                is_taken = await asyncio.shield(work)
        except TimeoutError:
            return Outcome(Done.FAILED, f"There was no answer within {self._deadline:g} seconds.")
        if is_taken:
            return Outcome(Done.DELIVERED, "The service has taken it.")
        return Outcome(
            Done.FAILED,
            "The service did not take it, or may not be reached: its address must be public or allowed.",
        )

    def _told(self, url: str, parcel: Parcel) -> bool:
        service = _service(url, self._deadline)
        if service is None:
            return False
        kind = {"critical": "failure", "warning": "warning"}.get(parcel.severity, "info")
        try:
            return bool(
                service.notify(
                    title=parcel.title, body=parcel.text, notify_type=kind, body_format="text"
                )
            )
        except Exception:  # noqa: BLE001 -- of any of more than a hundred services; "not taken" is all there is to say
            return False


def _begin(rules: NetworkRules) -> None:
    # The library loads itself in full at its first use; that is not to happen behind the fence.
    _ = _service("json://localhost", 1.0)
    fence_this_thread(rules)


def _service(url: str, read_seconds: float) -> "NotifyBase | None":
    # Here, because it is large, and most installations use no chat service.
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415

    asset = AppriseAsset(secure_logging=True, async_mode=False, http_redirects=False)
    service: Any = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if service is None:
        return None
    # What a URL may ask for, and does not get.
    service.redirects = False
    service.verify_certificate = True
    service.socket_connect_timeout = _CONNECT_SECONDS
    service.socket_read_timeout = read_seconds
    service.retry = 0
    return service  # type: ignore[no-any-return]

"""What somebody may choose for a channel, and the words they get when it cannot be."""

__all__ = ["ChannelRules", "checked_events", "checked_recipients"]

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from admin.core.notices.filters import PATTERNS_MAX, is_pattern
from admin.core.notices.places import NetworkRules, url_problem
from admin.senders.chat import chat_problem
from admin.services.validation import checked_email
from gateway.core.errors import Misuse

_RECIPIENTS_MAX = 10


@dataclass(frozen=True, slots=True)
class ChannelRules:
    """What the configuration says about channels."""

    networks: NetworkRules = field(default_factory=NetworkRules)
    is_http_allowed: bool = False
    has_mail_server: bool = False
    chat_schemes: tuple[str, ...] = ()
    channels_max: int = 20

    def checked_webhook(self, url: str | None) -> str:
        """The URL of a webhook. Raises Misuse; the URL itself is not repeated, for it may be somebody's secret."""
        if not url:
            raise Misuse("A webhook needs a URL, like 'https://example.com/hooks/keywright'.")
        problem = url_problem(url, self.networks, is_http_allowed=self.is_http_allowed)
        if problem is not None:
            raise Misuse(f"The URL {problem}")
        return url

    async def checked_chat(self, url: str | None) -> str:
        """The Apprise URL of a chat or push service. Raises Misuse, and repeats nothing of the URL."""
        if not url:
            raise Misuse("A chat channel needs the URL of its service, as Apprise writes it.")
        problem = await asyncio.to_thread(chat_problem, url, self.chat_schemes)
        if problem is not None:
            raise Misuse(f"The URL {problem}")
        return url

    def checked_mail(self, recipients: Sequence[str]) -> tuple[str, ...]:
        """The recipients of an e-mail channel. Raises Misuse."""
        if not self.has_mail_server:
            raise Misuse(
                "No e-mail can be sent: the operator has configured no mail server (notifications.mail)."
            )
        return checked_recipients(recipients)


def checked_recipients(recipients: Sequence[str]) -> tuple[str, ...]:
    """1 to 10 e-mail addresses, each once. Raises Misuse."""
    found = tuple(dict.fromkeys(checked_email(each) for each in recipients[: _RECIPIENTS_MAX + 1]))
    if not 1 <= len(found) <= _RECIPIENTS_MAX:
        raise Misuse(f"An e-mail channel needs 1 to {_RECIPIENTS_MAX} recipients.")
    return found


def checked_events(patterns: Sequence[str]) -> tuple[str, ...]:
    """Which kinds of events, each once. Raises Misuse."""
    found = tuple(dict.fromkeys(patterns))
    if not 1 <= len(found) <= PATTERNS_MAX:
        raise Misuse(f"A channel needs 1 to {PATTERNS_MAX} kinds of events; '*' is all.")
    for each in found:
        if not is_pattern(each):
            raise Misuse(f"{each[:60]!r} is no kind of event. Write '*', 'key.*' or 'key.revoked'.")
    return found

"""What the app remembers of one request, and the ways in which it answers."""

__all__ = [
    "ASK_AGAIN",
    "CALLER",
    "REQUEST_ID",
    "Again",
    "address_of",
    "json_answer",
    "problem_answer",
]

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web

from admin.api.problems import PROBLEM_TYPE, Declined, members
from admin.core.caller import Caller
from gateway.core.addresses import Networks, client_address

REQUEST_ID = web.RequestKey("request_id", str)
CALLER = web.RequestKey("caller", Caller)


@dataclass(frozen=True, slots=True)
class Again:
    """Who asks, found out once more: a long answer goes on only as long as its token is good."""

    caller: Callable[[], Awaitable[Caller]]


ASK_AGAIN = web.RequestKey("ask_again", Again)


def address_of(request: web.Request, trusted: Networks) -> str:
    """On whose behalf the request came, past proxies that are trusted."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    host = peer[0] if isinstance(peer, tuple) and peer else ""
    return client_address(host, request.headers.getall("X-Forwarded-For", []), trusted)


def json_answer(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> web.Response:
    """JSON that is written already."""
    return web.Response(
        status=status, body=body, headers={hdrs.CONTENT_TYPE: "application/json", **(headers or {})}
    )


def problem_answer(declined: Declined, request_id: str, docs_url: str) -> web.Response:
    """A problem document; the connection ends where the rest of a body would have to be waited for."""
    body: dict[str, Any] = members(declined, request_id, docs_url)
    answer = web.Response(
        status=declined.problem.status,
        body=json.dumps(body, ensure_ascii=False).encode(),
        headers={hdrs.CONTENT_TYPE: PROBLEM_TYPE, **declined.headers},
    )
    if declined.headers.get("Connection") == "close":
        answer.force_close()
    return answer

"""`/v1/authorize`: where nginx, Traefik, Caddy and Envoy ask about each request that comes to them."""

__all__ = ["authorize_routes"]

from collections.abc import Sequence

from aiohttp import web
from multidict import CIMultiDict

from admin.api.exchange import REQUEST_ID
from admin.core.forwarded import PREFIX
from admin.services.forward_auth import Asked, ForwardAuth


def authorize_routes(forward_auth: ForwardAuth) -> Sequence[web.RouteDef]:
    """For every method, that path and everything below it. No admin token is needed there."""

    async def authorize(request: web.Request) -> web.Response:
        asked = Asked(
            request.method, request.raw_path, request.headers, _peer(request), request[REQUEST_ID]
        )
        status, fields, body = await forward_auth.answer(asked)
        answer = web.Response(status=status, body=body, headers=CIMultiDict(fields))
        if not request.content.is_eof() or "Upgrade" in request.headers:
            # A body, or what follows a handshake, is the API's: what still comes here is nobody's.
            answer.force_close()
        return answer

    return [
        web.route("*", path, authorize, expect_handler=_wants_no_body)
        for path in (PREFIX, PREFIX + r"/{rest:[\s\S]*}")
    ]


async def _wants_no_body(_request: web.Request) -> None:
    """Without a 100 (Continue) a client that waits for one sends no body."""


def _peer(request: web.Request) -> str:
    name = request.transport.get_extra_info("peername") if request.transport else None
    return str(name[0]) if isinstance(name, tuple) and name else ""

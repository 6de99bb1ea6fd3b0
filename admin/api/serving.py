"""One endpoint as a handler: parse, ask, write."""

__all__ = ["Handler", "handler"]

from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import hdrs, web
from pydantic import BaseModel

from admin.api.conditions import ANY, content_tag, has_tag, version_tag, versions
from admin.api.exchange import CALLER, json_answer
from admin.api.reading import checked_id, idempotency, parsed_body, parsed_query, read_body
from admin.api.terms import body_bytes_max, needs_body, takes_idempotency_key, takes_if_match
from admin.core.caller import Caller
from admin.core.faults import Changed
from admin.operations.acts import ACTS
from admin.operations.asked import Act, Asked
from admin.services.catalogue import Services
from admin.wire.endpoints import CREATED, Endpoint

Handler = Callable[[web.Request], Awaitable[web.Response]]


def handler(one: Endpoint, services: Services) -> Handler:
    """Answers requests to this endpoint; who asks has been found out already."""
    act = ACTS[one.name]

    async def handle(request: web.Request) -> web.Response:
        wanted = _wanted(one, request)
        caller, asked = await _asked(one, request)
        document = await _done(act, services, caller, asked, wanted)
        return _written(one, request, document)

    return handle


def _wanted(one: Endpoint, request: web.Request) -> tuple[int | None, ...]:
    if not takes_if_match(one):
        return ANY
    return versions(request.headers.getall(hdrs.IF_MATCH, []))


async def _asked(one: Endpoint, request: web.Request) -> tuple[Caller, Asked]:
    ids = {name: checked_id(name, text) for name, text in request.match_info.items()}
    query = parsed_query(one.query, request.rel_url.raw_query_string)
    caller = request[CALLER]
    if one.body is None:
        return caller, Asked(ids, query)
    sent = await read_body(request, body_bytes_max(one))
    media_type = request.headers.get(hdrs.CONTENT_TYPE)
    body = parsed_body(one.body, sent, media_type, is_needed=needs_body(one))
    if takes_idempotency_key(one):
        keys = request.headers.getall("Idempotency-Key", [])
        caller = replace(caller, idempotency=idempotency(keys, one.method, request.path, sent))
    return caller, Asked(ids, query, body)


async def _done(
    act: Act, services: Services, caller: Caller, asked: Asked, wanted: tuple[int | None, ...]
) -> BaseModel:
    # Of several versions that would do, those that are not the present one change nothing.
    for version in wanted[:-1]:
        try:
            return await act(services, caller, asked._replace(expected=version))
        except Changed:
            continue
    return await act(services, caller, asked._replace(expected=wanted[-1]))


def _written(one: Endpoint, request: web.Request, document: BaseModel) -> web.Response:
    body = document.model_dump_json().encode()
    headers: dict[str, str] = {}
    version = getattr(document, "version", None) if one.is_versioned else None
    if isinstance(version, int):
        reads = one.method == hdrs.METH_GET
        headers[hdrs.ETAG] = content_tag(version, body) if reads else version_tag(version)
        if reads and has_tag(request.headers.getall(hdrs.IF_NONE_MATCH, []), headers[hdrs.ETAG]):
            return web.Response(status=304, headers=headers)
    if one.status == CREATED:
        headers[hdrs.LOCATION] = f"{request.path}/{getattr(document, 'id', '')}"
    return json_answer(one.status, body, headers)

"""/openapi.json, and the page at /docs that is made from it. Nothing of it comes from elsewhere, no script runs."""

__all__ = ["docs_routes"]

import asyncio
import functools
import json
import re
from importlib.resources import files
from typing import Any, NamedTuple

from aiohttp import hdrs, web
from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from admin.api.conditions import content_tag, has_tag
from admin.api.docs_model import groups
from admin.api.openapi import openapi_document
from admin.api.reading import parsed_query
from admin.wire.shapes import Request

_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_WORDS_MAX = 200
_CODE = re.compile(r"`([^`]+)`")


class _Search(Request):
    q: str = ""


class _Documentation(NamedTuple):
    """The same for every installation of this release."""

    document: dict[str, Any]
    body: bytes
    page: Template
    style: bytes


def docs_routes(docs_url: str) -> list[web.RouteDef]:
    """Open to all. Made at the first request for any of it: that takes a third of a second, on a thread."""

    async def openapi(request: web.Request) -> web.Response:
        made = await asyncio.to_thread(_documentation, docs_url)
        return _kept(request, made.body, "application/json")

    async def stylesheet(request: web.Request) -> web.Response:
        made = await asyncio.to_thread(_documentation, docs_url)
        return _kept(request, made.style, "text/css")

    async def docs(request: web.Request) -> web.Response:
        made = await asyncio.to_thread(_documentation, docs_url)
        search = parsed_query(_Search, request.rel_url.raw_query_string)
        words = "" if search is None else search.q[:_WORDS_MAX]
        shown = made.page.render(
            document=made.document, groups=groups(made.document, words), words=words
        )
        return web.Response(
            text=shown,
            content_type="text/html",
            charset="utf-8",
            headers={"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"},
        )

    return [
        web.get("/openapi.json", openapi),
        web.get("/docs", docs),
        web.get("/docs/style.css", stylesheet),
    ]


@functools.cache
def _documentation(docs_url: str) -> _Documentation:
    document = openapi_document(docs_url)
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    return _Documentation(document, body, _page(), _file("static", "docs.css").encode())


def _page() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=DictLoader({"docs.html": _file("templates", "docs.html")}),
    )
    environment.filters["marked"] = _marked
    return environment.get_template("docs.html")


def _marked(text: str) -> Markup:
    """Escaped, with what stands between backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 -- escaped first


def _file(folder: str, name: str) -> str:
    return files("admin.api").joinpath(folder, name).read_text(encoding="utf-8")


def _kept(request: web.Request, body: bytes, content_type: str) -> web.Response:
    """The same until the next release, so whoever has it is told that it is."""
    headers = {hdrs.ETAG: content_tag(None, body)}
    if has_tag(request.headers.getall(hdrs.IF_NONE_MATCH, []), headers[hdrs.ETAG]):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

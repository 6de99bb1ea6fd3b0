"""The body of a form, with or without a file, read no further than it may be long."""

__all__ = ["sent_form"]

import asyncio
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from admin.console.form import Form, UploadedFile, parsed_form
from admin.core.faults import NotAllowed
from gateway.core.errors import Misuse

_FORM_SECONDS = 30.0
# A larger file comes over a slower line.
_FILE_SECONDS = 300.0
_FORM_TYPE = "application/x-www-form-urlencoded"
_FILE_TYPE = "multipart/form-data"
_PARTS_MAX = 100
_NAME_LENGTH_MAX = 200


async def sent_form(request: web.Request, size_max: int, *, takes_file: bool = False) -> Form:
    """The form of this request. Raises NotAllowed for any other kind of body, as only other sites send them,
    Misuse for one that is too large or cannot be read, TimeoutError for one that does not arrive.
    """
    wanted = _FILE_TYPE if takes_file else _FORM_TYPE
    if request.content_type != wanted:
        raise NotAllowed(f"The console takes this form as {wanted}, and nothing else.")
    if (request.content_length or 0) > size_max:
        raise _too_large(size_max)
    if takes_file:
        async with asyncio.timeout(_FILE_SECONDS):
            return await _with_file(request, size_max)
    body = bytearray()
    async with asyncio.timeout(_FORM_SECONDS):
        async for part in request.content.iter_any():
            body += part
            if len(body) > size_max:
                raise _too_large(size_max)
    return parsed_form(bytes(body))


async def _with_file(request: web.Request, size_max: int) -> Form:
    pairs: list[tuple[str, str]] = []
    files: dict[str, UploadedFile] = {}
    left = size_max
    try:
        async for part in _parts(request):
            body = await _body(part, left, size_max)
            left -= len(body)
            name = part.name or ""
            if part.filename is None:
                pairs.append((name, body.decode()))
            elif part.filename:
                files[name] = UploadedFile(part.filename[:_NAME_LENGTH_MAX], body)
    except (HttpProcessingError, TypeError, ValueError):
        raise Misuse("This form cannot be read. Go back and send it again.") from None
    return Form(pairs, files)


async def _parts(request: web.Request) -> AsyncIterator[BodyPartReader]:
    reader = await request.multipart()
    for _ in range(_PARTS_MAX):
        part = await reader.next()
        if part is None:
            return
        if not isinstance(part, BodyPartReader):
            raise TypeError("a form within a form")
        yield part
    raise ValueError("too many fields")


async def _body(part: BodyPartReader, left: int, size_max: int) -> bytes:
    body = bytearray()
    while piece := await part.read_chunk():
        body += piece
        if len(body) > left:
            raise _too_large(size_max)
    return bytes(body)


def _too_large(size_max: int) -> Misuse:
    return Misuse(f"This form is larger than {size_max // 1024} KiB.")

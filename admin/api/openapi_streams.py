"""The operations of the OpenAPI document that are answered piece by piece."""

__all__ = ["stream_operation"]

from typing import Final

from admin.api.openapi_parts import Schema, parameters_of, reference, tag_of
from admin.api.usage_examples import LINES
from admin.wire.streams import Stream

_PROBLEMS: Final = (400, 401, 403, 404, 422, 429, 500, 503)


def stream_operation(one: Stream, ids: list[Schema], query: Schema) -> Schema:
    """The description of a stream; `ids` are the parameters of its path, `query` is the schema of its query."""
    headers = ["X-Request-Id", *(["Last-Event-ID"] if one.is_endless else [])]
    return {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"Needs `{one.permission}`. {_words(one)}",
        "tags": [tag_of(one.name)],
        "parameters": [
            *ids,
            *parameters_of(query),
            *(reference("parameters", name) for name in headers),
        ],
        "responses": {
            "200": {
                "description": "Begun.",
                "headers": {"X-Request-Id": reference("headers", "X-Request-Id")},
                "content": {
                    media_type: {"schema": {"type": "string"}, "example": LINES[media_type]}
                    for media_type in one.media_types
                },
            },
            **{str(status): reference("responses", f"Problem{status}") for status in _PROBLEMS},
        },
    }


def _words(one: Stream) -> str:
    line = one.line.__name__
    if one.is_endless:
        return (
            f"Each event `request` holds a `{line}` as `keys.requests` lists them; a comment every ten seconds shows"
            " that the connection lives. The last event, `end`, tells the `reason`: `time`, `token` or `shutdown`."
            " Whoever comes back with `Last-Event-ID` misses nothing."
        )
    return (
        f"A line for each request, with the fields of `{line}`. A connection that ends without the end of the answer"
        " means that something is missing. In CSV an apostrophe stands before a text that a spreadsheet would compute."
    )

"""How every document and request is written (RFC 8259, RFC 3339)."""

__all__ = [
    "Document",
    "Duration",
    "Metadata",
    "Moment",
    "PageQuery",
    "Request",
    "Text",
    "Timestamp",
    "Word",
]

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from admin.core.page import PAGE_MAX

_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:]{8}(\.[0-9]{1,9})?([Zz]|[+-][0-9:]{5})")

_DURATION = re.compile(r"[1-9][0-9]{0,8}[smhdw]")


def _read(value: object) -> object:
    """A time as RFC 3339 writes it; pydantic alone would also take a bare number for one."""
    if not isinstance(value, str):
        return value
    if _RFC3339.fullmatch(value) is None:
        raise ValueError("write a time as '2026-01-31T09:00:00Z'")
    return datetime.fromisoformat(value.upper())


def _checked_moment(text: str) -> str:
    if _DURATION.fullmatch(text) is None:
        if _RFC3339.fullmatch(text) is None:
            raise ValueError("write a time as '2026-01-31T09:00:00Z', or how long ago as '24h'")
        try:
            datetime.fromisoformat(text.upper())
        except ValueError:
            raise ValueError("there is no such time in the calendar") from None
    return text


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_read),
    PlainSerializer(_written),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
# A whole number and its unit, as the commands take it.
Duration = Annotated[
    str,
    StringConstraints(pattern=f"^{_DURATION.pattern}$"),
    Field(examples=["90d"], description="A whole number and s, m, h, d or w."),
]
# A time, or how long ago: whoever reads it knows what time it is.
Moment = Annotated[
    str,
    AfterValidator(_checked_moment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "string", "pattern": f"^{_DURATION.pattern}$"},
            ]
        }
    ),
    Field(examples=["24h", "2026-01-31T09:00:00Z"]),
]
Text = Annotated[str, StringConstraints(max_length=1000)]
# An id or a name to look for: longer than any that there is.
Word = Annotated[str, StringConstraints(max_length=200)]
Metadata = dict[str, Text]


class Document(BaseModel):
    """What is answered. A reader leaves out what a later release has added."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Request(BaseModel):
    """What is asked: an unknown field is a mistake, and no number is taken for a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PageQuery(Request):
    """Which page of a list."""

    limit: int = Field(default=50, ge=1, le=PAGE_MAX, description="At most so many.")
    cursor: str | None = Field(
        default=None,
        max_length=2000,
        pattern="^[0-9A-Za-z_-]+$",
        description="`next_cursor` of the page before.",
    )

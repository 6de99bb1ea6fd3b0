"""How every document and request is written (RFC 8259, RFC 3339)."""

__all__ = ["Document", "Duration", "Metadata", "PageQuery", "Request", "Text", "Timestamp"]

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from admin.core.page import PAGE_MAX


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[
    AwareDatetime,
    PlainSerializer(_written),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
# A whole number and its unit, as the commands take it.
Duration = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,8}[smhdw]$"),
    Field(examples=["90d"], description="A whole number and s, m, h, d or w."),
]
Text = Annotated[str, StringConstraints(max_length=1000)]
Metadata = dict[str, Text]


class Document(BaseModel):
    """What is answered."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Request(BaseModel):
    """What is asked: an unknown field is a mistake, and no number is taken for a text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class PageQuery(Request):
    """Which page of a list."""

    limit: int = Field(default=50, ge=1, le=PAGE_MAX, description="At most so many.")
    cursor: str | None = Field(
        default=None, max_length=2000, description="`next_cursor` of the page before."
    )

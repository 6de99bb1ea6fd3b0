"""What every group of settings is, whichever file describes its fields."""

__all__ = ["Section"]

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


def _written_name(name: str) -> str:
    return name.removesuffix("_seconds").removesuffix("_bytes")


class Section(BaseModel):
    """A group of settings: unknown fields are mistakes, and nothing changes after reading."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=_written_name,
    )

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_all_defaults(cls, data: Any) -> Any:  # noqa: ANN401 -- whatever the file holds
        return {} if data is None else data

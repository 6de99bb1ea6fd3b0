"""Quotas of plans: how much an account may use in a calendar month, and what happens when it has."""

__all__ = ["QuotaSettings"]

from typing import Annotated

from pydantic import model_validator

from gateway.core.quota import AtLimit
from gateway.settings.section import Section
from gateway.settings.values import Count, Size


class QuotaSettings(Section):
    """What an account may use in a calendar month (UTC): requests, bytes both ways, or both."""

    requests: Count | None = None
    bytes: Annotated[int, Size("1KiB", "1048576GiB")] | None = None
    at_limit: AtLimit = AtLimit.REFUSE

    @model_validator(mode="after")
    def _says_how_much(self) -> "QuotaSettings":
        if self.requests is None and self.bytes is None:
            raise ValueError("names neither requests nor bytes, so there is nothing to count up to")
        return self

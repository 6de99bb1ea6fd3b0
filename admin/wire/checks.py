"""Asking about a key without a request to the proxy: verify and explain."""

__all__ = [
    "ExplainDocument",
    "ExplainRequest",
    "LimitLeft",
    "RuleDocument",
    "VerifyDocument",
    "VerifyRequest",
]

from typing import Literal

from pydantic import Field, SecretStr

from admin.wire.shapes import Document, Request
from gateway.core.keys import Environment, KeyType


class VerifyRequest(Request):
    """The token, and what it is to be used for. Without `path` no route is looked at; `cost: 0` takes nothing.

    `method` and `path` go together. `scopes` must all be held. `address` and `origin` are those of whoever
    sent the token: a key that is bound to some is refused without.
    """

    token: SecretStr = Field(max_length=4096)
    method: str | None = Field(default=None, max_length=32)
    path: str | None = Field(default=None, max_length=8192)
    scopes: tuple[str, ...] = ()
    cost: int | None = Field(default=None, ge=0, le=1_000_000)
    address: str | None = Field(default=None, max_length=64)
    origin: str | None = Field(default=None, max_length=300)


class LimitLeft(Document):
    """One limit, and what is left of it."""

    name: str
    quota: int
    window: int
    remaining: int
    reset_in: int


class VerifyDocument(Document):
    """RFC 7662's answer and ours: `active`, else `code` and `reason`. Of an unknown key nothing more is said."""

    active: bool
    code: str | None = None
    reason: str | None = None
    key: str | None = None
    name: str | None = None
    client_id: str | None = Field(default=None, description="The account.")
    scope: str | None = None
    type: KeyType | None = None
    environment: Environment | None = None
    route: str | None = None
    exp: int | None = None
    nbf: int | None = None
    limits: tuple[LimitLeft, ...] = ()
    retry_after: int | None = None


class ExplainRequest(Request):
    """A request as the key's holder would make it."""

    key_id: str
    method: str = Field(default="GET", max_length=32)
    path: str = Field(max_length=8192)
    address: str | None = Field(default=None, max_length=64)
    origin: str | None = Field(default=None, max_length=300)


class RuleDocument(Document):
    """One rule, in the order in which admission asks; what comes after a refusal is told, too."""

    rule: str
    outcome: Literal["pass", "refuse", "not_reached"]
    code: str | None = None
    detail: str


class ExplainDocument(Document):
    """What would happen, and why. No token is taken."""

    key: str
    allowed: bool
    status: int
    code: str | None
    route: str | None
    rules: tuple[RuleDocument, ...]
    limits: tuple[LimitLeft, ...]

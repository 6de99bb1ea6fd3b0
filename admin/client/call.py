"""One call of the API as a value: what is asked, and which document answers it. Nothing here sends anything."""

__all__ = ["Call", "asked", "changed", "given"]

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from admin.wire.endpoints import Endpoint, endpoint
from admin.wire.words import UNSET

Answer = TypeVar("Answer", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[Answer]):
    """What is asked of an endpoint. `expected` is the version that a change is made conditional on."""

    endpoint: Endpoint
    answer: type[Answer]
    ids: Mapping[str, str]
    query: BaseModel | None = None
    body: BaseModel | None = None
    expected: int | None = None
    idempotency_key: str | None = field(default=None, repr=False)

    def asking(self, **fields: Any) -> "Call[Answer]":  # noqa: ANN401 -- the query's own fields
        """The same call with other values in its query, such as the next page's cursor."""
        if self.query is None:
            raise TypeError(f"{self.endpoint.name} takes no query")
        return replace(self, query=self.query.model_copy(update=fields))


def asked(  # noqa: PLR0913 -- one parameter for each part of a call
    name: str,
    answer: type[Answer],
    ids: Mapping[str, str] | None = None,
    *,
    query: BaseModel | None = None,
    body: BaseModel | None = None,
    if_match: int | None = None,
    idempotency_key: str | None = None,
) -> Call[Answer]:
    """A call of the endpoint of that name."""
    return Call(endpoint(name), answer, ids or {}, query, body, if_match, idempotency_key)


def given(**values: Any) -> dict[str, Any]:  # noqa: ANN401 -- any field's value
    """Those that were given: None is as good as nothing where something is made or looked for."""
    return {name: value for name, value in values.items() if value is not None}


def changed(**values: Any) -> dict[str, Any]:  # noqa: ANN401 -- any field's value
    """Those that are to change: None takes something away, UNSET leaves it as it is."""
    return {name: value for name, value in values.items() if value is not UNSET}

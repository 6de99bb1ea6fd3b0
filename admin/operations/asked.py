"""What an act is asked, and its shape."""

__all__ = ["Act", "Asked"]

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel

from admin.core.caller import Caller
from admin.services.catalogue import Services

Model = TypeVar("Model", bound=BaseModel)


class Asked(NamedTuple):
    """The ids of the path, query and body as the endpoint has them, and the version the caller has seen."""

    ids: Mapping[str, str] = {}
    query: BaseModel | None = None
    body: BaseModel | None = None
    expected: int | None = None

    def the_query(self, model: type[Model]) -> Model:
        """The query, of the one model that the endpoint takes."""
        return _of(model, self.query)

    def the_body(self, model: type[Model]) -> Model:
        """The body, of the one model that the endpoint takes."""
        return _of(model, self.body)


Act: TypeAlias = Callable[[Services, Caller, Asked], Awaitable[BaseModel]]


def _of(model: type[Model], given: BaseModel | None) -> Model:
    # Whoever calls an act has parsed for its endpoint; anything else is a mistake in our own code.
    if not isinstance(given, model):
        raise TypeError(f"this act takes {model.__name__}, not {type(given).__name__}")
    return given

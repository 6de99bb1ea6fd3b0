"""The question that every lane, protocol and endpoint puts to admission, and its three answers (design §1)."""

__all__ = ["Admitted", "Decision", "Inquiry", "Waits"]

from collections.abc import Awaitable, Callable
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from gateway.core.credential import Presented
from gateway.core.keys import Key
from gateway.core.limits import Grant
from gateway.core.paths import CanonicalTarget
from gateway.core.refusal import Refused
from gateway.core.routes import Route
from gateway.pipeline.terms import KnownKey

_T = TypeVar("_T")


class Inquiry(NamedTuple):
    """What admission needs to know of a request; nothing in it has been judged yet.

    `target` is the request target as received, `presented` what stands in the header fields where a
    credential may be, `origin` is the Origin field's value, and `address` is the client's address after
    trusted proxies have been taken off.
    """

    method: str
    target: str
    host: str | None
    presented: Presented
    origin: str | None
    address: str

    def __repr__(self) -> str:
        """Shows neither the credential nor the query."""
        return f"Inquiry({self.method}, {self.address}, …)"


class Admitted(NamedTuple):
    """Yes: who asks, where it goes, and what is left of the limits. The tokens are already taken.

    `target` is without the credential, if that stood in the query.
    """

    key: Key
    route: Route
    target: CanonicalTarget
    grant: Grant
    known: KnownKey


class Waits(Generic[_T]):
    """The answer needs I/O. Only then does the caller await anything."""

    __slots__ = ("_resume",)

    def __init__(self, resume: Callable[[], Awaitable[_T]]) -> None:
        """`resume` goes on where the decision stopped; it raises nothing that is expected to happen."""
        self._resume = resume

    async def resolve(self) -> _T:
        """The answer, once. An outage is a Refused too (503), never an exception."""
        return await self._resume()


Decision: TypeAlias = Admitted | Refused | Waits[Admitted | Refused]

"""Where commands are carried out: on the stores of this machine, or by the admin API of another."""

__all__ = ["Backend", "LocalBackend", "RemoteBackend"]

import asyncio
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from pydantic import BaseModel

from admin.cli.wiring import local_operator, settings_of
from admin.client import Client
from admin.client.call import Call
from admin.client.streams import StreamCall
from admin.operations.acts import ACTS
from admin.operations.asked import Asked
from admin.operations.usage_streams import EXPORTS, TAILS
from admin.plane.wiring import data_url, opened
from admin.services.catalogue import Services
from admin.services.schema import ensure_schema
from admin.wire.endpoints import endpoint
from admin.wire.usage import RequestDocument

Part = TypeVar("Part")

# The first thing that somebody does needs no ceremony: an empty database is set up for it.
_SETS_UP = frozenset({"accounts.create", "users.create", "tokens.create", "keys.import"})


class Backend(Protocol):
    """Answers what commands ask."""

    def ask(
        self,
        endpoint_name: str,
        ids: Mapping[str, str] | None = None,
        query: BaseModel | None = None,
        body: BaseModel | None = None,
        expected: int | None = None,
    ) -> BaseModel:
        """The document of this endpoint; raises what `admin.cli.faults.explained` has words for."""
        ...

    def download(self, call: StreamCall) -> Iterator[bytes]:
        """The bytes of a file, as they come."""
        ...

    def follow(self, call: StreamCall, begun: Callable[[], None]) -> Iterator[RequestDocument]:
        """Requests as they come in, for ever. `begun` is called once: what comes in from then on is told."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class RemoteBackend:
    """Asks the admin API of an installation."""

    def __init__(self, client: Client) -> None:
        """Closes the client when it is closed."""
        self._client = client

    def ask(
        self,
        endpoint_name: str,
        ids: Mapping[str, str] | None = None,
        query: BaseModel | None = None,
        body: BaseModel | None = None,
        expected: int | None = None,
    ) -> BaseModel:
        """What the API answers. Raises ApiError, Unreachable."""
        one = endpoint(endpoint_name)
        return self._client.ask(Call(one, one.answer, ids or {}, query, body, expected))

    def download(self, call: StreamCall) -> Iterator[bytes]:
        """What the API sends. Raises ApiError, Unreachable."""
        return self._client.download(call)

    def follow(self, call: StreamCall, begun: Callable[[], None]) -> Iterator[RequestDocument]:
        """What the API tells. Raises ApiError, Unreachable, StreamEnded."""
        return self._client.follow(call, begun)

    def close(self) -> None:
        """End its connections."""
        self._client.close()


class LocalBackend:
    """Does it on the stores that a configuration file names, as the operator of this machine."""

    def __init__(self, config: Path | None) -> None:
        """Nothing is read or opened before the first question."""
        self._config = config
        self._runner = asyncio.Runner()
        self._host: asyncio.Task[None] | None = None

    def ask(
        self,
        endpoint_name: str,
        ids: Mapping[str, str] | None = None,
        query: BaseModel | None = None,
        body: BaseModel | None = None,
        expected: int | None = None,
    ) -> BaseModel:
        """What the services answer. Raises Misuse for a database with another schema, and what services raise."""
        asked = Asked(ids or {}, query, body, expected)
        return self._runner.run(self._answer(endpoint_name, asked))

    def download(self, call: StreamCall) -> Iterator[bytes]:
        """What the services send. Raises as `ask` does."""
        act = EXPORTS[call.stream.name]
        parts = self._runner.run(
            self._begun(lambda services: act(services, local_operator(), _asked(call)))
        )
        return self._each(parts)

    def follow(self, call: StreamCall, begun: Callable[[], None]) -> Iterator[RequestDocument]:
        """What the services tell. Raises as `ask` does."""
        act = TAILS[call.stream.name]
        after = None if call.after is None else int(call.after)
        parts = self._runner.run(
            self._begun(lambda services: act(services, local_operator(), _asked(call), after))
        )
        # The first part says from where on.
        for number, part in enumerate(self._each(parts)):
            yield from part.requests
            if not number:
                begun()

    def close(self) -> None:
        """Close the stores."""
        if self._host is not None:
            self._runner.run(self._end(self._host))
        self._runner.close()

    async def _answer(self, name: str, asked: Asked) -> BaseModel:
        if self._host is None:
            self._begin(sets_up=name in _SETS_UP)
        return await ACTS[name](await self._services, local_operator(), asked)

    async def _begun(
        self, begin: Callable[[Services], Awaitable[AsyncGenerator[Part, None]]]
    ) -> AsyncGenerator[Part, None]:
        if self._host is None:
            self._begin(sets_up=False)
        return await begin(await self._services)

    def _each(self, parts: AsyncGenerator[Part, None]) -> Iterator[Part]:
        """Each part when it is asked for: nothing goes on in between."""

        async def following() -> Part | None:
            return await anext(parts, None)

        async def ending() -> None:
            await parts.aclose()

        try:
            while (part := self._runner.run(following())) is not None:
                yield part
        finally:
            self._runner.run(ending())

    def _begin(self, *, sets_up: bool) -> None:
        loop = asyncio.get_running_loop()
        self._services: asyncio.Future[Services] = loop.create_future()
        self._is_over = asyncio.Event()
        # One task from opening to closing, over all questions: what is open has tasks of its own that belong to it.
        self._host = loop.create_task(self._hold(sets_up=sets_up))

    async def _hold(self, *, sets_up: bool) -> None:
        try:
            settings = settings_of(self._config)
            if sets_up and (made := await ensure_schema(data_url(settings))) is not None:
                sys.stderr.write(f"{made.sentence}\n")
            async with opened(settings) as services:
                self._services.set_result(services)
                await self._is_over.wait()
        except Exception as error:
            if self._services.done():
                raise
            self._services.set_exception(error)

    async def _end(self, host: asyncio.Task[None]) -> None:
        self._is_over.set()
        await host


def _asked(call: StreamCall) -> Asked:
    return Asked(call.ids, call.query)

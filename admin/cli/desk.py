"""What a command works with: it asks, it says, and it makes sure. And how commands get their common options."""

__all__ = ["Desk", "Paging", "command"]

import contextlib
import functools
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, SecretStr

from admin.cli.backend import Backend
from admin.cli.options import Api, ConfigFile, Json, Token, TokenFile
from admin.cli.output import Output, Said
from admin.cli.remote import Surroundings, Where, backend
from admin.client.call import Call
from admin.client.pages import Paged
from admin.client.streams import StreamCall
from admin.core.faults import NotFound
from admin.wire.usage import RequestDocument
from gateway.clock import SystemClock
from gateway.core.errors import KeywrightError

Answer = TypeVar("Answer", bound=BaseModel)

# What the API takes for an id at all, and the words of its refusal.
_ID = re.compile(r"[0-9A-Za-z_]{1,64}")
# What tells of a page rather than of what is on it.
_OF_THE_PAGE = frozenset({"next_cursor", "last_sequence", "unread"})


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is wanted."""

    limit: int | None
    cursor: str | None
    is_all: bool

    @property
    def asked(self) -> dict[str, Any]:
        """As calls take it."""
        return {"limit": self.limit, "cursor": self.cursor}


class Desk:
    """One command's way to ask and to say. `now` is when it began."""

    def __init__(self, backend: Backend, output: Output) -> None:
        """Closing the backend is somebody else's."""
        self.backend = backend
        self.output = output
        self.now = datetime.fromtimestamp(SystemClock().now(), UTC)

    def ask(self, call: Call[Answer]) -> Answer:
        """The document that answers this call. Raises NotFound for an id that none can be, wherever it is asked."""
        _check_ids(call.ids)
        document = self.backend.ask(
            call.endpoint.name, call.ids, call.query, call.body, call.expected
        )
        if not isinstance(document, call.answer):
            raise TypeError(f"{call.endpoint.name} was answered with a {type(document).__name__}")
        return document

    def every(self, paged: Paged[..., Answer, Any], call: Call[Answer]) -> Answer:
        """All pages from this one on, as one."""
        page = self.ask(call)
        items = list(paged.items(page))
        following = paged.following(call, page)
        while following is not None:
            page = self.ask(following)
            items += paged.items(page)
            following = paged.following(following, page)
        (field,) = set(type(page).model_fields) - _OF_THE_PAGE
        return page.model_copy(update={field: tuple(items)})

    def page(self, paged: Paged[..., Answer, Any], call: Call[Answer], paging: Paging) -> Answer:
        """The page that was asked for, or all of them as one."""
        if not paging.is_all:
            return self.ask(call)
        return self.every(paged, call if paging.limit is not None else call.asking(limit=200))

    def download(self, call: StreamCall) -> Iterator[bytes]:
        """The bytes of a file, as they come. Raises NotFound for an id that none can be."""
        _check_ids(call.ids)
        return self.backend.download(call)

    def follow(
        self, call: StreamCall, begun: Callable[[], None] = lambda: None
    ) -> Iterator[RequestDocument]:
        """Requests as they come in from when `begun` is called. Raises NotFound for an id that none can be."""
        _check_ids(call.ids)
        return self.backend.follow(call, begun)

    def show(self, document: BaseModel, *said: Said, warnings: tuple[str, ...] = ()) -> None:
        """The document as it is, or what is said to people; warnings are in the document already."""
        self.output.show(document.model_dump(mode="json"), *said)
        if not self.output.is_json:
            for warning in warnings:
                self.output.warn(warning)

    def hint_at_more(self, next_cursor: str | None) -> None:
        """Tell people that the list goes on."""
        if next_cursor is not None and not self.output.is_json:
            self.output.note(
                f"there are more: --all shows all, --cursor {next_cursor} the next page"
            )

    def make_sure(self, question: str, *, is_sure: bool) -> None:
        """Return if somebody at a terminal says yes, or none is there. Raises KeywrightError for a no."""
        if is_sure or not (sys.stdin.isatty() and sys.stdout.isatty()):
            return
        if not typer.confirm(question, err=True):
            raise KeywrightError("nothing was changed")


def _check_ids(ids: Mapping[str, str]) -> None:
    for name, id_ in ids.items():
        if _ID.fullmatch(id_) is None:
            raise NotFound(f"There is nothing with this {name.replace('_', ' ')}.")


def command(group: typer.Typer, name: str | None = None) -> Callable[[Any], Any]:
    """Make a function a command of the group.

    Its parameter of type Desk becomes the options that say where it is carried out and how it answers; one of
    type Paging those that say which part of a list is wanted.
    """

    def register(act: Callable[..., None]) -> Callable[..., None]:
        group.command(name)(_with_options(act))
        return act

    return register


def _ask(  # noqa: PLR0913, PLR0917 -- the options, for their names and types
    context: typer.Context,
    config: ConfigFile = None,
    api: Api = None,
    token: Token = None,
    token_file: TokenFile = None,
    is_json: Json = False,  # noqa: FBT002
) -> None: ...


def _page(
    limit: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=200, help="At most so many.", show_default=False),
    ] = None,
    cursor: Annotated[
        str | None, typer.Option(help="Where the page before has ended.", show_default=False)
    ] = None,
    is_all: Annotated[bool, typer.Option("--all", help="All of them.")] = False,  # noqa: FBT002
) -> None: ...


_OPTIONS: dict[object, Callable[..., None]] = {Desk: _ask, Paging: _page}


def _with_options(act: Callable[..., None]) -> Callable[..., None]:
    """`act` as typer is to see it."""
    kept, common = [], []
    wants_page = False
    for one in inspect.signature(act).parameters.values():
        shape = _OPTIONS.get(one.annotation)
        wants_page = wants_page or one.annotation is Paging
        if shape is None:
            kept.append(one)
        else:
            common += [
                each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
                for each in inspect.signature(shape).parameters.values()
            ]

    @functools.wraps(act)
    def run(*, context: typer.Context, **given: Any) -> None:  # noqa: ANN401 -- the options, as parsed
        where = Where(
            given.pop("config"),
            given.pop("api"),
            _secret(given.pop("token")),
            given.pop("token_file"),
        )
        output = Output.to_stdout(is_json=given.pop("is_json"))
        if wants_page:
            given["page"] = Paging(given.pop("limit"), given.pop("cursor"), given.pop("is_all"))
        with _opened(where, context.obj or Surroundings()) as opened:
            act(desk=Desk(opened, output), **given)

    keyword = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in kept]
    signature = inspect.Signature([*keyword, *common])
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    return run


@contextlib.contextmanager
def _opened(where: Where, around: Surroundings) -> Iterator[Backend]:
    with contextlib.closing(backend(where, around)) as opened:
        yield opened


def _secret(token: str | None) -> SecretStr | None:
    return None if token is None else SecretStr(token)

"""What a page is made of: its row in the table of pages, and the visit that it answers.

    async def _list(visit: Visit) -> web.StreamResponse:
        found = await visit.act("keys.list", KeyPage, query={"limit": 50})
        return visit.render("keys/list.html", keys=found.keys)

    KEY_PAGES = (Page("GET", "/keys", Permission.KEYS_READ, _list),)

A POST comes here only if a page of ours has sent it. What an act refuses because of what was typed is
`Unfit`: a page shows its form again with `unfit.errors`, and needs not: then the reader gets an error page
that says the same. Everything else that can go wrong is answered for every page alike (answering.py).
"""

__all__ = ["Handle", "Model", "OpenPage", "Page", "Unfit", "Visit"]

import dataclasses
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeAlias, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from admin.console.arrival import SIGN_IN, Arrival, Console
from admin.console.form import Form
from admin.console.known_browser import known_browser
from admin.console.navigation import Item, navigation
from admin.core.caller import Caller, Idempotency, Permission
from admin.core.faults import Changed, Conflict, NotFound, Reused
from admin.operations.acts import ACTS
from admin.operations.asked import Asked
from admin.services.sign_ins import OWN_METHODS, user_caller
from admin.stores.proofs import Proofs
from admin.stores.sign_ins import SignedIn, SignIn
from admin.stores.users import UserView
from admin.wire.endpoints import endpoint
from gateway.core.errors import Misuse

Model = TypeVar("Model", bound=BaseModel)
Method: TypeAlias = Literal["GET", "POST"]

FORM_BYTES_MAX = 64 * 1024


class Unfit(Exception):
    """What was asked for cannot be, and its reader can do something about it.

    `errors` has a sentence for each field, such as `limits.0.quota`, and under an empty name what concerns
    the whole. `status` is 422, or 409 when somebody else has changed it meanwhile, or the form was sent before.
    """

    def __init__(
        self, errors: Mapping[str, str], status: int = 422, *, is_repeated: bool = False
    ) -> None:
        """`errors` is not empty. `is_repeated`: the very same form was sent before, and did what it is for."""
        super().__init__("a form was refused")
        self.errors = dict(errors)
        self.status = status
        self.is_repeated = is_repeated

    @property
    def words(self) -> str:
        """All that is wrong, in one text."""
        return " ".join(
            f"{field.replace('_', ' ').capitalize()}: {text}" if field else text
            for field, text in self.errors.items()
        )


class Visit(Arrival):
    """A request of somebody who is signed in. They may do what their role has now, and nothing else."""

    def __init__(
        self,
        console: Console,
        request: web.Request,
        signed_in: SignedIn,
        form: Form | None = None,
    ) -> None:
        """`signed_in` was read for this request."""
        super().__init__(console, request, form)
        self.signed_in = signed_in
        self.user: UserView = signed_in.user
        self.sign_in: SignIn = signed_in.sign_in
        self.caller: Caller = user_caller(signed_in.user, self.address, self.request_id)

    @property
    def binding(self) -> str:
        """The forms of somebody who is signed in are bound to their sign-in."""
        answered = self._answering.cookies.get(SIGN_IN)
        return self.cookie(SIGN_IN) if answered is None else answered[0]

    def carry(self, token: str) -> None:
        """Let the browser carry another token of this sign-in from now on."""
        seconds = int(self.sign_in.expires_at - self.now)
        self.set_cookie(SIGN_IN, token, seconds=max(1, seconds))

    async def renew(self, *, is_proved: bool = False) -> None:
        """Give the browser another cookie; whoever has the one before is signed out.

        `is_proved`: the user has just shown again who they are.
        """
        sign_ins = self.services.console.sign_ins
        fresh = await sign_ins.renew(self.binding, self.user, is_proved=is_proved)
        if fresh is not None:
            self.carry(fresh)

    async def is_password(self, proofs: Proofs | None, password: str) -> bool:
        """Whether this is the user's password; counted among their attempts. Raises TooMany."""
        services, email = self.services.console, self.user.email
        browser = known_browser(self, self.user.id)
        async with services.attempts.password(email, self.address, browser):
            is_right = await services.passwords.is_right(proofs, password)
            if not is_right:
                services.attempts.password_failed(email, self.address, browser)
            return is_right

    @property
    def has_proved(self) -> bool:
        """Whether they have shown lately who they are."""
        return self.now - self.sign_in.proved_at < self.console.terms.reauthenticate_seconds

    @property
    def lacks_factor(self) -> bool:
        """Whether they still have to add the second factor that their role needs with a password."""
        if self.user.role.value not in self.console.terms.second_factor_roles:
            return False
        return self.sign_in.method in OWN_METHODS and not self.signed_in.has_second_factor

    @property
    def navigation(self) -> tuple[Item, ...]:
        """The pages that this user is offered."""
        if self.lacks_factor:
            return ()
        return navigation(self.caller, self.request.path)

    def id(self, name: str) -> str:
        """The id that stands in the path at this place."""
        return self.request.match_info[name]

    def asked(self, name: str) -> str | None:
        """A parameter of the query; None when it is empty or not there."""
        return self.request.query.get(name, "").strip() or None

    def may(self, permission: Permission) -> bool:
        """Whether to offer what needs this permission."""
        return permission in self.caller.permissions

    async def act(  # noqa: PLR0913 -- what an endpoint can be asked
        self,
        name: str,
        answer: type[Model],
        *,
        ids: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        expected: int | None = None,
        once: str | None = None,
    ) -> Model:
        """Do what the endpoint of this name does, as this user; its answer is an `answer`.

        `query` and `body` are as in JSON. `expected` is the version that the reader has seen. With `once`,
        a text that the page's form carries (`new_once`), the same form does nothing a second time.
        Raises Unfit for what was typed, and what the act raises: NotFound, NotAllowed, StoreError.
        """
        wanted = endpoint(name)
        asked = Asked(ids or {}, _read(wanted.query, query), _read(wanted.body, body), expected)
        caller = self.caller if once is None else self.caller_once(once)
        try:
            document = await ACTS[name](self.services, caller, asked)
        except Reused:
            raise Unfit(
                {"": "This form was sent already; it was done once."}, 409, is_repeated=True
            ) from None
        except (Changed, Conflict) as error:
            raise Unfit({"": str(error)}, HTTPStatus.CONFLICT) from None
        except NotFound:
            raise
        except Misuse as error:
            raise Unfit({"": str(error)}) from None
        if not isinstance(document, answer):
            raise TypeError(f"{name} answers with {type(document).__name__}")
        return document

    def asking(
        self, model: type[BaseModel], ids: Mapping[str, str], query: Mapping[str, Any]
    ) -> Asked:
        """What an act that answers piece by piece is asked; `query` as in JSON. Raises Unfit."""
        return Asked(ids, _read(model, query), None, None)

    def caller_once(self, once: str) -> Caller:
        """This user with the form's `once`: what `services.shown_once.take` knows a new secret by."""
        # Another fingerprint each time: what a form has made is never answered a second time.
        return dataclasses.replace(
            self.caller, idempotency=Idempotency(once[:64], secrets.token_hex(8))
        )

    def new_once(self) -> str:
        """What a form carries so that it counts once, however often it is sent."""
        return secrets.token_urlsafe(16)

    def shown(self) -> dict[str, Any]:
        """What every template can name."""
        return {
            **super().shown(),
            "user": self.user,
            "navigation": self.navigation,
            "may": self.may,
            "sees_all": self.caller.account_id is None,
            "Permission": Permission,
        }


Handle: TypeAlias = Callable[[Visit], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page, or one form. `permission` None: everybody who is signed in.

    `is_operators`: only for those who see all accounts. `needs_reauthentication`: who has not shown lately who
    they are is asked for their password first; what they have sent is not lost by that, but for a file.
    `is_open_without_factor`: for those, too, who still have to add the second factor that their role needs.
    """

    method: Method
    path: str
    permission: Permission | None
    handle: Handle
    needs_reauthentication: bool = False
    is_operators: bool = False
    body_bytes_max: int = FORM_BYTES_MAX
    takes_file: bool = False
    is_open_without_factor: bool = False


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A page, or a form, for those who are not signed in, too."""

    method: Method
    path: str
    handle: Callable[[Arrival], Awaitable[web.StreamResponse]]


def _read(model: type[Model] | None, given: Mapping[str, Any] | None) -> Model | None:
    if model is None:
        return None
    try:
        return model.model_validate_json(json.dumps(dict(given or {})), strict=True)
    except ValidationError as error:
        raise Unfit(_sentences(error)) from None


def _sentences(error: ValidationError) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in error.errors(include_url=False, include_context=True, include_input=False):
        field = ".".join(str(part) for part in each["loc"])
        if each["type"] == "missing":
            text = "This is needed."
        else:
            text = str(each["msg"]).removeprefix("Value error, ")
            text = f"{text[:1].upper()}{text[1:]}."
        found.setdefault(field, text)
    return found

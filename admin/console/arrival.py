"""One request to the console, before it is known who sends it: cookies, the form, how it is answered."""

__all__ = ["Arrival", "Console", "ConsoleTerms", "Postman"]

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

from aiohttp import web

from admin.console.form import Form
from admin.console.guarding import csrf_token, is_same_origin, is_token, local_path
from admin.console.overview import Overview
from admin.console.provider import Provider
from admin.console.rendering import Renderer
from admin.core.faults import NotAllowed
from admin.core.notices.outcome import Outcome, Parcel
from admin.services.catalogue import Services
from admin.services.sealing import Sealer
from gateway.ports import Clock

SIGN_IN = "keywright"
VISITOR = "keywright-visitor"
FLASH = "keywright-flash"

_VISITOR_BYTES = 32
_FLASH_LENGTH_MAX = 1000


@dataclass(frozen=True, slots=True)
class ConsoleTerms:
    """What the configuration says. Without a `public_url` the console goes by what each request says of itself.

    Who has not shown for `reauthenticate_seconds` who they are has to before anything dangerous.
    `api_url` is where customers find the API, `api_docs_url` what it is explained by, `docs_url` where the
    product's own pages live; `example_path` is a path of the API to try a key with. Who has one of
    `second_factor_roles` and signs in by password does nothing else before they have a second factor.
    """

    public_url: str | None = None
    reauthenticate_seconds: float = 600.0
    api_url: str = "http://127.0.0.1:8080"
    api_docs_url: str | None = None
    docs_url: str = ""
    example_path: str = "/"
    second_factor_roles: frozenset[str] = frozenset()

    @property
    def example_url(self) -> str:
        """What the first call with a key asks for."""
        return f"{self.api_url.rstrip('/')}{self.example_path}"


class Postman(Protocol):
    """Hands e-mail to a mail server."""

    async def send(self, parcel: Parcel) -> Outcome:
        """Once; what became of it. Never raises."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What every page shares. `address_of` and `is_https` know which proxies are believed; without a `postman`
    no invitation goes by e-mail.
    """

    services: Services
    renderer: Renderer
    sealer: Sealer
    clock: Clock
    terms: ConsoleTerms
    address_of: Callable[[web.Request], str]
    is_https: Callable[[web.Request], bool]
    request_id_of: Callable[[web.Request], str]
    overview: Overview
    provider: Provider | None = None
    postman: Postman | None = None


@dataclass(slots=True)
class _Answering:
    """What the answer will carry beside its page: cookies to set, or (None) to take away."""

    cookies: dict[str, tuple[str, int | None] | None] = field(default_factory=dict)


class Arrival:
    """A request, and the ways in which to answer it."""

    def __init__(self, console: Console, request: web.Request, form: Form | None = None) -> None:
        """`form` is what a POST has sent, once it has been read."""
        self.console = console
        self.request = request
        self.now = console.clock.now()
        self.address = console.address_of(request)
        self.request_id = console.request_id_of(request)
        self._form = form
        self._answering = _Answering()

    @property
    def services(self) -> Services:
        """All that can be done."""
        return self.console.services

    @cached_property
    def is_secure(self) -> bool:
        """Whether the browser speaks TLS with us, or with a proxy of ours."""
        if self.console.terms.public_url is not None:
            return self.console.terms.public_url.startswith("https:")
        return self.console.is_https(self.request)

    @cached_property
    def origin(self) -> str:
        """Where the console is for this browser, such as `https://console.example`."""
        if self.console.terms.public_url is not None:
            parts = urlsplit(self.console.terms.public_url)
            return f"{parts.scheme}://{parts.netloc}"
        return f"{'https' if self.is_secure else 'http'}://{self.request.host}"

    # Cookies

    def cookie(self, name: str) -> str:
        """The cookie's text; empty when there is none."""
        return self.request.cookies.get(self._cookie_name(name), "")

    def set_cookie(self, name: str, text: str, *, seconds: int | None = None) -> None:
        """Let the answer carry a cookie; without `seconds` it ends with the browser."""
        self._answering.cookies[name] = (text, seconds)

    def drop_cookie(self, name: str) -> None:
        """Let the answer take a cookie away."""
        self._answering.cookies[name] = None

    def seal(self, name: str, document: Mapping[str, Any]) -> str:
        """A text for a cookie that its holder can neither read nor change."""
        sealed = self.console.sealer.seal(f"console/{name}", json.dumps(document))
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def unseal(self, name: str, text: str) -> dict[str, Any]:
        """What was sealed under this name; empty for anything else."""
        try:
            sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return {}
        opened = self.console.sealer.open(f"console/{name}", sealed)
        document: dict[str, Any] = {} if opened is None else json.loads(opened)
        return document

    def _cookie_name(self, name: str) -> str:
        return f"__Host-{name}" if self.is_secure else name

    # Forms

    @property
    def binding(self) -> str:
        """The cookie that the forms of this browser are bound to."""
        return self.cookie(VISITOR)

    @cached_property
    def csrf(self) -> str:
        """What each form carries."""
        binding = self.binding
        if not binding:
            binding = secrets.token_urlsafe(_VISITOR_BYTES)
            self.set_cookie(VISITOR, binding)
        return csrf_token(binding)

    def form(self) -> Form:
        """What was sent; that a page of ours has sent it was checked before. Empty for a GET."""
        return Form([]) if self._form is None else self._form

    def check_form(self) -> None:
        """Return if a page of ours has sent this form, to this browser. Raises NotAllowed."""
        headers = self.request.headers
        origin, site = headers.get("Origin"), headers.get("Sec-Fetch-Site")
        if not is_same_origin(origin, site, self.origin):
            raise NotAllowed(
                "This form was not sent by a page of this console, so nothing was changed."
                f" The console takes itself to be at {self.origin}: is that what your browser shows?"
            )
        binding = self.binding
        if not binding or not is_token(self.form()["_csrf"], binding):
            raise NotAllowed(
                "This form is from before you signed in or out, so nothing was changed."
                " Go back, load the page again, and send it once more."
            )

    # Answers

    def render(
        self, template: str, *, status: int = HTTPStatus.OK, **context: object
    ) -> web.Response:
        """The page that a template makes of `context`; see templates/layout.html for what else it can name."""
        page = self.console.renderer.page(template, {**self.shown(), **context})
        return web.Response(status=status, text=page, content_type="text/html", charset="utf-8")

    def redirect(self, path: str, flash: str = "", *, tone: str = "good") -> web.Response:
        """Go on to another page of the console, which says `flash` once; `tone` is good, warn or bad."""
        if flash:
            told = self.seal(FLASH, {"words": flash[:_FLASH_LENGTH_MAX], "tone": tone})
            self.set_cookie(FLASH, told, seconds=60)
        return web.Response(
            status=HTTPStatus.SEE_OTHER,
            headers={"Location": local_path(path)},
        )

    def shown(self) -> dict[str, Any]:
        """What every template can name."""
        return {
            "csrf": self.csrf,
            "now": self.now,
            "user": None,
            "navigation": (),
            "flash": self._flash(),
            "request_id": self.request_id,
            "path": self.request.path,
            "form": self.form(),
            "errors": {},
            "terms": self.console.terms,
            "provider": self.console.provider.terms if self.console.provider else None,
        }

    def finished(self, answer: web.StreamResponse) -> web.StreamResponse:
        """The answer with the cookies that were set meanwhile."""
        for name, wanted in self._answering.cookies.items():
            text, seconds = ("", 0) if wanted is None else wanted
            answer.set_cookie(
                self._cookie_name(name),
                text,
                max_age=seconds,
                path="/",
                secure=self.is_secure,
                httponly=True,
                samesite="Lax",
            )
        return answer

    def _flash(self) -> dict[str, Any] | None:
        sent = self.cookie(FLASH)
        if not sent:
            return None
        if FLASH not in self._answering.cookies:
            self.drop_cookie(FLASH)
        return self.unseal(FLASH, sent) or None

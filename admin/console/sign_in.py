"""Signing in by password, and out."""

__all__ = ["SIGN_IN_PAGES", "SIGN_OUT_PAGES", "sign_in_page"]

from http import HTTPStatus

from aiohttp import web

from admin.console.arrival import SIGN_IN, Arrival
from admin.console.guarding import local_path
from admin.console.known_browser import known_browser
from admin.console.page import OpenPage, Page, Visit
from admin.console.second_step import to_second_step
from admin.console.signing import signed_in
from admin.core.faults import NotAllowed
from admin.services.attempts import TooMany
from admin.services.sign_ins import PASSWORD
from admin.stores.proofs import Proofs

# The same words for everybody who is not let in: they do not say who exists.
_WRONG = "The address and the password do not belong together."


def sign_in_page(
    arrival: Arrival, *, is_refusal: bool = False, error: str = "", status: int = HTTPStatus.OK
) -> web.Response:
    """The form to sign in with, which leads back to where the reader wanted to go.

    `is_refusal`: it stands in the place of a page that needs it.
    """
    next_ = local_path(arrival.form()["next"] or arrival.request.query.get("next"))
    if is_refusal:
        status = HTTPStatus.UNAUTHORIZED
        is_get = arrival.request.method in {"GET", "HEAD"}
        next_ = local_path(arrival.request.path_qs) if is_get else "/"
    answer = arrival.render("sign_in/sign_in.html", status=status, next=next_, error=error)
    if status == HTTPStatus.UNAUTHORIZED:
        # RFC 9110 §15.5.2 wants a challenge; browsers leave one alone that they do not know.
        answer.headers["WWW-Authenticate"] = (
            'Cookie realm="keywright-console", form-action="/sign-in"'
        )
    return answer


async def _show(arrival: Arrival) -> web.StreamResponse:  # noqa: RUF029 -- a handler
    return sign_in_page(arrival)


async def _sign_in(arrival: Arrival) -> web.StreamResponse:
    form = arrival.form()
    if arrival.console.provider is not None and arrival.console.provider.terms.is_only:
        raise NotAllowed("Nobody signs in by password here.")
    try:
        proofs = await _proved(arrival, form.text("email"), form["password"])
    except TooMany as error:
        words = f"Too many attempts were wrong lately. Try again in {error.retry_after} s."
        answer = sign_in_page(arrival, error=words, status=HTTPStatus.TOO_MANY_REQUESTS)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    if proofs is None:
        return sign_in_page(arrival, error=_WRONG, status=HTTPStatus.UNAUTHORIZED)
    if proofs.second_factor is not None and proofs.second_factor.is_confirmed:
        return to_second_step(arrival, proofs.user, local_path(form["next"]))
    return await signed_in(arrival, proofs.user, PASSWORD, form["next"])


async def _proved(arrival: Arrival, email: str, password: str) -> Proofs | None:
    """Who this is; None if the two do not belong together. Raises TooMany."""
    services = arrival.services.console
    proofs = await services.passwords.proofs(email)
    browser = None if proofs is None else known_browser(arrival, proofs.user.id)
    name = email.lower()
    async with services.attempts.password(name, arrival.address, browser):
        if await services.passwords.is_right(proofs, password):
            return proofs
        services.attempts.password_failed(name, arrival.address, browser)
        return None


async def _sign_out(visit: Visit) -> web.StreamResponse:
    await visit.services.console.sign_ins.end(visit.caller, visit.sign_in.id)
    visit.drop_cookie(SIGN_IN)
    return visit.redirect("/sign-in", "You are signed out.")


SIGN_IN_PAGES = (
    OpenPage("GET", "/sign-in", _show),
    OpenPage("POST", "/sign-in", _sign_in),
)
SIGN_OUT_PAGES = (Page("POST", "/sign-out", None, _sign_out, is_open_without_factor=True),)

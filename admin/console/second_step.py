"""The second step of signing in: a code of the authenticator app, or a recovery code."""

__all__ = ["SECOND_STEP_PAGES", "to_second_step"]

from http import HTTPStatus

from aiohttp import web

from admin.console.arrival import Arrival
from admin.console.known_browser import known_browser
from admin.console.page import OpenPage
from admin.console.signing import signed_in
from admin.services.attempts import TooMany
from admin.services.sign_ins import PASSWORD_AND_CODE
from admin.stores.proofs import Proofs
from admin.stores.users import UserView

_STEP = "keywright-step"
_SECONDS = 300
_WRONG = "That is not the code that your app shows now, nor a recovery code of yours."


def to_second_step(arrival: Arrival, user: UserView, next_: str) -> web.StreamResponse:
    """Ask for a code. That the password was right is remembered for five minutes, by the browser alone."""
    note = {"user": user.id, "at": arrival.now, "next": next_}
    arrival.set_cookie(_STEP, arrival.seal(_STEP, note), seconds=_SECONDS)
    return arrival.redirect("/sign-in/code")


async def _show(arrival: Arrival) -> web.StreamResponse:
    if await _half_way(arrival) is None:
        return arrival.redirect("/sign-in")
    return arrival.render("sign_in/code.html", error="")


async def _send(arrival: Arrival) -> web.StreamResponse:
    half_way = await _half_way(arrival)
    if half_way is None:
        words = "That took too long, or was begun in another browser. Sign in again."
        return arrival.redirect("/sign-in", words, tone="warn")
    proofs, next_ = half_way
    try:
        is_right = await _is_right(arrival, proofs)
    except TooMany as error:
        words = f"Too many codes were wrong lately. Try again in {_minutes(error.retry_after)}."
        answer = arrival.render("sign_in/code.html", status=429, error=words)
        answer.headers["Retry-After"] = str(error.retry_after)
        return answer
    if not is_right:
        return arrival.render("sign_in/code.html", status=HTTPStatus.UNAUTHORIZED, error=_WRONG)
    arrival.drop_cookie(_STEP)
    return await signed_in(arrival, proofs.user, PASSWORD_AND_CODE, next_)


async def _is_right(arrival: Arrival, proofs: Proofs) -> bool:
    services = arrival.services.console
    browser = known_browser(arrival, proofs.user.id)
    services.attempts.check_code(proofs.user.id, browser)
    is_right = await services.second_factors.is_right(
        proofs, arrival.form().text("code"), arrival.address, arrival.request_id
    )
    if not is_right:
        services.attempts.code_failed(proofs.user.id, browser)
    return is_right


async def _half_way(arrival: Arrival) -> tuple[Proofs, str] | None:
    """Whose password was right a moment ago in this browser, and where they wanted to go."""
    note = arrival.unseal(_STEP, arrival.cookie(_STEP))
    if not note or not 0 <= arrival.now - note["at"] <= _SECONDS:
        return None
    proofs = await arrival.services.console.passwords.proofs_of(note["user"])
    if proofs is None or proofs.second_factor is None:
        return None
    return proofs, note["next"]


def _minutes(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"


SECOND_STEP_PAGES = (
    OpenPage("GET", "/sign-in/code", _show),
    OpenPage("POST", "/sign-in/code", _send),
)

"""Before something dangerous: show again who you are. What was sent meanwhile is kept, and done then."""

__all__ = ["PROVING_PAGES", "prove"]

from urllib.parse import urlsplit

from aiohttp import web

from admin.console.guarding import local_path
from admin.console.page import Page, Visit

_WRONG = "That is not your password."


async def prove(visit: Visit, page: Page) -> web.StreamResponse | None:
    """The page that asks for the password; None once it was right, and the page itself may answer."""
    form = visit.form()
    error = ""
    if form.has("_password"):
        if await _is_right(visit, form["_password"]):
            return None
        error = _WRONG
    is_get = page.method == "GET"
    target = "/sign-in/again" if is_get else visit.request.path
    kept = [("next", visit.request.path_qs)] if is_get else form.pairs()
    return await _asking(visit, target, kept, error)


async def _is_right(visit: Visit, password: str) -> bool:
    proofs = await visit.services.console.passwords.proofs_of(visit.user.id)
    if not await visit.is_password(proofs, password):
        return False
    await visit.renew(is_proved=True)
    return True


async def _asking(
    visit: Visit, target: str, kept: list[tuple[str, str]], error: str
) -> web.StreamResponse:
    proofs = await visit.services.console.passwords.proofs_of(visit.user.id)
    return visit.render(
        "sign_in/again.html",
        status=403 if error else 200,
        target=target,
        kept=kept,
        error=error,
        has_password=proofs is not None and proofs.password_hash is not None,
        come_back=_came_from(visit),
    )


def _came_from(visit: Visit) -> str:
    """The page to go back to when what was sent cannot be kept."""
    if visit.request.method == "GET":
        return local_path(visit.request.path_qs)
    referrer = urlsplit(visit.request.headers.get("Referer", ""))
    return local_path(referrer.path)


async def _again(visit: Visit) -> web.StreamResponse:
    form = visit.form()
    next_ = local_path(form["next"])
    if await _is_right(visit, form["_password"]):
        return visit.redirect(next_)
    return await _asking(visit, "/sign-in/again", [("next", next_)], _WRONG)


PROVING_PAGES = (Page("POST", "/sign-in/again", None, _again, is_open_without_factor=True),)

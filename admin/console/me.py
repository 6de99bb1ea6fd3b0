"""One's own account: password, second factor, and where one is signed in."""

__all__ = ["ME_PAGES"]

import io
from functools import partial
from http import HTTPStatus

import pyotp
from aiohttp import web

from admin.console.page import Page, Visit
from admin.core.faults import Conflict, NotAllowed, NotFound
from admin.services.attempts import TooMany
from admin.stores.proofs import Proofs
from gateway.core.errors import Misuse

_SECOND_FACTOR = "/me/second-factor"


async def _me(visit: Visit) -> web.StreamResponse:
    return await _shown(visit)


async def _shown(visit: Visit, errors: dict[str, str] | None = None) -> web.StreamResponse:
    console = visit.services.console
    proofs = await _own(visit)
    has_factor = proofs.second_factor is not None and proofs.second_factor.is_confirmed
    return visit.render(
        "me/me.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        errors=errors or {},
        sign_ins=await console.sign_ins.list(visit.caller),
        here=visit.sign_in.id,
        has_password=proofs.password_hash is not None,
        has_factor=has_factor,
        codes_left=await console.second_factors.codes_left(visit.caller) if has_factor else 0,
    )


async def _change_password(visit: Visit) -> web.StreamResponse:
    """The present password is asked for each time: an open browser must not be enough."""
    form, console = visit.form(), visit.services.console
    proofs = await _own(visit)
    if proofs.password_hash is None and not visit.has_proved:
        raise NotAllowed("Sign in once more before you choose a first password.")
    if form["password"] != form["again"]:
        return await _shown(visit, {"again": "The two passwords are not the same."})
    if proofs.password_hash is not None and not await _is_right(visit, proofs, form["present"]):
        return await _shown(visit, {"present": "That is not your password."})
    try:
        ended = await console.passwords.change(visit.caller, form["password"], visit.sign_in.id)
    except Misuse as error:
        return await _shown(visit, {"password": str(error)})
    await visit.renew()
    others = f" {ended} other sign-in{'' if ended == 1 else 's'} ended." if ended else ""
    return visit.redirect("/me", f"Your password is changed.{others}")


async def _is_right(visit: Visit, proofs: Proofs, password: str) -> bool:
    try:
        return await visit.is_password(proofs, password)
    except TooMany as error:
        raise NotAllowed(
            f"Too many were wrong lately. Try again in {error.retry_after} s."
        ) from None


async def _end_sign_in(visit: Visit) -> web.StreamResponse:
    await visit.services.console.sign_ins.end(visit.caller, visit.id("sign_in_id"))
    return visit.redirect("/me", "That sign-in has ended.")


async def _end_others(visit: Visit) -> web.StreamResponse:
    ended = await visit.services.console.sign_ins.end_others(visit.caller, visit.sign_in.id)
    return visit.redirect("/me", f"You are signed in here only. {ended} ended.")


async def _begin_factor(visit: Visit) -> web.StreamResponse:
    await visit.services.console.second_factors.begin(visit.caller)
    return visit.redirect(_SECOND_FACTOR)


async def _show_factor(visit: Visit) -> web.StreamResponse:
    return await _factor_page(visit)


async def _factor_page(visit: Visit, errors: dict[str, str] | None = None) -> web.StreamResponse:
    secret = await visit.services.console.second_factors.pending(visit.caller)
    if secret is None:
        return visit.redirect("/me")
    return visit.render(
        "me/second_factor.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if errors else HTTPStatus.OK,
        errors=errors or {},
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
    )


async def _picture(visit: Visit) -> web.StreamResponse:
    """The secret as a QR code: a picture of its own, so that the page needs no inline data."""
    secret = await visit.services.console.second_factors.pending(visit.caller)
    if secret is None:
        raise NotFound("There is no second factor to be scanned.")
    import segno  # noqa: PLC0415 -- for those few who look at it

    uri = pyotp.TOTP(secret).provisioning_uri(name=visit.user.email, issuer_name="Keywright")
    picture = io.BytesIO()
    segno.make(uri, error="m", micro=False).save(
        picture, kind="svg", scale=4, border=2, dark="#000", light="#fff", xmldecl=False
    )
    return web.Response(body=picture.getvalue(), content_type="image/svg+xml")


async def _confirm_factor(visit: Visit) -> web.StreamResponse:
    factors, form = visit.services.console.second_factors, visit.form()
    try:
        codes = await factors.confirm(visit.caller, form["code"], visit.sign_in.id)
    except Conflict as error:
        return visit.redirect("/me", str(error), tone="warn")
    except Misuse as error:
        return await _factor_page(visit, {"code": str(error)})
    await visit.renew()
    return visit.render("me/codes.html", codes=codes, is_first=True)


async def _renew_codes(visit: Visit) -> web.StreamResponse:
    codes = await visit.services.console.second_factors.renew_codes(visit.caller)
    return visit.render("me/codes.html", codes=codes, is_first=False)


async def _remove_factor(visit: Visit) -> web.StreamResponse:
    await visit.services.console.second_factors.remove(visit.caller, visit.user.id)
    await visit.renew()
    return visit.redirect("/me", "From now on your password alone lets you in.", tone="warn")


async def _own(visit: Visit) -> Proofs:
    proofs = await visit.services.console.passwords.proofs_of(visit.user.id)
    if proofs is None:
        raise NotFound("There is no such user any more.")
    return proofs


# By which a second factor is added: for those, too, who are let in nowhere else without one.
_FACTOR_PAGE = partial(Page, needs_reauthentication=True, is_open_without_factor=True)
ME_PAGES = (
    Page("GET", "/me", None, _me),
    Page("POST", "/me/password", None, _change_password),
    Page("POST", "/me/sign-ins/{sign_in_id}/end", None, _end_sign_in),
    Page("POST", "/me/sign-ins/end-others", None, _end_others),
    _FACTOR_PAGE("POST", _SECOND_FACTOR, None, _begin_factor),
    _FACTOR_PAGE("GET", _SECOND_FACTOR, None, _show_factor),
    _FACTOR_PAGE("GET", f"{_SECOND_FACTOR}/code.svg", None, _picture),
    _FACTOR_PAGE("POST", f"{_SECOND_FACTOR}/confirm", None, _confirm_factor),
    Page("POST", "/me/second-factor/remove", None, _remove_factor, needs_reauthentication=True),
    Page("POST", "/me/recovery-codes", None, _renew_codes, needs_reauthentication=True),
)

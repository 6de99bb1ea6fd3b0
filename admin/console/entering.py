"""Pages at the end of a link: to set up the console, and to choose a password."""

__all__ = ["ENTERING_PAGES", "INVITATION_LIVES", "INVITING_PAGES"]

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from aiohttp import web

from admin.console.arrival import Arrival
from admin.console.page import OpenPage, Page, Visit
from admin.console.signing import signed_in
from admin.core.caller import Permission
from admin.core.faults import Conflict, NotFound
from admin.core.notices.outcome import Done, Parcel
from admin.services.entry_links import INVITATION_SECONDS, Invitation, Newcomer
from admin.services.sign_ins import SET_UP_LINK
from gateway.core.errors import Misuse

# How long a link works, by the word of the form; a link in a mailbox is the safer the sooner it ends.
INVITATION_LIVES: Final[Mapping[str, tuple[float, str]]] = {
    "hour": (3600.0, "An hour"),
    "day": (86_400.0, "A day"),
    "days": (INVITATION_SECONDS, "Three days"),
}
_LIFE: Final = "days"
_OVER = "This link was used already, or is too old."
_ADVICE_SET_UP = "Restart Keywright for another one; there is one only while no admin can sign in."
_ADVICE_INVITED = "Ask an admin for another one."


async def _set_up(arrival: Arrival) -> web.StreamResponse:
    if not await arrival.services.console.entry_links.may_set_up(_token(arrival)):
        return _over(arrival, _ADVICE_SET_UP)
    return arrival.render("sign_in/set_up.html")


async def _set_up_done(arrival: Arrival) -> web.StreamResponse:
    form = arrival.form()
    newcomer = Newcomer(form.text("email"), form.text("name"), form["password"])
    try:
        _check_same(form["password"], form["again"])
        user = await arrival.services.console.entry_links.set_up(_token(arrival), newcomer)
    except NotFound:
        return _over(arrival, _ADVICE_SET_UP)
    except (Misuse, Conflict) as error:
        return arrival.render("sign_in/set_up.html", status=422, errors={"": str(error)})
    words = "The console is set up, and you are its first admin."
    return await signed_in(arrival, user, SET_UP_LINK, "/", words)


async def _invited(arrival: Arrival) -> web.StreamResponse:
    user = await arrival.services.console.entry_links.invited(_token(arrival))
    if user is None:
        return _over(arrival, _ADVICE_INVITED)
    return arrival.render("sign_in/invited.html", invited=user)


async def _chosen(arrival: Arrival) -> web.StreamResponse:
    links, form = arrival.services.console.entry_links, arrival.form()
    user = await links.invited(_token(arrival))
    if user is None:
        return _over(arrival, _ADVICE_INVITED)
    try:
        _check_same(form["password"], form["again"])
        await links.choose_password(_token(arrival), form["password"])
    except NotFound:
        return _over(arrival, _ADVICE_INVITED)
    except Misuse as error:
        return arrival.render(
            "sign_in/invited.html", status=422, invited=user, errors={"password": str(error)}
        )
    return arrival.redirect("/sign-in", "Your password is set. Sign in with it now.")


async def _invite(visit: Visit) -> web.StreamResponse:
    """The link is shown to the admin, once; by e-mail it goes to the user's own address, and nowhere else."""
    form = visit.form()
    seconds = INVITATION_LIVES.get(form.text("life"), INVITATION_LIVES[_LIFE])[0]
    links = visit.services.console.entry_links
    invitation = await links.invite(visit.caller, visit.id("user_id"), seconds)
    link = f"{visit.origin}/invited/{invitation.token}"
    outcome = None
    if form.has("by_mail") and visit.console.postman is not None:
        outcome = await visit.console.postman.send(_letter(visit, invitation, link))
    return visit.render(
        "sign_in/invitation.html",
        link=link,
        invited=invitation.user,
        expires_at=invitation.expires_at,
        outcome=outcome,
        is_sent=outcome is not None and outcome.done is Done.DELIVERED,
    )


def _letter(visit: Visit, invitation: Invitation, link: str) -> Parcel:
    until = datetime.fromtimestamp(invitation.expires_at, UTC)
    text = (
        f"{visit.user.name} invites you, {invitation.user.name}, to choose your password at {visit.origin}:\n\n"
        f"{link}\n\n"
        f"The link works once, until {until:%Y-%m-%d %H:%M} UTC."
        " Whoever has it chooses the password: pass it on to nobody."
    )
    return Parcel(
        id=secrets.token_hex(16),
        kind="invitation",
        severity="info",
        title="Choose your password",
        text=text,
        body="",
        at=visit.now,
        recipients=(invitation.user.email,),
    )


async def _remove_second_factor(visit: Visit) -> web.StreamResponse:
    user = await visit.services.console.second_factors.remove(visit.caller, visit.id("user_id"))
    return visit.redirect(
        f"/users/{user.id}",
        f"{user.name} has no second factor any more, and can sign in without one.",
    )


def _check_same(password: str, again: str) -> None:
    if password != again:
        raise Misuse("The two passwords are not the same.")


def _token(arrival: Arrival) -> str:
    return arrival.request.match_info["token"]


def _over(arrival: Arrival, advice: str) -> web.Response:
    return arrival.render(
        "sign_in/over.html", status=HTTPStatus.NOT_FOUND, words=_OVER, advice=advice
    )


ENTERING_PAGES = (
    OpenPage("GET", "/set-up/{token}", _set_up),
    OpenPage("POST", "/set-up/{token}", _set_up_done),
    OpenPage("GET", "/invited/{token}", _invited),
    OpenPage("POST", "/invited/{token}", _chosen),
)
INVITING_PAGES = (
    Page(
        "POST",
        "/users/{user_id}/invite",
        Permission.USERS_WRITE,
        _invite,
        needs_reauthentication=True,
    ),
    Page(
        "POST",
        "/users/{user_id}/second-factor/remove",
        Permission.USERS_WRITE,
        _remove_second_factor,
        needs_reauthentication=True,
    ),
)

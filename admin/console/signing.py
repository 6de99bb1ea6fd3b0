"""The last step of every way to sign in."""

__all__ = ["signed_in"]

from aiohttp import web

from admin.console.arrival import SIGN_IN, Arrival
from admin.console.known_browser import remember_browser
from admin.services.sign_ins import user_caller
from admin.stores.users import UserView


async def signed_in(
    arrival: Arrival, user: UserView, method: str, next_: str, flash: str = ""
) -> web.StreamResponse:
    """Sign somebody in who has shown who they are, and lead them on. Whatever cookie they had ends."""
    sign_ins = arrival.services.console.sign_ins
    if before := arrival.cookie(SIGN_IN):
        await sign_ins.leave(before)
    caller = user_caller(user, arrival.address, arrival.request_id)
    begun = await sign_ins.begin(
        caller, user, method, arrival.request.headers.get("User-Agent", "")
    )
    arrival.set_cookie(SIGN_IN, begun.token, seconds=int(sign_ins.life_seconds))
    remember_browser(arrival, user.id)
    return arrival.redirect(next_, flash)

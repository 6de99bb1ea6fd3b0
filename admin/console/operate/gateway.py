"""The gateway itself: how its processes and stores are, and how it is configured."""

__all__ = ["GATEWAY_PAGES"]

from typing import Final

from aiohttp import web

from admin.console.page import Page, Visit
from admin.core.caller import Permission

_REVOCATIONS: Final = "keywright_revocation_seconds"


async def _health(visit: Visit) -> web.StreamResponse:
    overview = visit.console.overview
    state = await overview.readiness()
    figures = await overview.figures()
    revoked = figures.get(f"{_REVOCATIONS}_count", 0)
    mean = figures.get(f"{_REVOCATIONS}_sum", 0.0) / revoked if revoked else None
    return visit.render(
        "operate/health.html",
        state=state,
        workers=state.get("workers", {}),
        figures=figures,
        revocation_ms=None if mean is None else mean * 1000,
    )


async def _config(visit: Visit) -> web.StreamResponse:
    overview = visit.console.overview
    words = (visit.asked("q") or "").lower()
    configured = overview.configured()
    shown = {name: text for name, text in configured.settings.items() if words in name.lower()}
    return visit.render(
        "operate/config.html",
        settings=shown,
        file=configured.file,
        reload=await overview.reload(),
        words=words,
    )


GATEWAY_PAGES = (
    Page("GET", "/gateway", Permission.ACCOUNTS_READ, _health, is_operators=True),
    Page("GET", "/gateway/config", Permission.ACCOUNTS_WRITE, _config, is_operators=True),
)

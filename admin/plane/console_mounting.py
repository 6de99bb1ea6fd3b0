"""The console's pages on the admin listener."""

__all__ = ["mount_console"]

import functools

from aiohttp import web

from admin.api.exchange import REQUEST_ID, address_of
from admin.console.answering import console_routes
from admin.console.arrival import Console, ConsoleTerms
from admin.console.assets import Assets
from admin.console.overview import Overview
from admin.console.pages import OPEN_PAGES, PAGES
from admin.console.provider import Provider, ProviderTerms
from admin.console.rendering import Renderer
from admin.plane.delivering import mail_server
from admin.senders.mail import MailSender
from admin.services.catalogue import Services
from gateway.core.addresses import Networks
from gateway.ports import Clock
from gateway.settings import Settings, revealed


def mount_console(
    app: web.Application,
    settings: Settings,
    services: Services,
    clock: Clock,
    overview: Overview,
) -> None:
    """Add the console to the app of the admin API, after everything else that is served there."""
    trusted = Networks(settings.listen.trusted_proxies)
    assets, renderer = _looks()
    console = Console(
        services=services,
        renderer=renderer,
        sealer=services.console.sealer,
        clock=clock,
        terms=_terms(settings),
        address_of=lambda request: address_of(request, trusted),
        is_https=lambda request: _is_https(request, trusted),
        request_id_of=lambda request: request[REQUEST_ID],
        provider=_provider(settings, clock),
        overview=overview,
        postman=_postman(settings),
    )
    app.add_routes(console_routes(console, assets, PAGES, OPEN_PAGES))


@functools.cache
def _looks() -> tuple[Assets, Renderer]:
    """Files and templates: the same for every console of a process, which compiles each template once."""
    assets = Assets()
    return assets, Renderer(assets)


def _postman(settings: Settings) -> MailSender | None:
    server = mail_server(settings)
    return None if server is None else MailSender(server, "invitation")


def _provider(settings: Settings, clock: Clock) -> Provider | None:
    oidc = settings.console.oidc
    if oidc.issuer is None:
        return None
    secret = revealed(oidc.client_secret)
    terms = ProviderTerms(oidc.issuer, oidc.client_id, secret, oidc.name, is_only=oidc.only)
    return Provider(terms, clock)


def _terms(settings: Settings) -> ConsoleTerms:
    listen, console = settings.listen, settings.console
    return ConsoleTerms(
        public_url=console.public_url,
        reauthenticate_seconds=console.reauthenticate_after_seconds,
        api_url=console.api_url or f"http://{listen.host}:{listen.port}",
        api_docs_url=console.api_docs_url,
        docs_url=settings.docs_url,
        second_factor_roles=frozenset(console.second_factor_required_for),
        example_path=console.example_path or _example_path(settings),
    )


def _example_path(settings: Settings) -> str:
    """A path that the first route takes: what stands before its first placeholder."""
    pattern = settings.routes[0].match.path[0] if settings.routes else "/"
    return f"{pattern.partition('*')[0].rstrip('/')}/" if "*" in pattern else pattern


def _is_https(request: web.Request, trusted: Networks) -> bool:
    """What a proxy that is believed says; we ourselves speak no TLS."""
    peer = request.transport.get_extra_info("peername") if request.transport else None
    host = str(peer[0]) if isinstance(peer, tuple) and peer else ""
    return trusted.contains(host) and request.headers.get("X-Forwarded-Proto", "") == "https"

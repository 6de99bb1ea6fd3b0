"""From the settings to the console: its services, and its pages on the admin listener."""

__all__ = ["Proving", "console_services", "mount_console", "password_verifier", "set_up_url"]

from typing import NamedTuple

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.api.exchange import REQUEST_ID, address_of
from admin.console.answering import console_routes
from admin.console.arrival import Console, ConsoleTerms
from admin.console.assets import Assets
from admin.console.overview import Overview
from admin.console.pages import OPEN_PAGES, PAGES
from admin.console.provider import Provider, ProviderTerms
from admin.console.rendering import Renderer
from admin.services.attempts import Attempts
from admin.services.catalogue import Services
from admin.services.console import ConsoleServices
from admin.services.entry_links import EntryLinks
from admin.services.identities import IdentityService
from admin.services.passwords import Hash, PasswordService, Verify
from admin.services.sealing import Sealer
from admin.services.second_factors import SecondFactorService
from admin.services.sign_ins import SignInService, SignInTerms
from admin.stores.proofs import ProofStore
from admin.stores.sign_ins import SignInStore
from admin.stores.users import UserStore
from gateway.core.addresses import Networks
from gateway.pipeline.verifier import Verifier
from gateway.ports import Clock
from gateway.settings import Settings, revealed
from gateway.stores.secret_hash import verify

# Each password takes 64 MiB and a tenth of a second; more than these wait in vain anyway.
_PASSWORDS_WAITING_MAX = 50
_EVERYWHERE = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104 -- compared, not listened on


class Proving(NamedTuple):
    """What passwords and second factors are kept and checked with."""

    hash_texts: Hash
    verify: Verify
    sealer: Sealer


def password_verifier() -> Verifier:
    """Threads for passwords alone, so that they and admin tokens do not wait for each other; to be closed."""
    return Verifier(verify, threads=1, waiting_max=_PASSWORDS_WAITING_MAX)


def console_services(
    settings: Settings, engine: AsyncEngine, clock: Clock, proving: Proving
) -> ConsoleServices:
    """Who is who."""
    proofs, sign_ins, users = ProofStore(engine), SignInStore(engine), UserStore(engine)
    passwords = PasswordService(proofs, sign_ins, clock, proving.hash_texts, proving.verify)
    terms = SignInTerms(
        life_seconds=settings.console.sign_in_life_seconds,
        idle_seconds=settings.console.sign_in_idle_seconds,
    )
    return ConsoleServices(
        sealer=proving.sealer,
        sign_ins=SignInService(sign_ins, clock, terms),
        passwords=passwords,
        second_factors=SecondFactorService(proofs, sign_ins, proving.sealer, clock),
        entry_links=EntryLinks(proofs, users, sign_ins, passwords, clock),
        identities=IdentityService(proofs, clock),
        attempts=Attempts(clock),
    )


def mount_console(
    app: web.Application,
    settings: Settings,
    services: Services,
    clock: Clock,
    overview: Overview,
) -> None:
    """Add the console to the app of the admin API, after everything else that is served there."""
    trusted = Networks(settings.listen.trusted_proxies)
    assets = Assets()
    console = Console(
        services=services,
        renderer=Renderer(assets),
        sealer=services.console.sealer,
        clock=clock,
        terms=_terms(settings),
        address_of=lambda request: address_of(request, trusted),
        is_https=lambda request: _is_https(request, trusted),
        request_id_of=lambda request: request[REQUEST_ID],
        provider=_provider(settings, clock),
        overview=overview,
    )
    app.add_routes(console_routes(console, assets, PAGES, OPEN_PAGES))


def set_up_url(settings: Settings, token: str) -> str:
    """The link of which `token` is the end, as a browser on this machine can open it."""
    host = settings.admin.host if settings.admin.host not in _EVERYWHERE else "127.0.0.1"
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    base = settings.console.public_url or f"http://{host}:{settings.admin.port}"
    return f"{base}/set-up/{token}"


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

"""From the operator's settings to the plain values that the proxy listener and the upstreams take."""

__all__ = ["client_bounds", "lane_terms", "upstreams"]

from gateway.app.policy import key_places, served_methods
from gateway.core.addresses import Networks
from gateway.http.bounds import ClientBounds
from gateway.http.terms import LaneTerms
from gateway.settings.sections import ListenSettings, Settings
from gateway.upstream.client import Upstream, UpstreamBounds


def client_bounds(listen: ListenSettings) -> ClientBounds:
    """What one client may ask of the proxy listener."""
    return ClientBounds(
        target_bytes=listen.max_target_bytes,
        header_bytes=listen.max_header_bytes,
        body_bytes=listen.max_body_bytes,
        header_seconds=listen.header_deadline_seconds,
        body_idle_seconds=listen.body_idle_deadline_seconds,
        body_seconds=listen.body_deadline_seconds,
        keepalive_seconds=listen.keepalive_idle_seconds,
        requests_max=listen.max_requests,
    )


def lane_terms(settings: Settings) -> LaneTerms:
    """How the proxy listener takes requests in and refuses them."""
    listen = settings.listen
    odd = listen.forward_names_with
    return LaneTerms(
        realm=listen.realm,
        docs_url=settings.docs_url,
        has_legacy_headers=settings.headers.legacy,
        trusted=Networks(listen.trusted_proxies),
        methods=served_methods(settings),
        odd_characters=("_" if odd.underscore else "") + ("." if odd.dot else ""),
        places=key_places(settings),
        bounds=client_bounds(listen),
    )


def upstreams(settings: Settings) -> dict[str, Upstream]:
    """The APIs behind the gateway, by name; none is connected yet."""
    return {
        name: Upstream(
            name,
            upstream.targets,
            bounds=UpstreamBounds(
                connect_seconds=upstream.connect_deadline_seconds,
                response_seconds=upstream.response_deadline_seconds,
                idle_seconds=upstream.idle_deadline_seconds,
                max_connections=upstream.max_connections,
            ),
            is_host_preserved=upstream.host_header == "preserve",
        )
        for name, upstream in settings.upstreams.items()
    }

"""What is allowed, but probably not what was meant, or not yet all of it. It never forbids anything."""

__all__ = ["missing_to_serve", "remarks"]

import ipaddress
from collections.abc import Iterator

from gateway.settings.checks import defined
from gateway.settings.document import Document
from gateway.settings.problems import Problem, listed
from gateway.settings.sections import Settings


def missing_to_serve(document: Document) -> list[Problem]:
    """What an otherwise good file lacks before there is anything to serve."""
    found = []
    if not document.names(("upstreams",)):
        hint = 'add your API, for example upstreams: {api: {targets: ["http://127.0.0.1:9001"]}}'
        found.append(
            document.problem(("upstreams",), "there is none, so there is nothing to serve", hint)
        )
    if not document.entries(("routes",)):
        hint = 'add one, for example routes: [{name: api, match: {path: "/**"}, upstream: api}]'
        found.append(document.problem(("routes",), "there is none, so nothing is served", hint))
    return found


def remarks(document: Document, settings: Settings) -> list[Problem]:
    """Everything worth a second look in settings that are without mistakes."""
    return [
        *missing_to_serve(document),
        *_unused_upstreams(document, settings),
        *_plans_to_come(document),
        *_trusting(document, settings),
        *_admin_for_all(document, settings),
    ]


def _unused_upstreams(document: Document, settings: Settings) -> Iterator[Problem]:
    used = {route.upstream for route in settings.routes}
    for name in settings.upstreams:
        if settings.routes and name not in used:
            yield document.problem(("upstreams", name), "no route leads here")


def _plans_to_come(document: Document) -> Iterator[Problem]:
    plans = defined(document, "plans")
    for route in document.entries(("routes",)):
        for path, plan in document.texts((*route, "plans")):
            if plan not in plans:
                yield document.problem(
                    path, f'there is no plan "{plan}" yet', f"defined: {listed(plans)}"
                )


def _trusting(document: Document, settings: Settings) -> Iterator[Problem]:
    for at, network in enumerate(settings.listen.trusted_proxies):
        if ipaddress.ip_network(network).prefixlen == 0:
            yield document.problem(
                ("listen", "trusted_proxies", at),
                "trusts everybody, so that any client can choose the address it is seen under",
                "name the networks of your own proxies",
            )


def _admin_for_all(document: Document, settings: Settings) -> Iterator[Problem]:
    host = settings.admin.host
    try:
        is_private = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_private = host == "localhost"
    if not is_private:
        yield document.problem(
            ("admin", "host"),
            f"whoever reaches {host} can read the metrics",
            "keep it behind a firewall",
        )

"""What must fit together across sections. It looks at the plain values, so that it finds what it can
even while single fields are wrong; what is not of the expected kind is told elsewhere and skipped here.
"""

__all__ = ["defined", "mistakes"]

import contextlib
from collections.abc import Collection, Iterator

from gateway.core.routes import Route, RouteTable, parse_pattern
from gateway.settings.document import Document
from gateway.settings.problems import FieldPath, Problem, did_you_mean, field_text, listed
from gateway.settings.sections import METHODS, AdminSettings, ListenSettings, PlanSettings, Settings
from gateway.settings.values import Size

_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 -- compared with, not listened on

_SEGMENTS_MIN = 4


def mistakes(document: Document) -> list[Problem]:
    """Every mistake that only shows when sections are read together."""
    return [
        *_in_routes(document),
        *_in_scopes(document),
        *_in_plans(document),
        *_unserved_methods(document),
        *_costs(document),
        *_shadowed(document),
        *_ports(document),
        *_key_headers(document),
        *_journal(document),
    ]


def defined(document: Document, section: str) -> list[str]:
    """The names that a section defines: those written, or the built-in ones if it is not there."""
    if document.get((section,)) is not None:
        return document.names((section,))
    return list(getattr(Settings(), section))


def _in_routes(document: Document) -> Iterator[Problem]:
    upstreams, plans = defined(document, "upstreams"), defined(document, "plans")
    for route in document.entries(("routes",)):
        yield from _undefined(document, (*route, "upstream"), "upstream", upstreams)
        for path, plan in document.texts((*route, "plans")):
            # A plan may be defined later on; only what looks like a slip is a mistake (see remarks).
            if plan not in plans and did_you_mean(plan, plans):
                yield from _undefined(document, path, "plan", plans)
    yield from _twice(
        document, [(*route, "name") for route in document.entries(("routes",))], "route"
    )


def _in_scopes(document: Document) -> Iterator[Problem]:
    names = [document.get((*route, "name")) for route in document.entries(("routes",))]
    routes = ["*", *(name for name in names if isinstance(name, str))]
    for rule in _scope_rules(document):
        for path, _ in document.texts((*rule, "routes")):
            yield from _undefined(document, path, "route", routes)
    scopes = defined(document, "scopes")
    for path, _ in document.texts(("publishable_scopes",)):
        yield from _undefined(document, path, "scope", scopes)


def _in_plans(document: Document) -> Iterator[Problem]:
    plans = defined(document, "plans")
    chosen: FieldPath = ("accounts", "default_plan")
    default = Settings().accounts.default_plan
    if document.get(chosen) is not None:
        yield from _undefined(document, chosen, "plan", plans)
    elif default not in plans:
        place = document.problem(("plans",), "")
        yield Problem(
            place.file,
            place.line,
            field_text(chosen),
            f'there is no plan "{default}", which new accounts get',
            f"name one of: {listed(plans)}",
        )
    scopes = defined(document, "scopes")
    for plan in document.names(("plans",)):
        for path, _ in document.texts(("plans", plan, "member_scopes")):
            yield from _undefined(document, path, "scope", scopes)
        yield from _two_quotas(document, plan)
        limits = document.entries(("plans", plan, "limits"))
        yield from _twice(
            document, [(*limit, "name") for limit in limits], "limit of this plan", "default"
        )


def _two_quotas(document: Document, plan: str) -> Iterator[Problem]:
    short: FieldPath = ("plans", plan, "monthly_quota")
    if document.get(short) is not None and document.get(("plans", plan, "quota")) is not None:
        yield document.problem(
            short, "this plan has a quota already", "write quota: {requests: …} only"
        )


def _undefined(
    document: Document, path: FieldPath, kind: str, known: Collection[str]
) -> Iterator[Problem]:
    name = document.get(path)
    if not isinstance(name, str) or name in known:
        return
    names = [one for one in dict.fromkeys(known) if one != "*"]
    if near := did_you_mean(name, names):
        hint = f"{near} Defined: {listed(names)}"
    else:
        hint = f"defined: {listed(names)}" if names else f"none is defined; add it under {kind}s"
    yield document.problem(path, f'there is no {kind} "{name}"', hint)


def _twice(
    document: Document, paths: list[FieldPath], kind: str, default: str | None = None
) -> Iterator[Problem]:
    seen: dict[object, FieldPath] = {}
    for path in paths:
        name = document.get(path) or default
        if not isinstance(name, str):
            continue
        if name in seen:
            line = document.mark(seen[name]).line
            before = f" (line {line})" if line else ""
            yield document.problem(
                path, f'another {kind} is named "{name}" already{before}', "rename one of them"
            )
        seen.setdefault(name, path)


def _scope_rules(document: Document) -> list[FieldPath]:
    return [
        rule
        for scope in document.names(("scopes",))
        for rule in document.entries(("scopes", scope))
    ]


def _unserved_methods(document: Document) -> Iterator[Problem]:
    extra = [text for _, text in document.texts(("listen", "methods_extra"))]
    served = {"*", *METHODS, *extra}
    routes = [(*route, "match") for route in document.entries(("routes",))]
    for holder in (*routes, *_scope_rules(document)):
        for path, method in document.texts((*holder, "methods")):
            # What is not in capitals is told as a mistake of its own.
            if method.upper() == method and method not in served:
                near = did_you_mean(method, METHODS)
                hint = f"{near} Otherwise add" if near else "add"
                yield document.problem(
                    path,
                    f'the method "{method}" is not served',
                    f"{hint} it to listen.methods_extra",
                )


def _costs(document: Document) -> Iterator[Problem]:
    """A route that costs more than a full bucket holds could never be called."""
    for route in document.entries(("routes",)):
        cost = document.get((*route, "cost"))
        named = [plan for _, plan in document.texts((*route, "plans"))]
        for plan in named or defined(document, "plans"):
            name, quota = _smallest_quota(document, plan)
            if isinstance(cost, int) and cost > quota:
                yield document.problem(
                    (*route, "cost"),
                    f'{cost} is more than plan "{plan}" ever holds (limit "{name}": quota {quota}),'
                    " so the route could never be called",
                    "raise that quota, lower the cost, or name the plans that include the route",
                )
                break


def _smallest_quota(document: Document, plan: str) -> tuple[str, float]:
    limits: FieldPath = ("plans", plan, "limits")
    found = [
        (quota, document.get((*limit, "name")) or "default")
        for limit in document.entries(limits)
        if isinstance(quota := document.get((*limit, "quota")), int) and quota > 0
    ]
    if document.get(limits) is None and plan in defined(document, "plans"):
        found = [(limit.quota, limit.name) for limit in PlanSettings().limits]
    quota, name = min(found, key=lambda one: one[0], default=(float("inf"), ""))
    return str(name), quota


def _shadowed(document: Document) -> Iterator[Problem]:
    routes = [
        route
        for path in document.entries(("routes",))
        if (route := _route(document, path)) is not None
    ]
    for route, by in RouteTable(routes).shadowed():
        earlier: FieldPath = ("routes", int(by.name))
        line = document.mark(earlier).line
        place = f" (line {line})" if line else ""
        yield document.problem(
            ("routes", int(route.name), "match"),
            f"a path here can never be reached: {field_text(earlier)}{place} comes first and takes it",
            "put the narrower route before the wider one",
        )


def _route(document: Document, path: FieldPath) -> Route | None:
    """The route at `path`, named by its place in the list; None while its patterns are wrong."""
    match = (*path, "match")
    one = document.get((*match, "path"))
    texts = (
        [one] if isinstance(one, str) else [text for _, text in document.texts((*match, "path"))]
    )
    methods = frozenset(text for _, text in document.texts((*match, "methods")))
    try:
        patterns = tuple(map(parse_pattern, texts))
    except ValueError:
        return None
    return Route(str(path[-1]), patterns, "", frozenset() if "*" in methods else methods)


def _ports(document: Document) -> Iterator[Problem]:
    usual = Settings()
    host, port = _address(document, "listen", usual.listen)
    admin_host, admin_port = _address(document, "admin", usual.admin)
    if port == 0 or port != admin_port:
        return
    if host == admin_host or _EVERYWHERE & {host, admin_host}:
        is_written = document.get(("admin", "port")) is not None
        yield document.problem(
            ("admin" if is_written else "listen", "port"),
            f"listen.port and admin.port are both {port}",
            "give each listener a port of its own",
        )


def _key_headers(document: Document) -> Iterator[Problem]:
    """A header with two meanings would leave it open what was sent."""
    usual = Settings().credentials
    seen: dict[str, FieldPath] = {}
    for path, name in document.texts(("credentials", "key_headers")):
        first = seen.setdefault(name.lower(), path)
        if first != path:
            yield document.problem(
                path, f"{field_text(first)} names this header already", "leave one of them out"
            )
    if document.get(("credentials", "key_headers")) is None:
        seen = {name.lower(): ("credentials", "key_headers") for name in usual.key_headers}
    written = document.get(("credentials", "secret_header"))
    secret = written if isinstance(written, str) else usual.secret_header
    if secret.lower() in seen:
        yield document.problem(
            ("credentials", "secret_header") if isinstance(written, str) else seen[secret.lower()],
            "one header cannot carry both the API key and the API secret",
            "give each a header of its own",
        )


def _journal(document: Document) -> Iterator[Problem]:
    """A worker and the control plane have two files each; less room than that records nothing."""
    usual = Settings().usage
    segment = _bytes(document, "segment_size", usual.segment_size_bytes)
    most = _bytes(document, "journal_max", usual.journal_max_bytes)
    if most < _SEGMENTS_MIN * segment:
        is_written = document.get(("usage", "journal_max")) is not None
        yield document.problem(
            ("usage", "journal_max" if is_written else "segment_size"),
            f"the journal has no room for {_SEGMENTS_MIN} files of {segment} bytes",
            "raise usage.journal_max, or lower usage.segment_size",
        )


def _bytes(document: Document, name: str, usual: int) -> int:
    with contextlib.suppress(ValueError):
        return Size("0", "1048576GiB").read(document.get(("usage", name)))
    return usual


def _address(
    document: Document, section: str, usual: ListenSettings | AdminSettings
) -> tuple[str, int]:
    host, port = document.get((section, "host")), document.get((section, "port"))
    return (
        host if isinstance(host, str) else usual.host,
        port if isinstance(port, int) else usual.port,
    )

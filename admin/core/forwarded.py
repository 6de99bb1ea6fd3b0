"""Which request a proxy in front asks about (forward auth): each proxy says it in words of its own.

nginx sets X-Original-URI and X-Original-Method; Traefik and Caddy set X-Forwarded-Uri and
X-Forwarded-Method; Envoy sends the method as it is and the target behind `PREFIX`. A caller can send
all these fields too. The proxy must overwrite its own and should drop the others; where two of them
are present and differ, nobody can say which request will be served, so none is judged.
"""

__all__ = ["PREFIX", "Original", "caller_address", "is_from_nginx", "original"]

from collections.abc import Sequence
from typing import Final, NamedTuple

from gateway.core.addresses import Networks, client_address
from gateway.core.places import Fields

PREFIX: Final = "/v1/authorize"


class Original(NamedTuple):
    """The request as it came to the proxy; nothing in it has been judged yet."""

    method: str
    target: str
    host: str | None


class _Dialect(NamedTuple):
    target_field: str
    method_field: str
    host_field: str


_NGINX: Final = _Dialect("X-Original-URI", "X-Original-Method", "X-Original-Host")
_DIALECTS: Final = (
    _NGINX,
    _Dialect("X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Host"),
)
_NOTHING_SAID: Final = (
    "The proxy in front does not say which request it asks about: it must send X-Original-URI and "
    f"X-Original-Method, X-Forwarded-Uri and X-Forwarded-Method, or the path behind {PREFIX}."
)
_DIFFERENT: Final = (
    "The request is named in two ways that differ. The proxy in front must drop every X-Original-* "
    "and X-Forwarded-* field that it does not set itself."
)


def original(method: str, target: str, fields: Fields) -> Original | str:
    """The request that is asked about, or a public sentence that says why that is not clear.

    `method` and `target` are those of the proxy's own request, the target as received.
    """
    if not target.startswith(PREFIX):
        return _NOTHING_SAID
    claims: list[Original] = []
    rest = target.removeprefix(PREFIX)
    if rest.startswith("/"):
        claims.append(Original(method, rest, _only(fields.getall("Host", ()))))
    for dialect in _DIALECTS:
        claim = _claim(dialect, fields)
        if isinstance(claim, str):
            return claim
        if claim is not None:
            claims.append(claim)
    if not claims:
        return _NOTHING_SAID
    if len({(claim.method, claim.target) for claim in claims}) > 1:
        return _DIFFERENT
    return claims[0]


def caller_address(peer: str, fields: Fields, trusted: Networks) -> str:
    """The address on whose behalf the proxy asks; the proxy's own unless it is in `trusted`.

    X-Real-IP counts only beside X-Original-URI and without X-Forwarded-For: other proxies pass on
    whatever X-Real-IP a caller sends.
    """
    hops = fields.getall("X-Forwarded-For", ())
    if not hops and is_from_nginx(fields):
        hops = fields.getall("X-Real-IP", ())
    return client_address(peer, hops, trusted)


def is_from_nginx(fields: Fields) -> bool:
    """Whether the question is in nginx's words: nginx hears nothing of an answer but its status and headers."""
    return _NGINX.target_field in fields


def _claim(dialect: _Dialect, fields: Fields) -> Original | str | None:
    """What this dialect's fields say; None if there are none."""
    targets = fields.getall(dialect.target_field, ())
    methods = fields.getall(dialect.method_field, ())
    if not targets and not methods:
        return None
    target, method = _only(targets), _only(methods)
    if target is None or method is None:
        return f"{dialect.target_field} and {dialect.method_field} must come together, once each."
    return Original(method, target, _only(fields.getall(dialect.host_field, ())))


def _only(values: Sequence[str]) -> str | None:
    return values[0] if len(values) == 1 else None

"""Which request a proxy in front asks about (forward auth): each proxy says it in words of its own.

nginx sets X-Original-URI and X-Original-Method; Traefik and Caddy set X-Forwarded-Uri and
X-Forwarded-Method; Envoy sends the method as it is and the target behind `PREFIX`. A caller can send
all these fields too. The proxy must overwrite its own and should drop the others; where two of them
are present and differ, nobody can say which request will be served, so none is judged.
"""

__all__ = ["PREFIX", "Original", "Values", "caller_address", "original"]

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from gateway.core.addresses import Networks, client_address

PREFIX: Final = "/v1/authorize"

# All values of a field, by its name in any letter case; none is an empty sequence.
Values: TypeAlias = Callable[[str], Sequence[str]]


class Original(NamedTuple):
    """The request as it came to the proxy; nothing in it has been judged yet."""

    method: str
    target: str
    host: str | None


class _Dialect(NamedTuple):
    target_field: str
    method_field: str
    host_field: str


_DIALECTS: Final = (
    _Dialect("X-Original-URI", "X-Original-Method", "X-Original-Host"),
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


def original(method: str, target: str, values: Values) -> Original | str:
    """The request that is asked about, or a public sentence that says why that is not clear.

    `method` and `target` are those of the proxy's own request, the target as received.
    """
    if not target.startswith(PREFIX):
        return _NOTHING_SAID
    claims: list[Original] = []
    rest = target.removeprefix(PREFIX)
    if rest.startswith("/"):
        claims.append(Original(method, rest, _only(values("Host"))))
    for dialect in _DIALECTS:
        claim = _claim(dialect, values)
        if isinstance(claim, str):
            return claim
        if claim is not None:
            claims.append(claim)
    if not claims:
        return _NOTHING_SAID
    if len({(claim.method, claim.target) for claim in claims}) > 1:
        return _DIFFERENT
    return claims[0]


def caller_address(peer: str, values: Values, trusted: Networks) -> str:
    """The address on whose behalf the proxy asks; the proxy's own unless it is in `trusted`.

    X-Real-IP counts only beside X-Original-URI and without X-Forwarded-For: other proxies pass on
    whatever X-Real-IP a caller sends.
    """
    hops = values("X-Forwarded-For")
    if not hops and values("X-Original-URI"):
        hops = values("X-Real-IP")
    return client_address(peer, hops, trusted)


def _claim(dialect: _Dialect, values: Values) -> Original | str | None:
    """What this dialect's fields say; None if there are none."""
    targets, methods = values(dialect.target_field), values(dialect.method_field)
    if not targets and not methods:
        return None
    target, method = _only(targets), _only(methods)
    if target is None or method is None:
        return f"{dialect.target_field} and {dialect.method_field} must come together, once each."
    return Original(method, target, _only(values(dialect.host_field)))


def _only(values: Sequence[str]) -> str | None:
    return values[0] if len(values) == 1 else None

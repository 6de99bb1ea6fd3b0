"""Who asks: an admin token in `Authorization: Bearer` (RFC 6750), and how often an address may be wrong."""

__all__ = ["Authenticate", "Doorkeeper"]

import hashlib
import math
import re
import secrets
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

from admin.api.problems import Declined, Problem
from admin.core.caller import Caller
from gateway.pipeline.throttle import FailureThrottle
from gateway.ports import Clock

_REALM = "keywright-admin"
_BEARER = re.compile(r"bearer(?:[ \t]+(?P<token>.*))?", re.IGNORECASE)
_TOKEN_LENGTH_MAX = 256
_GOOD_MAX = 10_000


class Authenticate(Protocol):
    """What the service of admin tokens offers."""

    async def __call__(self, text: str, address: str, request_id: str) -> Caller | None:
        """Whose token this is; None for one that is unknown, expired or revoked. Raises StoreError."""
        ...


class Doorkeeper:
    """Tells who holds the token of a request.

    An address whose tokens keep being wrong has to wait. Tokens that were right before go on working
    from there, so that nobody is locked out by a neighbour behind the same address; that they still
    are right is asked each time.
    """

    def __init__(self, authenticate: Authenticate, clock: Clock, failures_per_minute: int) -> None:
        """`failures_per_minute` wrong tokens are looked up for one address, and as many at once."""
        self._authenticate = authenticate
        self._throttle = FailureThrottle(clock, failures_per_minute=failures_per_minute)
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._salt = secrets.token_bytes(32)

    async def caller(self, authorization: Sequence[str], address: str, request_id: str) -> Caller:
        """Who asks. Raises Declined for anybody else, StoreError when that cannot be said now."""
        token = _token(authorization)
        digest = hashlib.blake2b(token.encode(), key=self._salt, digest_size=16).digest()
        wait_seconds = self._throttle.retry_after_seconds(address)
        if wait_seconds > 0 and digest not in self._good:
            retry_after = str(max(1, math.ceil(wait_seconds)))
            raise Declined(Problem.RATE_LIMITED, headers={"Retry-After": retry_after})
        caller = await self._authenticate(token, address, request_id)
        if caller is None:
            self._good.pop(digest, None)
            self._throttle.failed(address)
            raise _challenged(Problem.INVALID_TOKEN)
        self._remember(digest)
        return caller

    def _remember(self, digest: bytes) -> None:
        self._good[digest] = None
        self._good.move_to_end(digest)
        if len(self._good) > _GOOD_MAX:
            self._good.popitem(last=False)


def _token(fields: Sequence[str]) -> str:
    """The one bearer token. Raises Declined; of a token nothing is repeated."""
    if len(fields) > 1:
        raise Declined(Problem.BAD_REQUEST, "Send one Authorization header, not several.")
    found = _BEARER.fullmatch(fields[0].strip(" \t")) if fields else None
    if found is None or not found["token"]:
        raise _challenged(Problem.MISSING_TOKEN)
    token: str = found["token"]
    if len(token) > _TOKEN_LENGTH_MAX or not token.isascii() or not token.isprintable():
        raise _challenged(Problem.INVALID_TOKEN)
    return token


def _challenged(problem: Problem) -> Declined:
    challenge = f'Bearer realm="{_REALM}"'
    if problem is Problem.INVALID_TOKEN:
        challenge += f', error="invalid_token", error_description="{problem.text}"'
    return Declined(problem, headers={"WWW-Authenticate": challenge})

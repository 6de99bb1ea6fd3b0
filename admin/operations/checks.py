"""Asking about a key without a request to the proxy: verify and explain."""

__all__ = ["CHECK_ACTS"]

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from admin.core.caller import Caller
from admin.operations.asked import Act, Asked
from admin.services.catalogue import Services
from admin.services.checks import Checked, RequestCheck, TokenCheck
from admin.wire.checks import (
    ExplainDocument,
    ExplainRequest,
    LimitLeft,
    RuleDocument,
    VerifyDocument,
    VerifyRequest,
)
from gateway.core.keys import Key
from gateway.core.limits import Grant, retry_after_header
from gateway.core.refusal import Refused
from gateway.pipeline.explanation import Ruling


async def _verify(services: Services, caller: Caller, asked: Asked) -> VerifyDocument:
    body = asked.the_body(VerifyRequest)
    checked = await services.checks.verify(
        caller,
        TokenCheck(
            token=body.token.get_secret_value(),
            method=body.method,
            path=body.path,
            scopes=body.scopes,
            cost=body.cost,
            address=body.address,
            origin=body.origin,
        ),
    )
    return _document(checked)


async def _explain(services: Services, caller: Caller, asked: Asked) -> ExplainDocument:
    body = asked.the_body(ExplainRequest)
    explanation = await services.checks.explain(
        caller,
        RequestCheck(
            key_id=body.key_id,
            method=body.method,
            path=body.path,
            address=body.address,
            origin=body.origin,
        ),
    )
    refused = explanation.refused
    return ExplainDocument(
        key=explanation.key.id,
        allowed=refused is None,
        status=HTTPStatus.OK.value if refused is None else refused.reason.status,
        code=None if refused is None else refused.reason.code,
        route=None if explanation.route is None else explanation.route.name,
        rules=tuple(map(_rule, explanation.rulings)),
        limits=_left(explanation.grant),
    )


def _document(checked: Checked) -> VerifyDocument:
    key, refused = checked.key, checked.refused
    code = None if refused is None else refused.reason.code
    reason = None if refused is None else f"{refused.reason.text} {refused.hint}".rstrip()
    retry_after = _retry_after(refused)
    if key is None:
        return VerifyDocument(
            active=refused is None, code=code, reason=reason, retry_after=retry_after
        )
    return VerifyDocument(
        active=refused is None,
        code=code,
        reason=reason,
        key=key.id,
        name=key.name,
        client_id=key.account.id,
        scope=" ".join(checked.scopes),
        type=key.type,
        environment=key.environment,
        route=checked.route,
        exp=_expiry(key),
        nbf=None if key.not_before is None else math.ceil(key.not_before),
        limits=_left(checked.grant),
        retry_after=retry_after,
    )


def _rule(ruling: Ruling) -> RuleDocument:
    return RuleDocument(
        rule=ruling.rule,
        outcome=ruling.outcome.value,
        code=None if ruling.refused is None else ruling.refused.reason.code,
        detail=ruling.detail,
    )


def _expiry(key: Key) -> int | None:
    """The last whole second in which this token may be used, seconds since the epoch (RFC 7662 §2.2)."""
    ends = [end for end in (key.expires_at, key.secret_expires_at) if end is not None]
    return math.floor(min(ends)) if ends else None


def _left(grant: Grant | None) -> tuple[LimitLeft, ...]:
    """Nothing when the answer is one process's guess."""
    if grant is None or grant.is_degraded:
        return ()
    return tuple(
        LimitLeft(
            name=state.limit.name,
            quota=state.limit.quota,
            window=state.limit.window_seconds,
            remaining=max(0, state.remaining),
            reset_in=max(0, math.ceil(state.full_in_seconds)),
        )
        for state in grant.states
    )


def _retry_after(refused: Refused | None) -> int | None:
    if refused is None or refused.retry_after_seconds is None:
        return None
    return retry_after_header(refused.retry_after_seconds)


CHECK_ACTS: Final[Mapping[str, Act]] = {"verify": _verify, "explain": _explain}

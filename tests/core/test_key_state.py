"""Whether a key may be used at an instant."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.core.key_state import state_refusal
from gateway.core.keys import Account, ApiAccess, Environment, Key, KeyStatus, KeyType
from gateway.core.refusal import Refusal

NOON = 1_800_000_000.0
PLAIN = Key(
    id="key_1",
    name="ci",
    account=Account("acc_1", "Acme", "starter", ApiAccess.APPROVED),
    type=KeyType.SECRET,
    environment=Environment.LIVE,
    status=KeyStatus.ACTIVE,
    scopes=("read-only",),
    secret_id="9aB3xYz0Kq7L",
    version=1,
)
REVOKED, DISABLED = KeyStatus.REVOKED, KeyStatus.DISABLED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, None, id="plain-key"),
        pytest.param({"status": REVOKED}, Refusal.REVOKED_KEY, id="revoked"),
        pytest.param({"status": DISABLED}, Refusal.DISABLED_KEY, id="disabled"),
        pytest.param({"not_before": NOON}, None, id="begins-now"),
        pytest.param({"not_before": NOON + 0.001}, Refusal.NOT_YET_VALID, id="begins-soon"),
        pytest.param({"expires_at": NOON + 0.001}, None, id="expires-soon"),
        pytest.param({"expires_at": NOON}, Refusal.EXPIRED_KEY, id="expires-now"),
        pytest.param({"expires_at": 0.0}, Refusal.EXPIRED_KEY, id="expired-at-the-epoch"),
        pytest.param({"secret_expires_at": NOON + 1}, None, id="rotated-grace-still-running"),
        pytest.param({"secret_expires_at": NOON}, Refusal.EXPIRED_KEY, id="rotated-grace-over"),
        pytest.param(
            {"secret_expires_at": NOON + 1, "expires_at": NOON},
            Refusal.EXPIRED_KEY,
            id="key-expires-within-the-grace",
        ),
        pytest.param(
            {"environment": Environment.TEST}, Refusal.ENVIRONMENT_MISMATCH, id="other-environment"
        ),
        pytest.param(
            {"status": REVOKED, "expires_at": NOON}, Refusal.REVOKED_KEY, id="revoked-then-expired"
        ),
        pytest.param(
            {"status": DISABLED, "not_before": NOON + 1},
            Refusal.DISABLED_KEY,
            id="disabled-then-not-yet",
        ),
        pytest.param(
            {"not_before": NOON + 2, "expires_at": NOON},
            Refusal.NOT_YET_VALID,
            id="not-yet-then-expired",
        ),
        pytest.param(
            {"expires_at": NOON, "environment": Environment.TEST},
            Refusal.EXPIRED_KEY,
            id="expired-then-environment",
        ),
    ],
)
def test_state_refusal(changes: dict[str, Any], expected: Refusal | None) -> None:
    """A key stops at the very instant it should, and of several reasons the most lasting is told."""
    assert state_refusal(replace(PLAIN, **changes), NOON, Environment.LIVE) is expected


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (ApiAccess.APPROVED, None),
        (ApiAccess.DISABLED, Refusal.API_ACCESS_DISABLED),
        (ApiAccess.REQUESTED, Refusal.API_ACCESS_DISABLED),
        (ApiAccess.DENIED, Refusal.API_ACCESS_DISABLED),
    ],
)
def test_an_account_without_access_has_no_working_keys(
    access: ApiAccess, expected: Refusal | None
) -> None:
    """Only approved accounts get through, and a key that is dead anyway is called dead."""
    key = replace(PLAIN, account=replace(PLAIN.account, api_access=access))
    of_test = replace(key, environment=Environment.TEST)

    assert state_refusal(key, NOON, None) is expected
    assert state_refusal(of_test, NOON, Environment.LIVE) is Refusal.ENVIRONMENT_MISMATCH


@pytest.mark.parametrize("environment", list(Environment))
def test_an_endpoint_may_serve_both_environments(environment: Environment) -> None:
    """Where no environment is configured, live and test keys are served alike."""
    assert state_refusal(replace(PLAIN, environment=environment), NOON, None) is None

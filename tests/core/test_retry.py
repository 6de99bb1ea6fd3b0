"""Only what cannot have happened, or may happen twice, is repeated."""

import pytest

from gateway.core.retry import ATTEMPTS_MAX, Failure, may_retry


@pytest.mark.parametrize(
    ("failure", "method", "attempts", "is_body_read", "expected"),
    [
        pytest.param(Failure.NOT_CONNECTED, "POST", 1, False, True, id="nothing-was-sent"),
        pytest.param(Failure.NOT_CONNECTED, "POST", 1, True, False, id="body-is-gone"),
        pytest.param(Failure.NOT_CONNECTED, "GET", ATTEMPTS_MAX - 1, False, True, id="last-try"),
        pytest.param(Failure.NOT_CONNECTED, "GET", ATTEMPTS_MAX, False, False, id="enough-tries"),
        pytest.param(Failure.NOT_ANSWERED, "GET", 1, False, True, id="GET"),
        pytest.param(Failure.NOT_ANSWERED, "HEAD", 1, False, True, id="HEAD"),
        pytest.param(Failure.NOT_ANSWERED, "OPTIONS", 1, False, True, id="OPTIONS"),
        pytest.param(Failure.NOT_ANSWERED, "PUT", 1, False, True, id="PUT"),
        pytest.param(Failure.NOT_ANSWERED, "DELETE", 1, False, True, id="DELETE"),
        pytest.param(Failure.NOT_ANSWERED, "PUT", 1, True, False, id="PUT-whose-body-is-gone"),
        pytest.param(Failure.NOT_ANSWERED, "POST", 1, False, False, id="POST-may-have-happened"),
        pytest.param(Failure.NOT_ANSWERED, "PATCH", 1, False, False, id="PATCH-may-have-happened"),
        pytest.param(Failure.NOT_ANSWERED, "PURGE", 1, False, False, id="unknown-method"),
        pytest.param(Failure.NOT_ANSWERED, "get", 1, False, False, id="not-the-method-GET"),
        pytest.param(Failure.TIMED_OUT, "GET", 1, False, False, id="slow-already"),
        pytest.param(Failure.BROKEN_ANSWER, "GET", 1, False, False, id="answer-had-begun"),
        pytest.param(Failure.CLIENT_GONE, "GET", 1, False, False, id="nobody-waits"),
    ],
)
def test_may_retry(
    failure: Failure, method: str, attempts: int, is_body_read: bool, expected: bool
) -> None:
    """No order is placed twice because the gateway tried again."""
    assert may_retry(failure, method, attempts, is_body_read=is_body_read) is expected

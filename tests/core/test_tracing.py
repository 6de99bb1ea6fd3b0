"""Request ids and traces that clients send."""

import pytest

from gateway.core.tracing import request_id, traceparent_ok

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("sent", "is_kept"),
    [
        pytest.param("req-1_a.B", True, id="sane"),
        pytest.param("x" * 128, True, id="longest"),
        pytest.param("x" * 129, False, id="too-long"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="none"),
        pytest.param("a b", False, id="space"),
        pytest.param("a\n", False, id="line-end"),
        pytest.param("a\r\nSet-Cookie: x", False, id="injection"),
        pytest.param('a","level":"error', False, id="log-injection"),
        pytest.param("é", False, id="non-ASCII"),
        pytest.param("\uff11", False, id="digit-of-another-script"),
    ],
)
def test_request_id(sent: str | None, is_kept: bool) -> None:
    """A client's id finds its request in our log, but cannot write anything else into it."""
    assert request_id(sent, lambda: "fresh") == (sent if is_kept else "fresh")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"00-{TRACE}-{PARENT}-01", True, id="version-00"),
        pytest.param(f"00-{TRACE}-{PARENT}-ff", True, id="any-flags"),
        pytest.param(f"00-{TRACE}-{PARENT}-01-more", False, id="version-00-is-known-whole"),
        pytest.param(f"00-{TRACE}-{PARENT}-01-", False, id="version-00-with-a-dash"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01", True, id="later-version"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01-what-comes", True, id="later-version-with-more"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01.what", False, id="later-version-glued"),
        pytest.param(f"ff-{TRACE}-{PARENT}-01", False, id="version-ff"),
        pytest.param(f"00-{TRACE.upper()}-{PARENT}-01", False, id="upper-case"),
        pytest.param(f"00-{'0' * 32}-{PARENT}-01", False, id="zero-trace"),
        pytest.param(f"00-{TRACE}-{'0' * 16}-01", False, id="zero-parent"),
        pytest.param(f"00-{TRACE[:-1]}-{PARENT}-01", False, id="short-trace"),
        pytest.param(f"00-{TRACE}-{PARENT}", False, id="no-flags"),
        pytest.param(f"00-{TRACE}-{PARENT}-0x", False, id="not-hex"),
        pytest.param(f" 00-{TRACE}-{PARENT}-01", False, id="space-in-front"),
        pytest.param(f"00-{TRACE}-{PARENT}-01\n", False, id="line-end"),
        pytest.param(f"cc-{TRACE}-{PARENT}-01-a\nb", False, id="line-end-in-more"),
        pytest.param("", False, id="empty"),
    ],
)
def test_traceparent_ok(text: str, expected: bool) -> None:
    """A broken trace is not passed on, where it would break the tracing of others."""
    assert traceparent_ok(text) is expected

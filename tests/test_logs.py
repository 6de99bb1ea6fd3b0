"""What stands in the log, and what never does."""

import contextlib
import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway import logs
from gateway.core.errors import StoreError

SECRET = "9aB3" + "xY7z" * 11 + "Qq"
TOKEN = f"sk_live_{SECRET}"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """Everything that is logged while the test runs."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    stream = io.StringIO()
    logs.configure("info", stream)
    yield stream
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def _only(stream: io.StringIO) -> dict[str, object]:
    (line,) = stream.getvalue().splitlines()
    parsed: dict[str, object] = json.loads(line)
    return parsed


def _raised(error: Exception) -> Exception:
    with contextlib.suppress(type(error)):
        raise error
    return error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"got {TOKEN}!", "got sk_live_[redacted]!", id="token"),
        pytest.param(TOKEN[:-9], "sk_live_[redacted]", id="truncated"),
        pytest.param(f"acme_{TOKEN}", "acme_sk_live_[redacted]", id="vendor-prefix"),
        pytest.param(f"pk%5Ftest%5f{SECRET}", "pk%5Ftest%5f[redacted]", id="percent-encoded"),
        pytest.param("sk_live_9aB3…", "sk_live_9aB3…", id="shown-form-stays"),
        pytest.param(f"Bearer {SECRET}", "Bearer [redacted]", id="bearer"),
        pytest.param(
            "authorization: basic dTpwYXNz", "authorization: basic [redacted]", id="basic"
        ),
        pytest.param("redis://u:pa:ss@h/0", "redis://[redacted]@h/0", id="url-password"),
        pytest.param("redis://:pw@h", "redis://[redacted]@h", id="url-password-without-user"),
        pytest.param(
            "postgresql+asyncpg://h/db", "postgresql+asyncpg://h/db", id="url-without-password"
        ),
        pytest.param("$argon2id$v=19$m=64$c2FsdA$aGFzaA x", "[redacted] x", id="password-hash"),
        pytest.param("0f" * 32, "[redacted]", id="digest"),
        pytest.param("0f" * 16, "0f" * 16, id="request-id-stays"),
    ],
)
def test_redacted(text: str, expected: str) -> None:
    """Nothing that proves who somebody is can be read from the log, and what is needed can."""
    assert logs.redacted(text) == expected


def test_nested_values_are_redacted(output: io.StringIO) -> None:
    """A secret does not get through inside a list, a mapping, bytes or an object's text."""
    structlog.get_logger().info(
        "event",
        lists=[TOKEN],
        maps={TOKEN: (TOKEN, {"Authorization": "x"})},
        raw=TOKEN.encode(),
        other=Exception(TOKEN),
    )

    assert "9aB3" not in output.getvalue()
    assert _only(output)["maps"] == {
        "sk_live_[redacted]": ["sk_live_[redacted]", {"Authorization": "[redacted]"}]
    }


@pytest.mark.parametrize("name", ["authorization", "Set-Cookie", "password", "X-Api-Key"])
def test_fields_that_hold_secrets_are_hidden(output: io.StringIO, name: str) -> None:
    """A field named like a secret is hidden, whatever its value looks like."""
    structlog.get_logger().info("event", **{name: "plain"})

    assert _only(output)[name] == "[redacted]"


def test_libraries_cannot_quote_a_request(output: io.StringIO) -> None:
    """A parser's complaint is heard, without the bytes it complains about."""
    complaint = ValueError("Invalid header: b'X-Evil: quoted'")
    logging.getLogger("aiohttp.server").error(
        "Error handling request from %s\nquoted", "quoted", exc_info=_raised(complaint)
    )

    said = _only(output)
    assert "quoted" not in output.getvalue()
    assert said["logger"] == "aiohttp.server"
    assert said["text"] == "Error handling request from %s"
    assert said["error"] == "ValueError"
    assert said["level"] == "error"
    assert said["frames"]


def test_our_own_faults_tell_their_text(output: io.StringIO) -> None:
    """An operator reads what failed and why; a foreign cause is told by its type alone."""
    fault = StoreError("sql", "find key", "OSError")
    fault.__cause__ = OSError("quoted")
    structlog.get_logger().error("event", exc_info=_raised(fault))

    said = _only(output)
    assert said["detail"] == "sql: find key: OSError"
    assert said["cause"] == "OSError"
    assert "quoted" not in output.getvalue()


def test_a_group_tells_each_member(output: io.StringIO) -> None:
    """When background work dies, the log says which kinds of fault there were."""
    group = ExceptionGroup("quoted", [ValueError("quoted"), KeyError("quoted")])
    structlog.get_logger().error("event", exc_info=group)
    errors = _only(output)["errors"]

    assert isinstance(errors, list)
    assert [each["error"] for each in errors] == ["ValueError", "KeyError"]
    assert "quoted" not in output.getvalue()


def test_the_level_is_kept(output: io.StringIO) -> None:
    """Details below the configured level, and libraries' chatter, stay out."""
    structlog.get_logger().debug("event")
    logging.getLogger("some.library").info("chatter")

    assert output.getvalue() == ""

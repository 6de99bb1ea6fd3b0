"""How single values are written: durations, sizes, targets, networks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway.settings import values

WIDE = values.Duration("0ms", "9999d")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("50ms", 0.05, id="milliseconds"),
        pytest.param("1.5s", 1.5, id="fraction"),
        pytest.param("10m", 600.0, id="minutes"),
        pytest.param("2h", 7200.0, id="hours"),
        pytest.param("1d", 86400.0, id="days"),
        pytest.param("10 s", 10.0, id="with-a-space"),
    ],
)
def test_duration(text: str, seconds: float) -> None:
    """A duration means the seconds that anybody would read in it."""
    assert WIDE.read(text) == seconds


@pytest.mark.parametrize(
    "wrong", ["", "s", "10", "-1s", "1,5s", "10S", "10ss", "1h30m", "٣s", 10, 1.5, True, None, []]
)
def test_no_duration(wrong: object) -> None:
    """A number without its unit is never guessed at."""
    with pytest.raises(ValueError, match="must be a duration"):
        WIDE.read(wrong)


@given(st.integers(0, 10**9 - 1), st.sampled_from(["ms", "s"]))
def test_bounds_hold(number: int, unit: str) -> None:
    """No duration outside its bounds gets through, and its bounds themselves do."""
    between = values.Duration("10ms", "1m")
    seconds = number / 1000 if unit == "ms" else number
    if 0.01 <= seconds <= 60:
        assert between.read(f"{number}{unit}") == pytest.approx(seconds)
    else:
        with pytest.raises(ValueError, match="out of range; write 10ms to 1m"):
            between.read(f"{number}{unit}")


@pytest.mark.parametrize(
    ("written", "size"),
    [
        pytest.param(4096, 4096, id="number"),
        pytest.param("4096", 4096, id="number-as-text"),
        pytest.param("100B", 100, id="bytes"),
        pytest.param("64KiB", 65536, id="kibibytes"),
        pytest.param("10 MiB", 10 * 1024**2, id="mebibytes"),
        pytest.param("2GiB", 2 * 1024**3, id="gibibytes"),
    ],
)
def test_size(written: object, size: int) -> None:
    """A size means its bytes."""
    assert values.Size("0", "10GiB").read(written) == size


@pytest.mark.parametrize("wrong", ["", "KiB", "-1", "1.5MiB", "10MB", "10k", 1.5, True, None, {}])
def test_no_size(wrong: object) -> None:
    """Decimal and binary units are never confused."""
    with pytest.raises(ValueError, match="must be a size"):
        values.Size("0", "10GiB").read(wrong)


@pytest.mark.parametrize(
    ("kind", "written", "meant"),
    [
        pytest.param(
            values.TargetUrl, "http://127.0.0.1:9001", "http://127.0.0.1:9001", id="target"
        ),
        pytest.param(
            values.TargetUrl, "https://api.internal/", "https://api.internal", id="target-slash"
        ),
        pytest.param(values.TargetUrl, "http://[::1]:80", "http://[::1]:80", id="target-v6"),
        pytest.param(
            values.TargetUrl, "http://my_service:80", "http://my_service:80", id="target-underscore"
        ),
        pytest.param(values.Network, "10.0.0.1", "10.0.0.1/32", id="single-address"),
        pytest.param(values.Network, "2001:DB8::/32", "2001:db8::/32", id="network-v6"),
        pytest.param(
            values.WebUrl,
            "https://docs.example.com/api/",
            "https://docs.example.com/api",
            id="docs",
        ),
        pytest.param(values.HostName, "::", "::", id="all-v6"),
        pytest.param(values.HostName, "localhost", "localhost", id="host-name"),
        pytest.param(values.Method, "M-SEARCH", "M-SEARCH", id="method"),
        pytest.param(values.VendorPrefix, "", "", id="no-vendor"),
        pytest.param(values.VendorPrefix, "acme2", "acme2", id="vendor"),
        pytest.param(values.Name, "api.v1_x-y", "api.v1_x-y", id="name"),
        pytest.param(values.ScopeName, "dns:read", "dns:read", id="scope"),
    ],
)
def test_right(kind: Any, written: str, meant: str) -> None:  # noqa: ANN401 -- a type
    """What is well written is taken, in one spelling."""
    assert TypeAdapter(kind).validate_python(written) == meant


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        pytest.param(values.TargetUrl, "http://", id="target-no-host"),
        pytest.param(values.TargetUrl, "http://:80", id="target-no-name"),
        pytest.param(values.TargetUrl, "http://a b", id="target-space"),
        pytest.param(values.TargetUrl, "http://a\r\nX: y", id="target-line-break"),
        pytest.param(values.TargetUrl, "http://h?x", id="target-query"),
        pytest.param(values.TargetUrl, "http://h/#", id="target-fragment"),
        pytest.param(values.TargetUrl, "http://h:0", id="target-port-zero"),
        pytest.param(values.TargetUrl, "http://[::1", id="target-bracket"),
        pytest.param(values.TargetUrl, "ftp://h", id="target-scheme"),
        pytest.param(values.TargetUrl, "http://zürich", id="target-not-ascii"),
        pytest.param(values.Network, "10.0.0.0/-1", id="network"),
        pytest.param(values.WebUrl, "https://u:p@h", id="docs-password"),
        pytest.param(values.WebUrl, "javascript:alert(1)", id="docs-scheme"),
        pytest.param(values.HostName, "", id="no-host"),
        pytest.param(values.HostName, "a b", id="host-space"),
        pytest.param(values.Realm, "", id="no-realm"),
        pytest.param(values.Realm, "a\nb", id="realm-line-break"),
        pytest.param(values.Realm, "ä", id="realm-not-ascii"),
        pytest.param(values.Realm, "a" * 65, id="realm-too-long"),
        pytest.param(values.Method, "G T", id="method-space"),
        pytest.param(values.ExtraMethod, "TRACE", id="method-trace"),
        pytest.param(values.ExtraMethod, "*", id="method-star"),
        pytest.param(values.VendorPrefix, "sk", id="vendor-is-a-type"),
        pytest.param(values.VendorPrefix, "2acme", id="vendor-digit-first"),
        pytest.param(values.Name, "a" * 64, id="name-too-long"),
        pytest.param(values.Name, "-a", id="name-begins-with-hyphen"),
        pytest.param(values.Name, "a\n", id="name-line-break"),
        pytest.param(values.ScopeName, "a,b", id="scope-comma"),
        pytest.param(values.Folder, "", id="no-folder"),
        pytest.param(values.Folder, "a\0b", id="folder-nul"),
        pytest.param(values.RedisUrl, "redis://a b", id="redis-space"),
        pytest.param(values.RedisUrl, "unix://", id="redis-no-socket"),
        pytest.param(values.RedisUrl, "sentinel://h:1,h:2", id="sentinel-no-service"),
        pytest.param(values.RedisUrl, "redis:/h", id="redis-one-slash"),
        pytest.param(values.SqlUrl, "sqlite:///", id="sqlite-no-file"),
        pytest.param(values.SqlUrl, "postgresql:///", id="postgres-no-database"),
    ],
)
def test_wrong(kind: Any, written: str) -> None:  # noqa: ANN401 -- a type
    """What could be misread, or could not work, is refused before it is used."""
    with pytest.raises(ValueError, match="Value error"):
        TypeAdapter(kind).validate_python(written)

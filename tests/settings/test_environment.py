"""Settings from the environment: `KEYWRIGHT_…` variables, and secrets that stand elsewhere."""

from pathlib import Path

import pytest

from gateway.settings import load, read
from gateway.settings.load import read_text

FILE = """
upstreams:
  dns-api: {targets: ["http://127.0.0.1:9001"]}
routes:
  - {name: dns, match: {path: "/v1/dns/**"}, upstream: dns-api}
listen: {port: 8080, realm: zones}
"""
PEPPER = "0123456789" * 4


@pytest.mark.parametrize(
    ("variables", "field", "expected"),
    [
        pytest.param({"LISTEN__PORT": "9000"}, "listen.port", 9000, id="number"),
        pytest.param(
            {"LISTEN__HEADER_DEADLINE": "2s"}, "listen.header_deadline_seconds", 2.0, id="duration"
        ),
        pytest.param({"HEADERS__LEGACY": "true"}, "headers.legacy", True, id="flag"),
        pytest.param({"DATA_DIR": "/srv/keys"}, "data_dir", Path("/srv/keys"), id="single-value"),
        pytest.param(
            {"LISTEN__TRUSTED_PROXIES": "[10.0.0.0/8]"},
            "listen.trusted_proxies",
            ("10.0.0.0/8",),
            id="list",
        ),
        pytest.param(
            {"LISTEN__FORWARD_NAMES_WITH__DOT": "true"},
            "listen.forward_names_with.dot",
            True,
            id="deep",
        ),
        pytest.param(
            {"ADMIN": "{port: 9}", "ADMIN__HOST": "::1"},
            "admin.host",
            "::1",
            id="section-then-field",
        ),
        pytest.param({"LISTEN__REALM": ""}, "listen.realm", "zones", id="empty-is-unset"),
        pytest.param({"listen__port": "9000"}, "listen.port", 9000, id="lower-case"),
        pytest.param(
            {"SERVICE_HOST": "10.0.0.1", "SERVICE_PORT": "80"},
            "listen.port",
            8080,
            id="service-link",
        ),
        pytest.param({"PORT": "tcp://10.0.0.1:80"}, "listen.port", 8080, id="service-address"),
        pytest.param({"PORT_80_TCP_ADDR": "10.0.0.1"}, "listen.port", 8080, id="service-port"),
    ],
)
def test_override(variables: dict[str, str], field: str, expected: object) -> None:
    """A variable wins over the file; what Kubernetes sets by itself is not taken for one."""
    reading = read_text(
        FILE, "k.yaml", {f"KEYWRIGHT_{name}": text for name, text in variables.items()}
    )
    value: object = reading.settings
    for name in field.split("."):
        value = getattr(value, name)

    assert reading.problems == ()
    assert value == expected


def test_names_and_list_entries() -> None:
    """A hyphen is written as an underscore, and a list entry by its number."""
    environ = {
        "KEYWRIGHT_UPSTREAMS__DNS_API__CONNECT_DEADLINE": "1s",
        "KEYWRIGHT_ROUTES__0__COST": "7",
        "KEYWRIGHT_UPSTREAMS__NEW__TARGETS": '["http://127.0.0.1:9002"]',
    }
    settings = read_text(FILE, "k.yaml", environ).settings

    assert settings is not None
    assert settings.upstreams["dns-api"].connect_deadline_seconds == 1.0
    assert settings.routes[0].cost == 7
    assert settings.upstreams["new"].targets == ("http://127.0.0.1:9002",)


def test_without_a_file() -> None:
    """A container can be configured by variables alone."""
    environ = {
        "KEYWRIGHT_UPSTREAMS__API__TARGETS": '["http://api:80"]',
        "KEYWRIGHT_ROUTES": '[{name: all, match: {path: "/**"}, upstream: api}]',
    }
    settings = load(None, environ, to_serve=True)

    assert settings.routes[0].match.path == ("/**",)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param(
            "LISTEN__PORT",
            "many",
            'listen.port: must be a whole number, not "many"',
            id="wrong-value",
        ),
        pytest.param(
            "LISTEN__PROT",
            "1",
            'listen.prot: there is no such field; did you mean "port"?',
            id="field",
        ),
        pytest.param(
            "LISTEN_PORT",
            "1",
            'there is no setting for this variable; did you mean "KEYWRIGHT_LISTEN__PORT"?',
            id="one-underscore",
        ),
        pytest.param(
            "LISTNE__PORT",
            "1",
            'there is no setting for this variable; did you mean "KEYWRIGHT_LISTEN__PORT"?',
            id="section",
        ),
        pytest.param(
            "LISTEN__TRUSTED_PROXIES",
            "[10.0.0.0/8",
            'listen.trusted_proxies: is not YAML: a "," is missing here, or the "[" of line 1 is not closed',
            id="not-yaml",
        ),
        pytest.param(
            "ADMIN",
            "{port: 1, port: 2}",
            "admin.port: is written twice; keep one of the two",
            id="twice-inside",
        ),
        pytest.param(
            "ROUTES__3__COST",
            "1",
            "routes[3].cost: there is no entry 3: the list has 1, counted from 0",
            id="index",
        ),
        pytest.param(
            "LISTEN__PORT__NUMBER",
            "1",
            "listen.port.number: leads inside a value that has no fields of its own",
            id="too-deep",
        ),
        pytest.param(
            "ROUTES__0__UPSTREAM",
            "dns_api",
            'routes[0].upstream: there is no upstream "dns_api"; did you mean "dns-api"? Defined: dns-api',
            id="reference",
        ),
    ],
)
def test_wrong_variable(name: str, text: str, expected: str) -> None:
    """A mistake that stands in a variable is told by the variable's name, not by a line of the file."""
    (problem,) = read_text(FILE, "k.yaml", {f"KEYWRIGHT_{name}": text}).problems

    assert str(problem) == f"KEYWRIGHT_{name}: {expected}"


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"KEYWRIGHT_DATA_DIR": "\udcff"}, id="value"),
        pytest.param({"KEYWRIGHT_KEYS__PEPPER": "\udcff" * 40}, id="secret"),
        pytest.param({"KEYWRIGHT_\udcff": "1"}, id="name"),
        pytest.param({"KEYWRIGHT_KEYS__PEPPER": "{env: P}", "P": "\udcff" * 40}, id="reference"),
    ],
)
def test_bytes_that_are_no_text(environ: dict[str, str]) -> None:
    """A variable that is not UTF-8 is a mistake like any other."""
    (problem,) = read_text("", "k.yaml", environ).problems

    assert str(problem).endswith("is not UTF-8 text")


def test_mistake_inside_a_replaced_list() -> None:
    """What a variable replaced is told by the variable, although the file has something at the same place."""
    environ = {"KEYWRIGHT_ROUTES": '[{name: dns, match: {path: "/"}, upstream: dnss-api}]'}
    (problem,) = read_text(FILE, "k.yaml", environ).problems

    assert (problem.file, problem.line, problem.field) == (
        "KEYWRIGHT_ROUTES",
        None,
        "routes[0].upstream",
    )


def test_unknown_variable_lists_the_sections() -> None:
    """A variable that resembles nothing is told how such variables begin."""
    (problem,) = read_text(FILE, "k.yaml", {"KEYWRIGHT_ZZZZZZZZ": "1"}).problems

    assert "KEYWRIGHT_LISTEN, KEYWRIGHT_ADMIN" in problem.hint


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(PEPPER, id="digits"),
        pytest.param("*&@%: #{[" * 5, id="yaml-signs"),
        pytest.param("{" + PEPPER, id="begins-like-a-reference"),
        pytest.param(" - " + PEPPER, id="begins-like-a-list"),
    ],
)
def test_secret_in_a_variable_is_literal(secret: str) -> None:
    """A generated password works as it is, whatever it would mean to YAML."""
    settings = load(None, {"KEYWRIGHT_KEYS__PEPPER": secret})

    assert settings.keys.pepper is not None
    assert settings.keys.pepper.get_secret_value() == secret


def test_references(tmp_path: Path) -> None:
    """A secret can stand in any variable or file; a last line break is no part of it."""
    (tmp_path / "pepper").write_text(PEPPER + "\n")
    text = f"redis: {{url: {{env: REDIS}}}}\nkeys: {{pepper: {{file: '{tmp_path}/pepper'}}}}"
    environ = {
        "REDIS": "redis://:x@h",
        "KEYWRIGHT_STORE__URL": "{env: DATABASE_URL}",
        "DATABASE_URL": "postgres://u:p@h/db",
    }
    settings = read_text(text, "k.yaml", environ).settings

    assert settings is not None
    assert settings.redis.url is not None
    assert settings.keys.pepper is not None
    assert settings.store.url is not None
    assert settings.redis.url.get_secret_value() == "redis://:x@h"
    assert settings.keys.pepper.get_secret_value() == PEPPER
    assert settings.store.url.get_secret_value() == "postgresql+asyncpg://u:p@h/db"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b" \n", "is empty", id="blank"),
        pytest.param(b"\xff" * 40, "is not UTF-8 text", id="binary"),
        pytest.param(b"x" * 70_000, "is too large for a secret (more than 64 KiB)", id="too-large"),
        pytest.param(None, "cannot be read: No such file or directory", id="missing"),
    ],
)
def test_bad_secret_file(tmp_path: Path, content: bytes | None, expected: str) -> None:
    """A secret's file that cannot be one is told where it is referred to."""
    path = tmp_path / "pepper"
    if content is not None:
        path.write_bytes(content)
    config = tmp_path / "keywright.yaml"
    config.write_text(f"keys:\n  pepper: {{file: '{path}'}}\n")
    (problem,) = read(config, {}).problems

    assert str(problem) == f"{config}:2: keys.pepper: the file {path} {expected}"


def test_unset_and_empty_references() -> None:
    """A secret that is missing from the environment is never taken for none wanted."""
    text = "redis: {url: {env: GONE}}\nkeys: {pepper: {env: BLANK}}"
    problems = read_text(text, "k.yaml", {"BLANK": ""}).problems

    assert [problem.message for problem in problems] == [
        "the environment variable GONE is not set",
        "the environment variable BLANK is empty",
    ]

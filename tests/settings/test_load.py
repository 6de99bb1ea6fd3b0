"""Reading a file: what it means when it is good, when it is not there, and what it never gives away."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.core.keys import ApiAccess
from gateway.core.limits import CountedPer
from gateway.settings import Settings, SettingsError, load, read
from gateway.settings.fields import every_field
from gateway.settings.load import read_text

# The whole config of the design, with URLs in place of its "…".
DESIGN = """
listen: {host: 127.0.0.1, port: 8080}
admin: {host: 127.0.0.1, port: 8081}
data_dir: ./var                      # SQLite file, pepper, journal, private Valkey, unless these say otherwise:
store: {url: "postgresql+asyncpg://keywright:hunter2@127.0.0.1/keywright"}
redis: {url: "redis://:hunter2@127.0.0.1"}            # also rediss://, unix://, sentinel and cluster forms
upstreams: {dns: {targets: ["http://127.0.0.1:9001"]}}
routes:
  - {name: dns,     match: {path: "/v1/dns/**"},     upstream: dns}
  - {name: servers, match: {path: "/v1/servers/**"}, upstream: dns, plans: [vps, cloud], cost: 5}
scopes:
  read-only:  [{methods: [GET, HEAD, OPTIONS]}]
  read-write: [{methods: ["*"]}]
  dns-only:   [{routes: [dns]}]
plans:
  starter: {limits: [{name: default, quota: 1000, window: 60s}], monthly_quota: 1000000, alerts: [75, 90, 100]}
accounts: {default_plan: starter, default_api_access: approved}
"""


def _file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "keywright.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_the_design_loads(tmp_path: Path) -> None:
    """The config that the design promises is understood field by field."""
    settings = load(_file(tmp_path, DESIGN), {})
    dns, servers = settings.routes
    (limit,) = settings.plans["starter"].limits

    assert (settings.listen.port, settings.admin.port, settings.data_dir) == (
        8080,
        8081,
        Path("var"),
    )
    assert settings.upstreams["dns"].targets == ("http://127.0.0.1:9001",)
    assert (dns.match.path, dns.plans, dns.cost) == (("/v1/dns/**",), (), 1)
    assert (servers.plans, servers.cost) == (("vps", "cloud"), 5)
    assert settings.scopes["read-write"][0].methods is None
    assert settings.scopes["dns-only"][0].routes == ("dns",)
    assert tuple(limit.model_dump().values()) == ("default", 1000, 60, CountedPer.KEY)
    assert (settings.plans["starter"].monthly_quota, settings.plans["starter"].alerts) == (
        1_000_000,
        (75, 90, 100),
    )
    assert settings.accounts.default_api_access is ApiAccess.APPROVED


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("# only a comment\n", id="only-a-comment"),
        pytest.param("---\n", id="only-a-document-start"),
        pytest.param(
            "listen:\nroutes:\nupstreams:\nscopes:\nplans:\nredis:\n",
            id="sections-all-commented-out",
        ),
        pytest.param("\ufeff# saved on Windows\r\n", id="byte-order-mark"),
    ],
)
def test_nothing_written_means_defaults(tmp_path: Path, text: str) -> None:
    """A file that says nothing is as good as none."""
    assert load(_file(tmp_path, text), {}) == load(None, {}) == Settings()


def test_own_scopes_without_read_only(tmp_path: Path) -> None:
    """Scopes of one's own replace the built-in ones, and the default for publishable keys with them."""
    own = load(_file(tmp_path, "scopes: {browse: [{methods: [GET]}]}"), {})
    same = load(_file(tmp_path, "scopes: {read-only: [{methods: [GET]}]}"), {})

    assert own.publishable_scopes == ()
    assert same.publishable_scopes == ("read-only",)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(
            lambda _: None, "there is no such file; name another with -c FILE", id="missing"
        ),
        pytest.param(
            Path.mkdir, "is a folder, not a file; name a file in it with -c FILE", id="folder"
        ),
        pytest.param(
            lambda path: path.symlink_to("/dev/zero"),
            "is too large for a settings file; the most is 4 MiB",
            id="endless",
        ),
        pytest.param(
            lambda path: path.symlink_to(path),
            "cannot be read: Too many levels of symbolic links;",
            id="loop",
        ),
    ],
)
def test_unreadable(tmp_path: Path, make: object, expected: str) -> None:
    """What stands in the way of the file itself is told as plainly as what is in it."""
    path = tmp_path / "keywright.yaml"
    assert callable(make)
    make(path)
    (problem,) = read(path, {"KEYWRIGHT_NONSENSE": "1"}).problems

    assert str(problem).startswith(f"{path}: {expected}")


def test_not_utf8(tmp_path: Path) -> None:
    """A file in another encoding is told with the line of its first wrong byte."""
    path = _file(tmp_path, b"listen: {}\n# Z\xfcrich\n")
    (problem,) = read(path, {}).problems

    assert str(problem) == f"{path}:2: is not UTF-8 text; save the file as UTF-8"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(r'data_dir: "\ud83d\ude00"', [], id="pair"),
        pytest.param(r'data_dir: "\ud83d"', ["data_dir: holds half a character"], id="half"),
        pytest.param(
            r'{"upstreams": {"\ude00": {}}}',
            ["upstreams: holds half a character"],
            id="half-in-a-name",
        ),
    ],
)
def test_escaped_characters(text: str, expected: list[str]) -> None:
    """JSON is YAML, and writes some characters as two escapes; a single half is no character."""
    problems = read_text(text, "k.yaml", {}).problems

    told = [f"{problem.field}: {problem.message}" for problem in problems]
    assert [one for one in told if "half" in one] == expected


def test_no_terminal_control(tmp_path: Path) -> None:
    """A problem is one line of printable text, whatever the names in the file hold."""
    (problem,) = read(_file(tmp_path, r'"a\e[2J\nb": 1'), {}).problems

    assert str(problem).isprintable()


def test_nothing_to_serve(tmp_path: Path) -> None:
    """Settings without an upstream are good for managing keys; `serve` says what to add."""
    path = _file(tmp_path, "")

    assert load(path, {}).upstreams == {}
    with pytest.raises(SettingsError) as caught:
        load(path, {}, to_serve=True)
    assert [problem.field for problem in caught.value.problems] == ["routes", "upstreams"]
    assert "add" in caught.value.problems[1].hint


def test_frozen() -> None:
    """Nothing that holds settings can change them for the others."""
    settings = Settings()

    with pytest.raises(ValidationError):
        settings.listen.port = 1
    with pytest.raises(ValidationError):
        settings.redis = settings.redis


def test_secrets_stay_hidden(tmp_path: Path) -> None:
    """Passwords and the pepper are in no repr, text or dump of the settings."""
    pepper = "hunter2-" * 5
    settings = load(_file(tmp_path, DESIGN + f"keys: {{pepper: {pepper}}}\n"), {})

    assert settings.keys.pepper is not None
    assert settings.keys.pepper.get_secret_value() == pepper
    for text in (
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
    ):
        assert "hunter2" not in text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        pytest.param("postgres://u:p@h/db", "postgresql+asyncpg://u:p@h/db", id="postgres"),
        pytest.param(
            "postgresql://u:p@h:5432/db", "postgresql+asyncpg://u:p@h:5432/db", id="postgresql"
        ),
        pytest.param("sqlite:///var/keys.db", "sqlite+aiosqlite:///var/keys.db", id="sqlite"),
        pytest.param("sqlite+aiosqlite:////k.db", "sqlite+aiosqlite:////k.db", id="with-driver"),
    ],
)
def test_store_url(tmp_path: Path, written: str, meant: str) -> None:
    """The URL that people have at hand works; the driver is chosen for them."""
    settings = load(_file(tmp_path, f"store: {{url: '{written}'}}"), {})

    assert settings.store.url is not None
    assert settings.store.url.get_secret_value() == meant


@pytest.mark.parametrize(
    "url",
    [
        "redis://127.0.0.1",
        "redis://:p%40ss@127.0.0.1:6379/2",
        "rediss://user:pw@cache.internal:6380",
        "unix:///run/valkey.sock",
        "sentinel://10.0.0.1:26379,10.0.0.2:26379/service/0",
        "redis+cluster://:pw@10.0.0.1:7000,10.0.0.2:7000",
    ],
)
def test_redis_url(tmp_path: Path, url: str) -> None:
    """Every form of Redis that the design names is taken as it is written."""
    settings = load(_file(tmp_path, f"redis: {{url: '{url}'}}"), {})

    assert settings.redis.url is not None
    assert settings.redis.url.get_secret_value() == url


_NAMES = st.sampled_from(
    [part for path, _ in every_field() for part in path.replace("[]", "").split(".")]
    + ["env", "file", "<<", "*"]
)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["dns", "60s", "/v1/**", "http://127.0.0.1:1", "*", "GET", "10.0.0.0/8", "redis://h"]
    )
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_any_values_are_told_or_taken(data: dict[str, object]) -> None:
    """Whatever a file holds, the answer is settings or plain problems: never an exception."""
    reading = read_text(json.dumps(data), "any.yaml", {})

    assert (reading.settings is None) == bool(reading.problems)
    assert all(str(problem).isprintable() for problem in reading.problems)


@given(
    st.text(st.characters(codec="utf-8"), max_size=60)
    | st.text("{}[]:,-&*!|>'\"#?% \n\ta1", max_size=40)
)
def test_any_text_is_told_or_taken(text: str) -> None:
    """Whatever a file looks like, the answer is settings or plain problems: never an exception."""
    reading = read_text(text, "any.yaml", {})

    assert (reading.settings is None) == bool(reading.problems)

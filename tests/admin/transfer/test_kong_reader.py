"""Kong's declarative configuration: what becomes of consumers, credentials, tags and groups."""

import pytest

from admin.core.transfer.entries import Entry, Hints
from admin.core.transfer.formats import Format, detected, read
from gateway.core.errors import Misuse

NOON = 1_800_000_000.0

# As decK dumps it: credentials and groups stand within their consumers.
NESTED = """\
_format_version: "3.0"
_info: {select_tags: [billing]}
services:
- name: dns
  url: http://dns:8000
  routes:
  - name: dns
    paths: [/v1/dns]
    plugins:
    - name: key-auth
      config: {key_names: [apikey]}
consumers:
- username: mobile-app
  custom_id: mobile-001
  tags: [apps]
  acls:
  - group: read-only
  - group: gold
  keyauth_credentials:
  - key: mobile-api-key-123
    tags: [ios, apps]
    ttl: 3600
  - id: 4c6f2d0e-3d5c-4b7e-9a0b-1f2e3d4c5b6a
    key: 123456
- keyauth_credentials:
  - key: "0123"
  username: partner
- username: jwt-only
  jwt_secrets:
  - algorithm: HS256
    key: web-app-key
"""

# As `kong config db_export` writes it: everything stands at the top, by ids.
FLAT = """\
consumers:
- id: 59d1ef15-24a5-4373-b957-e8192c15ff6e
  username: ~
  custom_id: "77"
  created_at: 1734329200
  tags: ~
_format_version: '3.0'
_transform: false
acls:
- consumer: 59d1ef15-24a5-4373-b957-e8192c15ff6e
  group: read-write
keyauth_credentials:
- created_at: 1734329245
  key: 4174348a-9222-4e81-b33e-5d72d2fd7f1e
  tags: ~
  id: 6b9443ae-73f0-4db6-af00-4f1e3a415dbb
  consumer: 59d1ef15-24a5-4373-b957-e8192c15ff6e
  ttl: ~
- consumer: {id: 59d1ef15-24a5-4373-b957-e8192c15ff6e}
  key: second
- consumer: nobody
  key: stray-secret
"""


def entries(content: str, *known_scopes: str) -> list[Entry]:
    """What is read of a file with this content, whose format nobody names."""
    assert detected(content.encode()) is Format.KONG
    lines = content.encode().splitlines(keepends=True)
    return list(read(Format.KONG, lines, Hints(NOON, known_scopes=known_scopes)))


def test_a_dump_of_deck_is_read() -> None:
    """Consumers become accounts, credentials keys; custom id and tags are kept, a ttl counts from now."""
    first, second, third, other = entries(NESTED, "read-only")

    assert first.fields == {
        "account": "mobile-app",
        "name": "mobile-app",
        "value": "mobile-api-key-123",
        "expires_at": "2027-01-15T09:00:00+00:00",
        "scopes": ["read-only"],
        "metadata": {"kong_custom_id": "mobile-001", "tags": "apps, ios"},
    }
    assert (second.fields["name"], second.fields["value"]) == ("mobile-app 2", "123456")
    assert second.fields["metadata"]["kong_id"] == "4c6f2d0e-3d5c-4b7e-9a0b-1f2e3d4c5b6a"
    assert (third.fields["account"], third.fields["value"]) == ("partner", "0123")
    assert not other.fields


def test_lines_are_those_of_the_credentials() -> None:
    """Each credential is known by the line on which it begins."""
    assert [entry.number for entry in entries(NESTED)] == [20, 23, 26, 28]


def test_what_has_no_counterpart_is_remarked_once() -> None:
    """A group that is no scope here, and credentials of other kinds, are told, not lost in silence."""
    first, second, _, other = entries(NESTED, "read-only")

    (group,) = first.remarks
    assert "'gold'" in group
    assert "'read-only'" not in group
    assert second.remarks == ()
    assert "jwt" in other.remarks[0]


def test_an_export_of_kongs_own_is_read() -> None:
    """Credentials and groups at the top find their consumer by its id or a mapping; one without is bad."""
    first, second, stray = entries(FLAT, "read-write")

    assert first.fields["account"] == "77"
    assert first.fields["value"] == "4174348a-9222-4e81-b33e-5d72d2fd7f1e"
    assert first.fields["scopes"] == ["read-write"]
    assert "expires_at" not in first.fields
    assert second.fields["name"] == "77 2"
    assert stray.number == 21
    assert stray.problem is not None
    assert "stray-secret" not in stray.problem


def test_json_is_read_too() -> None:
    """Kong takes its configuration in JSON as well."""
    (entry,) = entries(
        '{"_format_version": "3.0",\n "consumers": [{"username": "a", "keyauth_credentials": [{"key": "k"}]}]}'
    )

    assert (entry.number, entry.fields["value"]) == (2, "k")


@pytest.mark.parametrize(
    ("credential", "said"),
    [
        pytest.param("tags: [x]", "names no 'key'", id="no-key"),
        pytest.param("key: ~", "names no 'key'", id="null"),
        pytest.param('key: ${{ env "DECK_KEY" }}', "reference", id="deck-variable"),
        pytest.param('key: "{vault://env/my-key}"', "reference", id="vault"),
        pytest.param("key: $ANON_KEY", "reference", id="shell-variable"),
        pytest.param("{key: abc, ttl: -1}", "'ttl'", id="negative-ttl"),
        pytest.param("{key: abc, ttl: soon}", "'ttl'", id="ttl-in-words"),
    ],
)
def test_a_credential_without_a_value_is_told(credential: str, said: str) -> None:
    """What only Kong could have filled in is asked for, not taken as a key."""
    head = "_format_version: '3.0'\nconsumers:\n- username: a\n  keyauth_credentials:\n"
    whole = f"{head}  - {credential}\n  - key: good\n"

    bad, good = entries(whole)

    assert bad.problem is not None
    assert said in bad.problem
    assert bad.number == 5
    assert good.fields["value"] == "good"


def test_a_consumer_without_a_name_is_told() -> None:
    """An account needs a name."""
    (bad,) = entries("_format_version: '3.0'\nconsumers:\n- keyauth_credentials: [{key: abc}]\n")

    assert bad.problem is not None
    assert "username" in bad.problem


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("_format_version: '3.0'\nconsumers: [\n", id="unfinished"),
        pytest.param("_format_version: '3.0'\nconsumers:\n- key: *s3cret\n", id="alias-of-nothing"),
        pytest.param("_format_version: '3.0'\n\tconsumers: s3cret\n", id="tab"),
        pytest.param("_format_version: '3.0'\nconsumers: " + "[" * 5_000, id="deep"),
    ],
)
def test_broken_yaml_is_refused_without_repeating_it(content: str) -> None:
    """The line is named, what stands there is not: it may be a key."""
    with pytest.raises(Misuse, match="YAML") as raised:
        entries(content)

    assert "s3cret" not in str(raised.value)


def test_aliases_are_not_unfolded() -> None:
    """A small file that would be huge once unfolded costs no more than it is long."""
    levels = "\n".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(12))

    assert entries(f"_format_version: '3.0'\na0: &a0 [x]\n{levels}\nconsumers: []\n") == []

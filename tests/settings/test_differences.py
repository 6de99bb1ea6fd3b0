"""Settings as lines, and what differs between two of them."""

from pathlib import Path

from gateway.settings import entries, fixed_changes, load
from gateway.settings.load import read_text

TEXT = """
listen: {port: 8080, drain_deadline: 90s}
redis: {url: "redis://:hunter2hunter2@127.0.0.1:6379/0"}
routes: [{name: dns, match: {path: "/v1/dns/**"}, upstream: dns, cost: 5}]
upstreams: {dns: {targets: ["http://127.0.0.1:9001"]}}
usage: {segment_size: 16MiB}
plans: {starter: {limits: [{quota: 1000000, window: 500s}]}}
"""


def of(text: str) -> dict[str, str]:
    """The entries of that file."""
    settings = read_text(text, "keywright.yaml", {}).settings
    assert settings is not None
    return dict(entries(settings))


def test_settings_read_as_they_are_written() -> None:
    """Each is called what the file calls it, with its units, and no secret is among them."""
    found = of(TEXT)

    assert found["listen.drain_deadline"] == "90s"
    assert found["usage.segment_size"] == "16MiB"
    assert found["usage.flush_interval"] == "500ms"
    assert found["routes[0].match.path"] == "[/v1/dns/**]"
    assert found["routes[0].cost"] == "5"
    assert found["plans.starter.limits[0].quota"] == "1000000"
    assert found["listen.express"] == "true"
    assert found["redis.url"] == "(secret)"
    assert "hunter2" not in "".join(found.values())


def test_every_field_of_the_example_is_an_entry() -> None:
    """Nothing that can be set is left out of the console's list."""
    example = Path(__file__).parents[2] / "config/keywright.yaml"
    found = entries(load(example, {}))

    assert "upstreams.dns.response_deadline" in found
    assert "keys.rotation_due_after" in found
    assert found["scopes.read-only[0].methods"] == "[GET, HEAD, OPTIONS]"


def test_what_a_reload_cannot_change_is_told() -> None:
    """Addresses and stores need a restart; another secret in them is a change, too."""
    before = read_text(TEXT, "a", {}).settings
    after = read_text(
        TEXT.replace("8080", "8090").replace("hunter2h", "hunter3h"), "b", {}
    ).settings
    assert before is not None
    assert after is not None

    assert fixed_changes(before, after) == ["listen.port", "redis.url"]
    assert fixed_changes(before, before) == []

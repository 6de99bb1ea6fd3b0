"""Which target of an upstream is asked next."""

import pytest

from gateway.upstream.targets import Target, Targets

URLS = ["http://a:1", "http://b:2", "http://c:3"]


def test_targets_take_turns() -> None:
    """Each is picked in the order of the config, again and again."""
    targets = Targets(URLS)
    names = [found.name for _ in range(6) if (found := targets.pick(0.0))]

    assert names == ["a:1", "b:2", "c:3"] * 2


def test_resting_target_is_left_out_for_the_cooldown() -> None:
    """One that could not be reached is not asked again before its time, and then it is."""
    targets = Targets(URLS, cooldown_seconds=2.0)
    first = targets.pick(0.0)
    assert first is not None
    targets.rest(first, 0.0)
    during = {found.name for _ in range(4) if (found := targets.pick(1.9))}
    after = {found.name for _ in range(4) if (found := targets.pick(2.0))}

    assert (during, after) == ({"b:2", "c:3"}, {"a:1", "b:2", "c:3"})


def test_resting_target_is_better_than_none() -> None:
    """When all rest, they are asked all the same, but none of them twice for one request."""
    targets = Targets(URLS[:2])
    tried: list[Target] = []
    while (found := targets.pick(0.0, tried)) is not None:
        targets.rest(found, 0.0)
        tried.append(found)

    assert sorted(each.name for each in tried) == ["a:1", "b:2"]
    assert targets.pick(0.0) is not None


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("ftp://a", id="scheme"),
        pytest.param("a:1", id="no-scheme"),
        pytest.param("http://a/path", id="path"),
        pytest.param("http://a?q", id="query"),
        pytest.param("http://me@a", id="user"),
    ],
)
def test_target_is_scheme_host_and_port(url: str) -> None:
    """Anything else would be dropped in silence, so it is an error."""
    with pytest.raises(ValueError, match=r"[Tt]arget"):
        Targets([url])

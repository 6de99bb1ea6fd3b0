"""From a request through the gateway to the one alert that it leads to."""

from collections.abc import Mapping
from typing import Any

from admin.services.records import Event
from tests.fixtures_gateway import OPERATOR, Gateway, NewSite, Site, eventually

QUOTA = 20
SECTIONS: Mapping[str, Any] = {
    "plans": {"starter": {"limits": [], "monthly_quota": QUOTA}},
    "alerts": {"interval": "100ms"},
    "usage": {"flush_interval": "50ms"},
}


def told(site: Site) -> list[Event]:
    """The alerts about the quota among the events."""
    found = site.operator.act(lambda services: services.records.events(OPERATOR, 0, 200))
    return [one for one in found if one.kind.startswith("quota.")]


def standing(site: Site) -> list[str]:
    """The kinds of the alerts that stand."""
    found = site.operator.cli("alerts", "list")["alerts"]
    return [one["kind"] for one in found]


def use(gateway: Gateway, secret: str, count: int) -> None:
    """So many requests, each of which is served."""
    for _ in range(count):
        assert gateway.ask("GET", "/pub/x", secret).status == 200


def test_three_quarters_of_a_quota_are_one_event(new_site: NewSite) -> None:
    """The request that reaches 75 percent of a quota leads to one event, also when all processes begin anew."""
    site = new_site(**SECTIONS)
    gateway = site.start(whole=True)
    key = site.operator.key("pub-only")
    use(gateway, key.secret, 15)
    (event,) = eventually(lambda: told(site), "the alert")
    assert (event.kind, event.account_id) == ("quota.threshold", site.operator.account)
    # Not a request before: 14 of 20 are no 75 percent.
    assert {**event.data, "used": 15, "limit": QUOTA, "percent": 75} == event.data
    assert standing(site) == ["quota.threshold"]

    gateway.stop()
    again = site.start(whole=True)
    use(again, key.secret, 3)
    eventually(lambda: len(told(site)) == 2, "the next threshold")
    assert [one.data["threshold"] for one in told(site)] == [75, 90]

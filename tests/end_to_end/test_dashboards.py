"""A real Prometheus reads a whole gateway that serves and refuses; each dashboard has something to show."""

import math
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.core.keys import Environment, KeyType
from gateway.core.limits import Limit
from gateway.core.token import compose
from tests.fixtures_gateway import Gateway, MadeKey, NewSite, Site, eventually, fetch
from tests.monitoring import ALERTS, DASHBOARDS, Prometheus, Question, questions

UNKNOWN_TOKEN = compose(KeyType.SECRET, Environment.LIVE, "0" * 12, "0" * 32)
LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")
OUTCOMES = {
    "served",
    "authorized",
    "client_gone",
    "missing_key",
    "malformed_key",
    "unknown_key",
    "revoked_key",
    "insufficient_scope",
    "no_route",
    "rate_limited",
    "upstream_unreachable",
    "upstream_timeout",
}


class Stage(NamedTuple):
    """A gateway, who reads its metrics, and the keys of one account."""

    site: Site
    gateway: Gateway
    prometheus: Prometheus
    key: MadeKey
    limited: MadeKey
    revoked: MadeKey

    def play(self) -> None:
        """Requests of every kind of outcome."""
        ask, key = self.gateway.ask, self.key.secret
        for method, target, secret in (
            ("GET", "/pub/x", key),
            ("POST", "/pub/x", key),
            ("GET", "/adm/x", key),
            ("GET", "/nowhere", key),
            ("GET", "/pub/fault/status-503", key),
            ("GET", "/pub/fault/close", key),
            ("GET", "/pub/x", None),
            ("GET", "/pub/x", "sk_live_short"),
            ("GET", "/pub/x", UNKNOWN_TOKEN),
            ("GET", "/pub/x", self.revoked.secret),
            ("GET", "/pub/x", self.limited.secret),
            ("GET", "/pub/x", self.limited.secret),
        ):
            ask(method, target, secret, body=b"body" if method == "POST" else None)
        authorize = {
            "Authorization": f"Bearer {key}",
            "X-Original-Method": "GET",
            "X-Original-URI": "/pub/x",
        }
        fetch(self.gateway.admin_port, "GET", "/v1/authorize", authorize)

    def wait_out(self) -> None:
        """One request that the API is too slow for, and one whose caller does not wait."""
        self.gateway.ask("GET", "/pub/fault/hang", self.key.secret)
        with socket.create_connection(("127.0.0.1", self.gateway.port)) as caller:
            line = (
                f"GET /pub/fault/hang HTTP/1.1\r\nHost: x\r\nX-API-Key: {self.key.secret}\r\n\r\n"
            )
            caller.sendall(line.encode())
            eventually(
                lambda: sum("hang" in one for one in self.site.origin.request_lines) >= 2, "it"
            )

    def has(self, question: Question) -> bool:
        """Whether a panel would show a number, or a variable have something to choose."""
        values = {
            "__rate_interval": "1m",
            "__range": "5m",
            "route": ".*",
            "key": self.key.id,
            "account": self.site.operator.account,
        }
        text = question.filled(values)
        if question.fills is None:
            numbers = self.prometheus.numbers(text)
            return bool(numbers) and all(map(math.isfinite, numbers))
        found = LABEL_VALUES.fullmatch(text)
        assert found, text
        series, label = found.groups()
        shown = self.prometheus.api(f"label/{label}/values", **{"match[]": series})
        return ("pub" if question.fills == "route" else values[question.fills]) in shown


@pytest.fixture(scope="module")
def stage(new_module_site: NewSite) -> Iterator[Stage]:
    """One on which every outcome has happened."""
    site = new_module_site(upstream={"response_deadline": "300ms"})
    gateway = site.start(whole=True)
    key, revoked = site.operator.keys(2, "pub-only")
    limited = site.operator.key("pub-only", limits=(Limit("few", 1, 3600),))
    gateway.ask("GET", "/pub/x", revoked.secret)
    prometheus = Prometheus(site.folder, gateway.admin_port)
    stage = Stage(site, gateway, prometheus, key, limited, revoked)
    try:
        stage.play()
        stage.wait_out()
        # What happens before the first scrape is no rise.
        eventually(lambda: prometheus.numbers("keywright_requests_total"), "a first scrape")
        site.operator.revoke(revoked.id)
        yield stage
    finally:
        prometheus.stop()


def test_every_outcome_was_played(stage: Stage) -> None:
    """What the dashboards are tried with holds a request of every kind."""
    stage.play()

    def told() -> bool:
        result = stage.prometheus.api("query", query="keywright_requests_total")["result"]
        return {series["metric"]["outcome"] for series in result} >= OUTCOMES

    eventually(told, "every outcome")


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: str(path.stem))
def test_every_panel_and_variable_has_data(stage: Stage, dashboard: Path) -> None:
    """Each query of the dashboard returns numbers; each variable offers the key and the account."""
    empty = list(questions(dashboard))
    assert empty

    def all_have() -> bool:
        stage.play()
        empty[:] = [question for question in empty if not stage.has(question)]
        return not empty

    try:
        eventually(all_have, "data")
    finally:
        assert empty == []


def test_every_alert_is_evaluated(stage: Stage) -> None:
    """Prometheus has each rule in force, without an error."""

    def told() -> dict[str, tuple[str, str]] | None:
        groups = stage.prometheus.api("rules")["groups"]
        rules = {
            rule["name"]: (rule["health"], rule.get("lastError", ""))
            for group in groups
            for rule in group["rules"]
        }
        return None if "unknown" in dict(rules.values()) else rules

    rules = eventually(told, "every rule to be evaluated")
    for alert in ALERTS:
        stage.prometheus.numbers(alert["expr"])

    assert {alert["alert"] for alert in ALERTS} <= rules.keys()
    assert {name: told for name, told in rules.items() if told != ("ok", "")} == {}

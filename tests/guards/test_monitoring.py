"""Rules and dashboards: what promtool says of them, when alerts fire, and where they lead."""

import itertools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.core.refusal import Refusal
from tests.guards.test_docs import ROOT, anchors, metric_names
from tests.monitoring import ALERTS, DASHBOARDS, PROMETHEUS, installed, questions

RULES = ("recording.yaml", "alerts.yaml")
SCRAPED = 'job="keywright", instance="gateway:8081"'
FROM_RULES = {
    rule["record"]
    for group in yaml.safe_load((PROMETHEUS / "recording.yaml").read_text())["groups"]
    for rule in group["rules"]
}

# By alert: series and their values a minute, as promtool writes them (start+step x times), that set it off, and
# those that must not.
REQUESTS = 'keywright_requests_total{route="dns", code_class="%s", outcome="%s"}'
SERVED = (REQUESTS % ("2xx", "served"), "0+1000x60")
KEY = (
    'keywright_key_requests_total{key_id="key_1", key_name="ci", account_id="acc_1", outcome="%s"}'
)
LAG = 'keywright_event_loop_lag_seconds_bucket{process="worker-0", le="%s"}'
Series = tuple[tuple[str, str], ...]
FIRES: dict[str, tuple[Series, Series]] = {
    "KeywrightAway": ((("up", "0x60"),), (("up", "1x60"),)),
    "KeywrightProcessDown": (
        (('keywright_process_up{process="worker-0"}', "0x60"),),
        (('keywright_process_up{process="worker-0"}', "1x60"),),
    ),
    "KeywrightStoreAway": (
        (('keywright_degraded{store="sql"}', "1x60"),),
        (('keywright_degraded{store="sql"}', "0x60"),),
    ),
    "KeywrightFaults": (
        (SERVED, (REQUESTS % ("5xx", "store_unavailable"), "0+50x60")),
        (SERVED, (REQUESTS % ("5xx", "store_unavailable"), "0+5x60")),
    ),
    "KeywrightUpstreamFaults": (
        (SERVED, (REQUESTS % ("5xx", "upstream_timeout"), "0+50x60")),
        (SERVED, (REQUESTS % ("5xx", "overloaded"), "0+50x60")),
    ),
    "KeywrightUpstreamErrors": (
        (SERVED, (REQUESTS % ("5xx", "served"), "0+100x60")),
        (SERVED, (REQUESTS % ("5xx", "served"), "0+10x60")),
    ),
    "KeywrightUsageLost": (
        (("keywright_usage_lost_total", "0x20 1x40"),),
        (("keywright_usage_lost_total", "7x60"),),
    ),
    "KeywrightUsageDamaged": (
        (("keywright_usage_damaged_total", "0x20 1x40"),),
        (("keywright_usage_damaged_total", "7x60"),),
    ),
    "KeywrightUsageLate": (
        (("keywright_usage_lag_seconds", "90x60"),),
        (("keywright_usage_lag_seconds", "30x60"),),
    ),
    "KeywrightRevocationSlow": (
        (
            ("keywright_revocation_seconds_count", "0+1x60"),
            ('keywright_revocation_seconds_bucket{le="2.0"}', "0x60"),
        ),
        (
            ("keywright_revocation_seconds_count", "0+1x60"),
            ('keywright_revocation_seconds_bucket{le="2.0"}', "0+1x60"),
        ),
    ),
    "KeywrightBusy": (
        ((LAG % "0.05", "0x60"), (LAG % "0.1", "0+240x60"), (LAG % "+Inf", "0+240x60")),
        ((LAG % "0.05", "0+240x60"), (LAG % "0.1", "0+240x60"), (LAG % "+Inf", "0+240x60")),
    ),
    "KeywrightKeysAreTried": (
        ((REQUESTS % ("4xx", "unknown_key"), "0+600x60"),),
        ((REQUESTS % ("4xx", "unknown_key"), "0+60x60"),),
    ),
    "KeywrightKeyLimited": (
        ((KEY % "served", "0+10x60"), (KEY % "rate_limited", "0+90x60")),
        ((KEY % "served", "0+90x60"), (KEY % "rate_limited", "0+10x60")),
    ),
}


def _labelled(series: str) -> str:
    name, _, labels = series.rstrip("}").partition("{")
    return f"{name}{{{', '.join(filter(None, (SCRAPED, labels)))}}}"


def _case(name: str, series: Series, firing: int) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": _labelled(one), "values": values} for one, values in series],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)',
                "eval_time": "45m",
                "exp_samples": [{"labels": "{}", "value": firing}],
            }
        ],
    }


def _promtool(*words: str | Path) -> None:
    done = subprocess.run(
        [installed("promtool"), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_files() -> None:
    """promtool finds nothing wrong with the scrape configuration and the rules."""
    _promtool("check", "config", "--lint-fatal", PROMETHEUS / "prometheus.yaml")
    _promtool("check", "rules", "--lint-fatal", *(PROMETHEUS / name for name in RULES))


def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    """What an alert is about sets it off; the same numbers in good order do not."""
    cases = [
        _case(name, series, firing)
        for name, both in FIRES.items()
        for series, firing in zip(both, (1, 0), strict=True)
    ]
    file = tmp_path / "tests.yaml"
    files = [str(PROMETHEUS / name) for name in RULES]
    whole = {"rule_files": files, "evaluation_interval": "1m", "tests": cases}
    file.write_text(yaml.safe_dump(whole, sort_keys=False))

    _promtool("test", "rules", file)
    assert FIRES.keys() == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_each_alert_leads_to_what_to_do(alert: dict[str, Any]) -> None:
    """Whoever is woken finds a section about this very alert, and how grave it is."""
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")

    assert page == "docs/operate.md"
    assert anchor == alert["alert"].lower()
    assert anchor in anchors(ROOT / page)
    assert alert["annotations"]["summary"]
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}


def test_rules_and_dashboards_name_what_there_is() -> None:
    """No query asks for a metric or an outcome that Keywright does not have."""
    texts = [question.text for board in DASHBOARDS for question in questions(board)]
    texts += [(PROMETHEUS / name).read_text() for name in RULES]
    named = {
        re.sub(r"_(bucket|count|sum)$", "", name)
        for text in texts
        for name in re.findall(r"(?<![:\w])keywright_[a-z_]+", text)
    }
    outcomes = {
        code
        for text in texts
        for codes in re.findall(r'outcome[!=]~?"([a-z_|]+)"', text)
        for code in codes.split("|")
    }
    recorded = {name for text in texts for name in re.findall(r"\w+:keywright\w*:\w+", text)}

    assert named <= metric_names()
    assert recorded <= FROM_RULES
    assert outcomes <= {"served", "authorized", "verified"} | {row.code for row in Refusal}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: str(path.stem))
def test_a_dashboard_is_in_order(path: Path) -> None:
    """Its address is stable, each panel has its own place and says what it shows, and any data source will do."""
    board = json.loads(path.read_text())
    panels = board["panels"]
    places = [
        {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        for at in (panel["gridPos"] for panel in panels)
    ]

    assert board["uid"] == f"keywright-{path.stem}"
    assert board["schemaVersion"] == 39
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["description"] for panel in panels)
    assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
    assert not any(one & other for one, other in itertools.combinations(places, 2))
    assert max(x for place in places for x, _ in place) < 24


def test_links_between_dashboards_lead_somewhere() -> None:
    """From the overview to a key, from a key to its account."""
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    linked = set(re.findall(r"/d/([\w-]+)", json.dumps(boards)))

    assert [path.stem for path in DASHBOARDS] == ["account", "gateway", "key"]
    assert linked == {board["uid"] for board in boards}

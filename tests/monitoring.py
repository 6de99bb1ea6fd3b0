"""A real Prometheus, set up by the very files of config/prometheus/, and what Grafana would ask it."""

__all__ = ["ALERTS", "DASHBOARDS", "PROMETHEUS", "Prometheus", "Question", "installed", "questions"]

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml

from tests.fixtures_gateway import PATIENCE_SECONDS, eventually, fetch, free_port

CONFIG: Final = Path(__file__).parents[1] / "config"
PROMETHEUS: Final = CONFIG / "prometheus"
DASHBOARDS: Final = sorted((CONFIG / "grafana/dashboards").iterdir())
ALERTS: Final[list[dict[str, Any]]] = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]

# Often enough that a test need not wait; the windows of the rules are minutes all the same.
_EVERY: Final = "250ms"


class Question(NamedTuple):
    """A query of a dashboard: `where` it stands, and whether it fills a variable instead of a panel."""

    where: str
    text: str
    fills: str | None = None

    def filled(self, values: Mapping[str, str]) -> str:
        """As Grafana sends it, with these values for its variables."""
        text = self.text
        for name, value in values.items():
            text = text.replace(f"${name}", value)
        return text


def questions(dashboard: Path) -> Iterator[Question]:
    """Everything that this dashboard asks of Prometheus."""
    told = json.loads(dashboard.read_text())
    for variable in told["templating"]["list"]:
        if variable["type"] == "query":
            yield Question(
                f"{dashboard.stem}: ${variable['name']}",
                variable["query"]["query"],
                variable["name"],
            )
    for panel in told["panels"]:
        for target in panel["targets"]:
            yield Question(f"{dashboard.stem}: {panel['title']}", target["expr"])


class Prometheus:
    """A server with a folder and port of its own, which scrapes one control plane."""

    def __init__(self, folder: Path, admin_port: int) -> None:
        """Starts it, and returns once it answers."""
        self.port = free_port()
        self._log = folder / "prometheus.log"
        for file in PROMETHEUS.iterdir():
            text = file.read_text().replace("gateway:8081", f"127.0.0.1:{admin_port}")
            (folder / file.name).write_text(text.replace("_interval: 15s", f"_interval: {_EVERY}"))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    installed("prometheus"),
                    f"--config.file={folder / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={folder / 'series'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
            )
        eventually(self._is_ready, "Prometheus to be ready")

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            pytest.fail(f"Prometheus did not start:\n{self._log.read_text()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            return fetch(self.port, "GET", "/-/ready", {}).status == http.HTTPStatus.OK
        return False

    def api(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 -- whatever the JSON holds
        """The data of one call of its API; fails with what it says when it refuses."""
        reply = fetch(self.port, "GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}", {})
        assert reply.document["status"] == "success", reply.body
        return reply.document["data"]

    def numbers(self, query: str) -> list[float]:
        """The values that this query has just now; there may be none."""
        return [float(each["value"][1]) for each in self.api("query", query=query)["result"]]

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)


def installed(name: str) -> str:
    """Where this program is: `prometheus` or `promtool`, both from Debian's package."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/bin")
    if path is None:
        pytest.fail(f"{name} is not installed; apt-get install -y prometheus")
    return path

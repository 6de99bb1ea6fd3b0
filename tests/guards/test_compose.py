"""compose.yaml, as far as it can be checked without a container engine."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints

from gateway.settings import load
from tests.guards.test_project import ROOT
from tests.monitoring import PROMETHEUS

Text = Annotated[str, StringConstraints(strict=True)]
GRAFANA = ROOT / "config/grafana/provisioning"


class _Part(BaseModel):
    """A part of the Compose specification, as far as we use it: a field that is not here is a slip."""

    model_config = ConfigDict(extra="forbid")


class Healthcheck(_Part):
    """When a service counts as healthy."""

    test: list[Text] = []
    interval: Text = ""
    retries: int = 0
    disable: bool = False


class Awaited(_Part):
    """What another service waits for."""

    condition: Literal["service_started", "service_healthy"]


class Service(_Part):
    """One container."""

    image: Text = ""
    build: Text = ""
    command: list[Text] = []
    entrypoint: list[Text] = []
    environment: dict[str, Text] = {}
    ports: list[Annotated[str, StringConstraints(pattern=r"^127\.0\.0\.1:\d+:\d+$")]] = []
    volumes: list[Text] = []
    tmpfs: list[Text] = []
    network_mode: Text = ""
    read_only: bool = False
    cap_drop: list[Text] = []
    security_opt: list[Text] = []
    stop_grace_period: Text = ""
    restart: Literal["unless-stopped"]
    healthcheck: Healthcheck | None = None
    depends_on: dict[str, Awaited] | list[Text] = {}


class Compose(_Part):
    """The whole file."""

    services: dict[str, Service]
    volumes: dict[str, None]


@pytest.fixture(scope="module")
def compose() -> Compose:
    """The file, read."""
    return Compose.model_validate(yaml.safe_load((ROOT / "compose.yaml").read_text()))


def _mounts(compose: Compose) -> list[tuple[str, str, str]]:
    """Service, what is mounted, and where."""
    return [
        (name, *volume.removesuffix(":ro").split(":"))  # type: ignore[misc]
        for name, service in compose.services.items()
        for volume in service.volumes
    ]


def test_every_service_can_be_started(compose: Compose) -> None:
    """Each has an image of a fixed version or is built here, and waits for services that there are."""
    for service in compose.services.values():
        assert bool(service.image) != bool(service.build)
        assert not service.image or re.search(r":v?\d", service.image)
        assert set(service.depends_on) <= compose.services.keys()


def test_who_is_awaited_tells_its_health(compose: Compose) -> None:
    """Nobody waits for ever: what must be healthy has a check, here or in the Dockerfile."""
    for service in compose.services.values():
        awaited = service.depends_on if isinstance(service.depends_on, dict) else {}
        for name, how in awaited.items():
            other = compose.services[name]
            assert how.condition == "service_healthy"
            assert other.healthcheck or (other.build and "HEALTHCHECK" in _dockerfile())


def test_every_mounted_file_is_there(compose: Compose) -> None:
    """A path that is missing would become an empty folder; a volume that is not declared is refused."""
    for _, what, _ in _mounts(compose):
        assert (ROOT / what).exists() if what.startswith("./") else what in compose.volumes


def test_files_are_found_where_they_are_mounted(compose: Compose) -> None:
    """The programs are told the places to which their files are mounted."""
    places = {(name, where): what for name, what, where in _mounts(compose)}
    (provider,) = yaml.safe_load((GRAFANA / "dashboards/keywright.yaml").read_text())["providers"]

    assert ("grafana", provider["options"]["path"]) in places
    for name, path in (
        ("gateway", compose.services["gateway"].command[-1]),
        ("prometheus", compose.services["prometheus"].command[0].partition("=")[2]),
    ):
        file = PurePosixPath(path)
        mounted = places.get((name, path)) or f"{places[name, str(file.parent)]}/{file.name}"
        assert (ROOT / mounted).is_file()


def test_the_gateway_runs_as_the_image_says(compose: Compose) -> None:
    """Command, port and data folder are those of the Dockerfile, and the settings are good."""
    gateway = compose.services["gateway"]
    dockerfile = _dockerfile()
    passwords = {
        name: re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text) for name, text in gateway.environment.items()
    }
    settings = load(
        ROOT / "config/keywright.yaml",
        {**passwords, "KEYWRIGHT_LISTEN__HOST": "0.0.0.0"},  # noqa: S104 -- as in the image
        to_serve=True,
    )

    assert f'CMD ["serve", "-c", "{gateway.command[-1]}"]' in dockerfile
    assert gateway.command[0] == "serve"
    assert f"EXPOSE {settings.listen.port}" in dockerfile
    assert gateway.ports == [f"127.0.0.1:{settings.listen.port}:{settings.listen.port}"]
    assert "keywright:/var/lib/keywright" in gateway.volumes
    assert "VOLUME /var/lib/keywright" in dockerfile


def test_services_are_called_by_their_names(compose: Compose) -> None:
    """Whoever is asked over the network is a service of this file, on the port that it listens on."""
    (scraped,) = yaml.safe_load((PROMETHEUS / "prometheus.yaml").read_text())["scrape_configs"]
    (source,) = yaml.safe_load((GRAFANA / "datasources/keywright.yaml").read_text())["datasources"]
    settings = load(ROOT / "config/keywright.yaml", {}, to_serve=True)
    (target,) = settings.upstreams["dns"].targets

    assert scraped["static_configs"] == [{"targets": [f"gateway:{settings.admin.port}"]}]
    assert source["url"] == "http://prometheus:9090"
    assert "127.0.0.1:9090:9090" in compose.services["prometheus"].ports
    # The stand-in for the API shares the gateway's loopback.
    assert compose.services["api"].network_mode == "service:gateway"
    assert str(target).rstrip("/") == f"http://127.0.0.1:{compose.services['api'].entrypoint[-1]}"


def test_passwords_agree(compose: Compose) -> None:
    """The gateway logs in to PostgreSQL as the user that PostgreSQL makes."""
    made: dict[str, Any] = dict(compose.services["postgres"].environment)
    url = compose.services["gateway"].environment["KEYWRIGHT_STORE__URL"]

    assert url == (
        f"postgresql://{made['POSTGRES_USER']}:{made['POSTGRES_PASSWORD']}"
        f"@postgres:5432/{made['POSTGRES_DB']}"
    )


def _dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()

"""The real gateway for the tests: processes, an upstream behind them, and the operator who makes keys.

    def test_x(new_site: NewSite) -> None:
        site = new_site()                      # its folder, configuration, SQLite file, upstream, an account
        gateway = site.start()                 # `python -m gateway -c FILE`; returns once /readyz says so
        key = site.operator.key("pub-only")    # .id, .secret
        assert gateway.ask("GET", "/pub/x", key.secret).status == 200

Two gateways of one site share its folder (SQLite file and pepper), so they need a Redis of both:

    site = new_site(redis={"url": valkey_url}, store={"url": sql_url})
    first, second = site.start(), site.start()

`site.start(whole=True)` is what `keywright serve` runs: supervisor, worker, and a control plane at `admin_url`.

Sections given to `new_site` replace those of `CONFIG`; `upstream={"response_deadline": "300ms"}` adds to
what is said of the one upstream. Nothing here needs the test's event loop; what
waits (start, stop, cli, ask) blocks, so that an async test calls it by `asyncio.to_thread` while
something else must go on.
"""

__all__ = [
    "BatteryStage",
    "Gateway",
    "NewSite",
    "Operator",
    "Origin",
    "Reply",
    "Site",
    "battery_stage",
    "clean_environment",
    "eventually",
    "free_port",
    "new_module_site",
    "new_site",
]

import contextlib
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
import yaml

from admin.cli.wiring import call
from admin.core.caller import operator
from admin.services.catalogue import Services
from admin.services.keys import NewKey
from tests.battery import rawbattery

# Generous: the machine may be busy with other tests.
PATIENCE_SECONDS = 60.0
OPERATOR = operator("tests")
# One worker by itself; and all processes that `keywright serve` runs.
SERVE = (sys.executable, "-P", "-m", "gateway")
WHOLE = (sys.executable, "-P", "-m", "gateway.serve", "--control-plane", "admin")
CLI = (sys.executable, "-P", "-m", "admin.cli")
RAW_ORIGIN = Path(rawbattery.__file__).with_name("raworigin.py")

# Two routes to one upstream; port 0 is any free one, which the log then names.
CONFIG: Mapping[str, Any] = {
    "listen": {"host": "127.0.0.1", "port": 0},
    "admin": {"host": "127.0.0.1", "port": 0},
    "routes": [
        {"name": "pub", "match": {"path": "/pub/**"}, "upstream": "origin"},
        {"name": "adm", "match": {"path": "/adm/**"}, "upstream": "origin"},
    ],
    "scopes": {
        "pub-only": [{"routes": ["pub"]}],
        "read-only": [{"methods": ["GET", "HEAD", "OPTIONS"]}],
        "read-write": [{"methods": ["*"]}],
    },
    "plans": {"starter": {"limits": [{"name": "default", "quota": 1_000_000, "window": "60s"}]}},
}

Result = TypeVar("Result")
NewSite = Callable[..., "Site"]


def free_port() -> int:
    """A port that nobody listens on, from below those that the kernel gives to outgoing connections."""
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def clean_environment(**more: str) -> dict[str, str]:
    """The environment for a process, without settings of whoever runs the tests."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("KEYWRIGHT_")}
    return {**own, **more}


def eventually(look: Callable[[], Result | None], what: str) -> Result:
    """What `look` returns as soon as that is true; fails with `what` when it never is."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not (seen := look()):
        if time.monotonic() > give_up_at:
            pytest.fail(f"waited {PATIENCE_SECONDS:.0f} s in vain for {what}")
        time.sleep(0.02)
    return seen


class Reply(NamedTuple):
    """An HTTP answer, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def document(self) -> Any:  # noqa: ANN401 -- whatever the JSON holds
        """The body, from JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """The problem's code, None when the answer is no problem document."""
        is_problem = self.headers.get_content_type() == "application/problem+json"
        return str(self.document["code"]) if is_problem else None


def fetch(
    port: int, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None
) -> Reply:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


class Gateway:
    """One process of the gateway. Its log is `log`; `url` and `admin_url` are known once it is ready."""

    def __init__(
        self,
        config: Path,
        log: Path,
        *,
        command: Sequence[str] = SERVE,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Starts the process and returns at once. It must log at info or debug, to tell its ports."""
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=clean_environment(**(environment or {})),
                cwd=Path(__file__).parents[1],
            )
        self.port = self.admin_port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.admin_port}"

    @property
    def log_text(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log's lines, each of them an object."""
        return [json.loads(line) for line in self.log_text.splitlines() if line.startswith("{")]

    def wait_until_ready(self) -> "Gateway":
        """Return once /readyz answers 200; fails with the log when the process ends or never gets there."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not self._is_ready():
            if (code := self.process.poll()) is not None or time.monotonic() > give_up_at:
                self.kill()
                pytest.fail(f"the gateway did not start (exit code {code}):\n{self.log_text}")
            time.sleep(0.02)
        return self

    def _is_ready(self) -> bool:
        if not self.port:
            told = [event for event in self.events if event["event"] == "listening"]
            if not told:
                return False
            self.port, self.admin_port = (
                int(told[-1][which].rpartition(":")[2]) for which in ("proxy", "admin")
            )
        with contextlib.suppress(OSError):
            return self.admin("/readyz").status == http.HTTPStatus.OK
        return False

    def ask(
        self,
        method: str,
        target: str,
        secret: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """One request through the proxy."""
        credential = {} if secret is None else {"Authorization": f"Bearer {secret}"}
        return fetch(self.port, method, target, {**credential, **(headers or {})}, body)

    def admin(self, target: str) -> Reply:
        """One GET on the admin listener."""
        return fetch(self.admin_port, "GET", target, {})

    def metrics(self) -> dict[str, float]:
        """Every series of /metrics, written as there: `name{label="value"}`."""
        lines = self.admin("/metrics").body.decode().splitlines()
        series = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in series}

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, wait until it has, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        """As by the OOM killer."""
        self.process.kill()
        self.process.wait()


class Origin:
    """The upstream, `raworigin.py`: echoes each request as JSON, logs every byte, has faults by path.

    GET /pub/fault/NAME asks for a fault: reset, close, hang, short, slow-2000, status-503, infinite, …
    """

    def __init__(self, folder: Path) -> None:
        """Starts it, and returns once it listens."""
        self.log = folder / "origin.log"
        self.port = free_port()
        # By name: cookie jars ignore numeric addresses, so they would hide a replayed cookie.
        self.url = f"http://localhost:{self.port}"
        words = ["--port", str(self.port), "--log", str(self.log)]
        self._process = subprocess.Popen(
            [sys.executable, RAW_ORIGIN, *words], stdout=subprocess.DEVNULL
        )
        eventually(self._is_listening, "the upstream to listen")

    def _is_listening(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def _logged(self, kind: str) -> list[dict[str, Any]]:
        entries = map(json.loads, self.log.read_text().splitlines())
        return [entry for entry in entries if entry["e"] == kind]

    @property
    def request_lines(self) -> list[str]:
        """The request line of each request it was sent."""
        return [entry["line"] for entry in self._logged("req")]

    @property
    def received(self) -> bytes:
        """Every byte that it was sent."""
        return b"".join(entry["d"].encode("latin-1") for entry in self._logged("data"))

    def stop(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


class MadeKey(NamedTuple):
    """A key, with the only copy of its token."""

    id: str
    secret: str


class Operator:
    """Whoever has the command line. Everything that commands said is kept in `said`."""

    def __init__(self, config: Path) -> None:
        """Acts on the stores of this configuration."""
        self._config = config
        self.said: list[str] = []
        self._account: str | None = None

    def run(
        self, *words: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The real command, whatever comes of it."""
        done = subprocess.run(
            [*CLI, *words, "-c", str(self._config)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
            env=clean_environment(**(environment or {})),
        )
        self.said += [done.stdout, done.stderr]
        return done

    def cli(self, *words: str) -> Any:  # noqa: ANN401 -- the command's JSON
        """The document that the real command prints with --json; fails when it refuses."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def act(self, what: Callable[[Services], Awaitable[Result]]) -> Result:
        """What the commands do, in this process: ten times faster, for when many are needed."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(call, self._config, what, sets_up=True).result()

    @property
    def account(self) -> str:
        """The id of the site's account."""
        if self._account is None:
            self._account = self.act(
                lambda services: services.accounts.create(OPERATOR, "Example")
            ).id
        return self._account

    def key(self, *scopes: str, **more: Any) -> MadeKey:  # noqa: ANN401 -- NewKey's fields
        """A new key of the site's account; `more` as `NewKey` takes it."""
        (made,) = self.keys(1, *scopes, **more)
        return made

    def keys(self, count: int, *scopes: str, **more: Any) -> list[MadeKey]:  # noqa: ANN401
        """Several alike."""
        new = NewKey(**{"account_id": self.account, "name": "robot", "scopes": scopes, **more})

        async def make(services: Services) -> list[MadeKey]:
            made = [await services.keys.create(OPERATOR, new) for _ in range(count)]
            return [MadeKey(each.key.id, each.secret) for each in made]

        return self.act(make)

    def revoke(self, key_id: str) -> dict[str, Any]:
        """`keywright keys revoke`; returns the receipt."""
        enforced: dict[str, Any] = self.cli("keys", "revoke", key_id)["enforced"]
        return enforced


class Site:
    """A place where gateways run: folder, configuration, upstream and operator. See the module's text."""

    def __init__(self, folder: Path, sections: Mapping[str, Any]) -> None:
        """Nothing of the gateway starts here."""
        self.folder = folder
        self.data_dir = folder / "data"
        self.origin = Origin(folder)
        self.config = folder / "keywright.yaml"
        self.gateways: list[Gateway] = []
        self.operator = Operator(self.config)
        self.configure(sections)

    def configure(self, sections: Mapping[str, Any]) -> None:
        """Write the configuration; what already runs does not notice."""
        more = dict(sections)
        upstreams = {"origin": {"targets": [self.origin.url], **more.pop("upstream", {})}}
        whole = {**CONFIG, "data_dir": str(self.data_dir), "upstreams": upstreams, **more}
        self.config.write_text(yaml.safe_dump(whole, sort_keys=False))

    def launch(self, *, command: Sequence[str] = SERVE, **environment: str) -> Gateway:
        """A process that may or may not come up; the database is as it is."""
        log = self.folder / f"gateway-{len(self.gateways)}.log"
        gateway = Gateway(self.config, log, command=command, environment=environment)
        self.gateways.append(gateway)
        return gateway

    def start(
        self, *, whole: bool = False, command: Sequence[str] | None = None, **environment: str
    ) -> Gateway:
        """A gateway that is ready, on a database with the present schema and one account.

        A worker by itself, or the `whole`: supervisor, worker and control plane.
        """
        assert self.operator.account
        command = command or (WHOLE if whole else SERVE)
        return self.launch(command=command, **environment).wait_until_ready()

    def close(self) -> None:
        """End every process at once."""
        for gateway in self.gateways:
            gateway.kill()
        self.origin.stop()


@contextlib.contextmanager
def _site(sections: Mapping[str, Any]) -> Iterator[Site]:
    # Not pytest's tmp_path: its names grow with the test's, and the private Valkey has a socket in here.
    with tempfile.TemporaryDirectory(prefix="kw-", ignore_cleanup_errors=True) as name:
        site = Site(Path(name), sections)
        try:
            yield site
            for gateway in site.gateways:
                assert "Traceback (most recent call last)" not in gateway.log_text
        finally:
            site.close()


@pytest.fixture
def new_site() -> Iterator[NewSite]:
    """Makes sites for one test; sections of the configuration are given by name."""
    with contextlib.ExitStack() as stack:
        yield lambda **sections: stack.enter_context(_site(sections))


@pytest.fixture(scope="module")
def new_module_site() -> Iterator[NewSite]:
    """The same for all tests of a module that leave a gateway as they found it."""
    with contextlib.ExitStack() as stack:
        yield lambda **sections: stack.enter_context(_site(sections))


class BatteryStage:
    """One gateway before one upstream, kept for many raw cases."""

    def __init__(self, site: Site, **environment: str) -> None:
        """Starts the gateway, and makes two keys that may use /pub/** alone."""
        gateway = site.start(whole=False, **environment)
        own, other = site.operator.keys(2, "pub-only")
        words = {
            "--port": str(gateway.port),
            "--key": own.secret,
            "--key2": other.secret,
            "--upstream-log": str(site.origin.log),
            "--id-header": "X-Keywright-Key-Id",
        }
        self._stage = rawbattery.Stage([word for pair in words.items() for word in pair])

    def run(self, case_id: str) -> dict[str, Any]:
        """Play one case; `verdict` is PASS, WARN or FAIL, and `why` says why."""
        result: dict[str, Any] = self._stage.run(case_id)
        return result


@pytest.fixture(scope="module", params=[True, False], ids=["express", "aiohttp"])
def battery_stage(request: pytest.FixtureRequest) -> Iterator[BatteryStage]:
    """The stage of this module (in each test process), with and without the express lane."""
    with _site({"listen": {"host": "127.0.0.1", "port": 0, "express": request.param}}) as site:
        yield BatteryStage(site)

"""Real proxies in front of an API, set up by the very files of config/integrations/."""

__all__ = ["FRONTS", "INTEGRATIONS", "Caddy", "Front", "Nginx"]

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.fixtures_gateway import PATIENCE_SECONDS, Reply, eventually, fetch, free_port

INTEGRATIONS: Final = Path(__file__).parents[1] / "config/integrations"

# What the files say, for a reader to replace.
KEYWRIGHT, API, LISTENER = "127.0.0.1:8081", "127.0.0.1:9001", "127.0.0.1:8000"


class Front:
    """A proxy that asks the control plane on `admin_port` about requests for the API on `api_port`."""

    name = ""

    def __init__(self, folder: Path, admin_port: int, api_port: int) -> None:
        """Starts it, and returns once it listens."""
        self.port = free_port()
        self._folder = folder / self.name
        self._folder.mkdir()
        self._log = self._folder / "log"
        text = (INTEGRATIONS / self.file).read_text()
        for ours, port in ((KEYWRIGHT, admin_port), (API, api_port), (LISTENER, self.port)):
            assert text.count(ours) == 1
            text = text.replace(ours, f"127.0.0.1:{port}")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(text),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "HOME": str(self._folder)},
                cwd=self._folder,
            )
        eventually(self._is_listening, f"{self.name} to listen")

    file = ""

    def _command(self, text: str) -> list[str]:
        """Write the file, and say what starts the proxy with it."""
        raise NotImplementedError

    def _is_listening(self) -> bool:
        if self._process.poll() is not None:
            pytest.fail(f"{self.name} did not start:\n{self._log.read_text()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
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

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)


class Nginx(Front):
    name, file = "nginx", "nginx.conf"

    def _command(self, text: str) -> list[str]:
        (self._folder / "api.conf").write_text(text)
        temporary = "".join(
            f"{kind}_temp_path {self._folder / kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        whole = self._folder / "nginx.conf"
        whole.write_text(
            f"daemon off; master_process off; pid {self._folder / 'pid'};\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{temporary}include api.conf;\n}}\n"
        )
        log = str(self._folder / "errors")
        return [_found("nginx"), "-p", str(self._folder), "-c", str(whole), "-e", log]


class Caddy(Front):
    name, file = "caddy", "Caddyfile"

    def _command(self, text: str) -> list[str]:
        whole = self._folder / "Caddyfile"
        # Its own admin listener has a fixed port, and tests run side by side.
        whole.write_text("{\n\tadmin off\n}\n" + text)
        return [_found("caddy"), "run", "--adapter", "caddyfile", "--config", str(whole)]


FRONTS: Final[Mapping[str, type[Front]]] = {"nginx": Nginx, "caddy": Caddy}


def _found(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.fail(f"{name} is not installed; apt-get install -y {name}")
    return path

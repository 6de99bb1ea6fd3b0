"""The demo's configuration, and the calls to try on it."""

__all__ = ["DEMO_KEYS", "DemoKey", "Example", "Ports", "Prepared", "config_text", "examples"]

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"

# Each key's name, which is also its scope.
DEMO_KEYS = ("read-only", "read-write", "dns-only")

# Two such calls fit into the plan's 1000 tokens, and the third only after 12 seconds.
_BILLING_COST = 400

_CONFIG = """\
# Written by `keywright demo`. A copy of it is a good start for a configuration of your own.
listen: {{host: {host}, port: {proxy}, drain_deadline: 5s}}
admin: {{host: {host}, port: {admin}}}
data_dir: {data_dir}
upstreams:
  demo: {{targets: ["http://{host}:{upstream}"]}}
routes:
  - {{name: dns, match: {{path: "/v1/dns/**"}}, upstream: demo}}
  - {{name: servers, match: {{path: "/v1/servers/**"}}, upstream: demo, cost: 5}}
  - {{name: billing, match: {{path: "/v1/billing/**"}}, upstream: demo, cost: {billing_cost}}}
scopes:
  read-only: [{{methods: [GET, HEAD, OPTIONS]}}]
  read-write: [{{methods: ["*"]}}]
  dns-only: [{{routes: [dns]}}]
plans:
  starter: {{limits: [{{name: default, quota: 1000, window: 60s}}]}}
accounts: {{default_plan: starter, default_api_access: approved}}
console: {{example_path: /v1/dns/zones}}
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the demo's three listeners are, all of them on 127.0.0.1."""

    proxy: int
    admin: int
    upstream: int


@dataclass(frozen=True, slots=True)
class DemoKey:
    """A key that the demo made, with the only copy of its secret."""

    id: str
    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is in the database before the gateway starts; `set_up` is the end of the console's first link.

    None when the folder is from an earlier demo in which somebody has set the console up.
    """

    keys: Sequence[DemoKey]
    set_up: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Example:
    """A command to paste, and the status that its last answer has."""

    status: int
    why: str
    command: str = field(repr=False)


def config_text(ports: Ports, data_dir: Path) -> str:
    """The configuration, as YAML."""
    return _CONFIG.format(
        host=HOST,
        proxy=ports.proxy,
        admin=ports.admin,
        upstream=ports.upstream,
        # A JSON text is a YAML text too, whatever characters the path holds.
        data_dir=json.dumps(str(data_dir)),
        billing_cost=_BILLING_COST,
    )


def examples(ports: Ports, secrets: Mapping[str, str]) -> tuple[Example, ...]:
    """One command for each of 200, 403, 401 and 429; `secrets` are those of DEMO_KEYS by name."""
    url = f"http://{HOST}:{ports.proxy}/v1"
    read_only, read_write = (
        f"-H 'Authorization: Bearer {secrets[name]}'" for name in ("read-only", "read-write")
    )
    return (
        Example(200, "the read-only key reads", f"curl -i {read_only} {url}/dns/zones"),
        Example(
            403,
            "the read-only key may not delete",
            f"curl -i -X DELETE {read_only} {url}/dns/zones/example.com",
        ),
        Example(401, "no key at all", f"curl -i {url}/dns/zones"),
        Example(
            429,
            f"the third call in a row: each costs {_BILLING_COST} of the plan's 1000 tokens a minute",
            f"curl -s -o /dev/null -w '%{{http_code}}\\n' {read_write} '{url}/billing?call=[1-3]'",
        ),
    )

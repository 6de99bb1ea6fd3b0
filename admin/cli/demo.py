"""`keywright demo`: everything at once, for a first look."""

__all__ = ["demo"]

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from admin.cli.options import Json
from admin.cli.output import Output
from admin.cli.wiring import local_operator, settings_of
from admin.demo.config import DEMO_KEYS, DemoKey, Example, Prepared
from admin.demo.demo import Demo, Place, Ready, run
from admin.plane.wiring import data_url, opened
from admin.services.keys import NewKey
from admin.services.schema import ensure_schema
from gateway.core.keys import Environment


def demo(
    *,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The gateway's port; 0 for any.")
    ] = 8080,
    admin_port: Annotated[
        int, typer.Option(min=0, max=65535, help="The admin listener's port; 0 for any.")
    ] = 8081,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep the data there; otherwise it is removed.", show_default=False
        ),
    ] = None,
    is_json: Json = False,
) -> None:
    """Start a gateway before a small API, with keys and calls to try. Ctrl-C stops all of it."""
    output = Output.to_stdout(is_json=is_json)
    asyncio.run(
        run(
            Demo(prepare=_prepare, step=_step, ready=lambda ready: _tell(output, ready)),
            Place(port, admin_port, data_dir),
        )
    )


def _step(what: str) -> None:
    sys.stderr.write(f"demo: {what}\n")


async def _prepare(config: Path) -> Prepared:
    """An account with a key for each scope, and a link to set the console up, for that configuration."""
    settings = settings_of(config)
    await ensure_schema(data_url(settings))
    async with opened(settings) as services:
        account = await services.accounts.create(local_operator(), "Demo")
        keys = []
        for name in DEMO_KEYS:
            new = NewKey(account.id, name, scopes=[name], environment=Environment.TEST)
            made = await services.keys.create(local_operator(), new)
            keys.append(DemoKey(made.key.id, name, made.secret))
        return Prepared(keys, await services.console.entry_links.to_set_up())


def _tell(output: Output, ready: Ready) -> None:
    document = {
        "proxy": ready.proxy_url,
        "admin": ready.admin_url,
        "set_up": ready.set_up_url,
        "data_dir": str(ready.folder),
        "keys": [{"id": key.id, "name": key.name, "secret": key.secret} for key in ready.keys],
        "examples": [
            {"status": each.status, "why": each.why, "command": each.command}
            for each in ready.examples
        ],
    }
    width = max(len(key.name) for key in ready.keys)
    keys = [Text(f"  {key.name:<{width}}  {key.secret}") for key in ready.keys]
    output.show(
        document,
        Text(
            f"\nThe gateway is ready on {ready.proxy_url}; its admin API on {ready.admin_url}/v1, explained on\n"
            f"{ready.admin_url}/docs; its metrics on {ready.admin_url}/metrics.\n"
        ),
        *_way_in(ready),
        Text("Three keys, shown only now:\n", style="bold"),
        *keys,
        Text("\nFour calls to try in another terminal:\n", style="bold"),
        *(_example(each) for each in ready.examples),
        Text("Ctrl-C stops everything.", style="bold"),
    )


def _way_in(ready: Ready) -> list[Text]:
    if ready.set_up_url is None:
        return [Text(f"The console is at {ready.admin_url}/; sign in as before.\n", style="bold")]
    return [
        Text(
            "The console, for you to set up and look around in (this link works once):\n",
            style="bold",
        ),
        Text(f"  {ready.set_up_url}\n"),
    ]


def _example(each: Example) -> Text:
    return Text.assemble("  # ", (str(each.status), "bold"), f": {each.why}\n  {each.command}\n")

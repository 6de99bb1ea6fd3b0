"""From a command line to the services: which configuration file, and who is asking."""

__all__ = ["call", "environment", "local_operator", "settings_file", "settings_of"]

import asyncio
import os
import pwd
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from admin.core.caller import Caller, operator
from admin.plane.wiring import data_url, opened
from admin.services.catalogue import Services
from admin.services.schema import ensure_schema
from gateway.core.errors import Misuse
from gateway.settings import Settings, load

DEFAULT_FILE = Path("config/keywright.yaml")

Result = TypeVar("Result")


def settings_file(given: Path | None) -> Path | None:
    """The file to read: the one given, else the usual one if it exists. Raises Misuse for a missing one."""
    if given is None:
        return DEFAULT_FILE if DEFAULT_FILE.exists() else None
    if not given.is_file():
        raise Misuse(f"there is no file {given}; name an existing one with -c FILE")
    return given


def environment() -> Mapping[str, str]:
    """The variables, for the settings, which alone interpret them."""
    return dict(os.environ)  # noqa: TID251 -- handed to the settings


def settings_of(given: Path | None) -> Settings:
    """The settings that a command works with. Raises SettingsError with all mistakes in them."""
    return load(settings_file(given), environment())


def local_operator() -> Caller:
    """Whoever runs the command, by the name of their login: "operator" if the system has none for them."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = "operator"  # in a container, most users have a number and no name
    return operator(name)


def call(
    given: Path | None, act: Callable[[Services], Awaitable[Result]], *, sets_up: bool = False
) -> Result:
    """What `act` returns, done on the services of the given configuration file.

    With `sets_up`, an empty database is set up first, so that the first account needs no ceremony.
    Raises Misuse for a database with another schema, and whatever `act` raises.
    """
    settings = settings_of(given)

    async def run() -> Result:
        if sets_up and (made := await ensure_schema(data_url(settings))) is not None:
            sys.stderr.write(f"{made.sentence}\n")
        async with opened(settings) as services:
            return await act(services)

    return asyncio.run(run())

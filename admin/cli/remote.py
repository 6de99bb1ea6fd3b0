"""Which installation a command is for: the one of this machine, or another through its admin API."""

__all__ = ["Surroundings", "Where", "backend", "surroundings"]

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from admin.cli.backend import Backend, LocalBackend, RemoteBackend
from admin.client import Client
from gateway.core.errors import Misuse

_API_VARIABLE = "KEYWRIGHT_API"
_TOKEN_VARIABLE = "KEYWRIGHT_TOKEN"  # noqa: S105 -- the variable's name


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the environment says; a command's own options win."""

    api: str | None = None
    token: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """What a command was told."""

    config: Path | None = None
    api: str | None = None
    token: SecretStr | None = None
    token_file: Path | None = None


def surroundings() -> Surroundings:
    """Taken out of the environment: they are no settings, and the settings would say so."""
    token = os.environ.pop(_TOKEN_VARIABLE, "")  # noqa: TID251
    return Surroundings(
        api=os.environ.pop(_API_VARIABLE, "") or None,  # noqa: TID251
        token=SecretStr(token) if token else None,
    )


def backend(where: Where, around: Surroundings) -> Backend:
    """Where the command is carried out. Raises Misuse for options that contradict each other."""
    if where.config is not None and where.api is not None:
        raise Misuse("-c names an installation on this machine, --api one elsewhere; give one")
    if where.token is not None and where.token_file is not None:
        raise Misuse("give one of --token and --token-file")
    # A file that was named for this command means this machine, whatever the environment says.
    api = where.api or (around.api if where.config is None else None)
    if api is None:
        if where.token is not None or where.token_file is not None:
            raise Misuse("an admin token is for an admin API; say which with --api URL")
        return LocalBackend(where.config)
    try:
        return RemoteBackend(Client(api, token=_token(where, around)))
    except ValueError as error:
        raise Misuse(str(error)) from None


def _token(where: Where, around: Surroundings) -> SecretStr:
    if where.token_file is not None:
        return SecretStr(_read(where.token_file))
    token = where.token or around.token
    if token is None:
        raise Misuse(
            "the admin API wants an admin token; put it into KEYWRIGHT_TOKEN or a file for --token-file."
            " 'keywright tokens create', on the installation's own machine, makes one"
        )
    return token


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise Misuse(f"{file} holds no admin token") from None

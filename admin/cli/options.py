"""The options that several commands have."""

__all__ = [
    "Account",
    "Api",
    "ConfigFile",
    "IfVersion",
    "Json",
    "Token",
    "TokenFile",
    "Yes",
]

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration; otherwise config/keywright.yaml if it exists, else built-in defaults.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON document instead of words.")]
Api = Annotated[
    str | None,
    typer.Option(
        "--api",
        metavar="URL",
        help="Ask the admin API at this address, not the stores of this machine; or KEYWRIGHT_API.",
        show_default=False,
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        help="The admin token for --api. Others on this machine see it: better in KEYWRIGHT_TOKEN or a file.",
        show_default=False,
    ),
]
TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="A file that holds the admin token for --api.",
        show_default=False,
    ),
]
IfVersion = Annotated[
    int | None,
    typer.Option(
        "--if-version",
        metavar="N",
        min=0,
        help="Only if `version` still is N: nobody has changed it since you looked.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether you are sure.")]
Account = Annotated[
    str | None,
    typer.Option("--account", metavar="ID", help="Only this account's.", show_default=False),
]

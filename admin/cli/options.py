"""The options that every command has."""

__all__ = ["ConfigFile", "Json"]

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

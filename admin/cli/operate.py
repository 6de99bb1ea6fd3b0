"""`keywright check`, `migrate` and `serve`: what whoever runs a gateway does."""

__all__ = ["check", "migrate", "serve"]

import asyncio
import os
import sys

import typer

from admin.cli.options import ConfigFile, Json
from admin.cli.output import Output, plain
from admin.cli.wiring import environment, settings_file, settings_of
from admin.plane.wiring import data_url
from admin.services.schema import ensure_schema
from admin.services.schema import migrate as migrate_database
from gateway.settings import Problem, Reading, Settings, SettingsError, load, read

MISUSE = 2


def check(*, config: ConfigFile = None, is_json: Json = False) -> None:
    """Check the configuration: all mistakes at once, each with what would be right."""
    file = settings_file(config)
    reading = read(file, environment())
    output = Output.to_stdout(is_json=is_json)
    if reading.settings is None:
        if not is_json:
            raise SettingsError(reading.problems)
        output.show(_document(str(file or ""), reading))
        raise typer.Exit(MISUSE)
    output.show(
        _document(str(file or ""), reading),
        plain(f"{file or 'The built-in defaults'}: no mistakes; {_summary(reading.settings)}."),
        *(plain(f"note: {remark}") for remark in reading.remarks),
    )


def migrate(*, config: ConfigFile = None, is_json: Json = False) -> None:
    """Set up an empty database, or bring an older one to the present schema; no row is lost."""
    done = asyncio.run(migrate_database(data_url(settings_of(config))))
    document = {
        "before": done.before,
        "after": done.after,
        "copy": None if done.copy is None else str(done.copy),
    }
    Output.to_stdout(is_json=is_json).show(document, plain(done.sentence))


def serve(*, config: ConfigFile = None) -> None:
    """Run the gateway and its control plane in the foreground; SIGTERM or Ctrl-C drains it."""
    file, variables = settings_file(config), environment()
    settings = load(file, variables, to_serve=True)
    if (made := asyncio.run(ensure_schema(data_url(settings)))) is not None:
        sys.stderr.write(f"{made.sentence}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    # -P: a folder named "gateway" where the command is given must not be taken for ours.
    arguments = [
        sys.executable,
        "-P",
        "-m",
        "gateway.serve",
        *(() if file is None else ("-c", str(file))),
        "--control-plane",
        "admin",
    ]
    os.execve(sys.executable, arguments, dict(variables))  # noqa: S606 -- our own interpreter, no shell


def _summary(settings: Settings) -> str:
    counts = {
        "upstream": len(settings.upstreams),
        "route": len(settings.routes),
        "scope": len(settings.scopes),
        "plan": len(settings.plans),
    }
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items())


def _document(file: str, reading: Reading) -> dict[str, object]:
    return {
        "file": file or None,
        "ok": reading.settings is not None,
        "problems": [_problem(problem) for problem in reading.problems],
        "remarks": [_problem(remark) for remark in reading.remarks],
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "file": problem.file,
        "line": problem.line,
        "field": problem.field,
        "message": problem.message,
        "hint": problem.hint,
    }

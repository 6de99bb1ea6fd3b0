"""`keywright check`, `migrate`, `serve` and `restart`: what whoever runs a gateway does."""

__all__ = ["check", "migrate", "restart", "serve"]

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from admin.cli.options import ConfigFile, Json
from admin.cli.output import Output, plain
from admin.cli.wiring import environment, settings_file, settings_of
from admin.plane.wiring import data_url, set_up_link
from admin.services.schema import ensure_schema
from admin.services.schema import migrate as migrate_database
from gateway.core.errors import Misuse
from gateway.presence import Report, report_in, running
from gateway.settings import Problem, Reading, Settings, SettingsError, load, read

FAILED = 1
MISUSE = 2
_AUTO = "auto"
_WORKERS_MAX = 256
_POLL_SECONDS = 0.05

Workers = Annotated[
    str,
    typer.Option(
        "--workers",
        metavar="N|auto",
        help="How many processes serve requests, on one port; auto: one for each processor.",
    ),
]


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


def serve(*, config: ConfigFile = None, workers: Workers = "1") -> None:
    """Run the gateway and its control plane in the foreground; SIGTERM or Ctrl-C drains it."""
    count = _count(workers)
    file, variables = settings_file(config), environment()
    settings = load(file, variables, to_serve=True)
    if (made := asyncio.run(ensure_schema(data_url(settings)))) is not None:
        sys.stderr.write(f"{made.sentence}\n")
    if (link := asyncio.run(set_up_link(settings))) is not None:
        sys.stderr.write(
            "No admin can sign in to the console yet. Whoever opens this link within an hour is the first one:\n"
            f"  {link}\n"
        )
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
        "--workers",
        str(count),
    ]
    os.execve(sys.executable, arguments, dict(variables))  # noqa: S606 -- our own interpreter, no shell


def restart(*, config: ConfigFile = None, is_json: Json = False) -> None:
    """Replace the processes of the gateway that runs here, one by one; no request is dropped."""
    data_dir = settings_of(config).data_dir
    reports = [_restarted(pid, file, data_dir) for pid, file in running(data_dir)]
    if not reports:
        raise Misuse(
            f"No gateway runs on the data folder {data_dir}; start one with: keywright serve"
        )
    output = Output.to_stdout(is_json=is_json)
    output.show(
        {"restarted": [{"pid": each.pid, "failure": each.failure or None} for each in reports]},
        *(plain(_sentence(each)) for each in reports),
    )
    if any(each.failure for each in reports):
        raise typer.Exit(FAILED)


def _restarted(pid: int, file: Path, data_dir: Path) -> Report:
    """Ask one gateway to begin again, and wait until it has."""
    before = report_in(file)
    if not pid or before is None:
        raise Misuse(
            f"The gateway on the data folder {data_dir} runs in another container; restart it there."
        )
    try:
        os.kill(pid, signal.SIGUSR2)
    except PermissionError:
        raise Misuse(
            f"The gateway (process {pid}) belongs to another user; restart it as that one."
        ) from None
    while any(each == file for _, each in running(data_dir)):
        now = report_in(file)
        if now is not None and now.orders > before.orders:
            return now
        time.sleep(_POLL_SECONDS)
    return Report(pid, failure="it has ended meanwhile")


def _sentence(report: Report) -> str:
    if report.failure:
        return f"Process {report.pid}: not restarted; what ran goes on: {report.failure}"
    return f"Process {report.pid}: all of its processes are new."


def _count(workers: str) -> int:
    if workers == _AUTO:
        return min(len(os.sched_getaffinity(0)), _WORKERS_MAX)
    if workers.isascii() and workers.isdigit() and 1 <= int(workers[:4]) <= _WORKERS_MAX:
        return int(workers[:4])
    raise Misuse(f"--workers is a number from 1 to {_WORKERS_MAX}, or auto; not {workers!r}")


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

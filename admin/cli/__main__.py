"""The `keywright` command."""

__all__ = ["app", "main"]

import importlib.metadata
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from admin.cli import checks, key_life, records, transfer
from admin.cli.accounts import accounts
from admin.cli.alerts import alerts
from admin.cli.channels import channels, inbox
from admin.cli.demo import demo
from admin.cli.faults import REFUSED, explained
from admin.cli.journal import journal
from admin.cli.keys import keys
from admin.cli.operate import check, migrate, restart, serve
from admin.cli.quotas import quota
from admin.cli.remote import Surroundings, surroundings
from admin.cli.tokens import tokens
from admin.cli.usage import usage
from admin.cli.users import users
from gateway import logs

_DEBUG_OPTION = "--debug"
_DEBUG_VARIABLE = "KEYWRIGHT_DEBUG"

app = typer.Typer(
    name="keywright",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="--debug with any command, or KEYWRIGHT_DEBUG=1, shows where an unexpected fault came from.",
)
app.command()(serve)
app.command()(restart)
app.command()(demo)
app.command()(check)
app.command()(migrate)
app.add_typer(accounts, name="accounts")
app.add_typer(users, name="users")
app.add_typer(tokens, name="tokens")
app.add_typer(keys, name="keys")
app.add_typer(usage, name="usage")
app.add_typer(alerts, name="alerts")
app.add_typer(quota, name="quota")
app.add_typer(channels, name="channels")
app.add_typer(inbox, name="inbox")
app.add_typer(records.audit, name="audit")
app.add_typer(journal, name="journal")
key_life.register(keys)
transfer.register(keys)
records.register(app)
checks.register(app)


def _tell_version(is_asked: bool) -> None:  # noqa: FBT001 -- the shape that typer calls
    if is_asked:
        typer.echo(f"keywright {importlib.metadata.version('keywright')}")
        raise typer.Exit


@app.callback()
def keywright(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """An authenticating reverse proxy with API-key management."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 refused, 2 misuse."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Taken out of the environment: it is no setting, and the settings would say so.
    variable = os.environ.pop(_DEBUG_VARIABLE, "")  # noqa: TID251
    is_debug = _DEBUG_OPTION in given or bool(variable)
    logs.configure("info" if is_debug else "critical")
    words = [each for each in given if each != _DEBUG_OPTION]
    sys.exit(_run(words, surroundings(), is_debug=is_debug))


def _run(arguments: list[str], around: Surroundings, *, is_debug: bool) -> int:
    try:
        return app(arguments, prog_name="keywright", standalone_mode=False, obj=around) or 0
    except (KeyboardInterrupt, typer.Abort):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output (`… | head`) has seen enough; the interpreter must not flush into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 -- the last place: nobody is to see a stack trace unasked
        return _told(error, is_debug=is_debug)


def _told(error: Exception, *, is_debug: bool) -> int:
    if is_debug:
        sys.stderr.write(logs.redacted("".join(traceback.format_exception(error))))
    fault = explained(error)
    if fault is None:
        sys.stderr.write(
            f"keywright: an unexpected fault ({type(error).__name__});"
            f" the same command with {_DEBUG_OPTION} shows where it came from\n"
        )
        return REFUSED
    if fault.text:
        sys.stderr.write(f"keywright: {logs.redacted(fault.text)}\n")
    return fault.code


if __name__ == "__main__":
    main()

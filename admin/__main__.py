"""`python -m admin -c FILE --worker SOCKET…`: the control plane, as the supervisor of `keywright serve` starts it."""

import argparse
import os
import socket
import sys
from pathlib import Path

import structlog
import uvloop

from admin.plane.overview import Source
from admin.plane.process import run
from gateway import logs
from gateway.children import REFUSED, tell_parent
from gateway.core.errors import KeywrightError
from gateway.settings import SettingsError, load

DONE, FAILED, MISUSED = 0, 1, 2

log = structlog.get_logger(__name__)


def main() -> int:
    """Serve. Returns the exit code: 0 stopped in order, 1 could not start or go on, 2 misused."""
    parser = argparse.ArgumentParser(prog="python -m admin", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, metavar="FILE")
    parser.add_argument(
        "--worker",
        type=Path,
        action="append",
        default=[],
        metavar="SOCKET",
        help="where a worker tells of itself; once for each",
    )
    parser.add_argument(
        "--listen-fd",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help="listen on this inherited socket, not on admin.port; once for each",
    )
    parser.add_argument(
        "--reload-from",
        type=Path,
        metavar="FILE",
        help="the file that a reload would read; --config is a copy of it",
    )
    options = parser.parse_args()
    say = _tell if options.worker else _say
    try:
        variables = os.environ  # noqa: TID251 -- handed to the settings
        settings = load(options.config, variables, to_serve=True)
        logs.configure(settings.logs.level)
        sockets = [socket.socket(fileno=number) for number in options.listen_fd]
        source = Source(options.reload_from or options.config, variables)
        uvloop.run(run(settings, options.worker, sockets, source))
    except SettingsError as error:
        return say(str(error), MISUSED)
    except KeywrightError as error:
        return say(f"keywright: {error}", FAILED)
    except Exception as error:
        # The last place: the log hides what a stack trace would quote.
        log.critical("unexpected_fault", exc_info=error)
        return FAILED
    return DONE


def _say(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


def _tell(text: str, code: int) -> int:
    tell_parent(REFUSED, text)
    return code


if __name__ == "__main__":
    sys.exit(main())

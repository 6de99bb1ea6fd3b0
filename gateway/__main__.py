"""`python -m gateway -c FILE`: one worker, by itself in the foreground or under the supervisor of `keywright serve`.

All that it needs is imported here, at once: that is most of a start, and a standby has it behind it.
"""

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog
import uvloop

from gateway import logs
from gateway.app.assembly import Supervised
from gateway.children import REFUSED, be_listed_as, tell_parent, told_by_parent
from gateway.core.errors import KeywrightError
from gateway.http.parser import require_c_parser
from gateway.serve.process import run
from gateway.settings import SettingsError, load

DONE, FAILED, MISUSED = 0, 1, 2

log = structlog.get_logger(__name__)


def main() -> int:
    """Serve. Returns the exit code: 0 stopped in order, 1 could not start or go on, 2 misused."""
    options = _options(sys.argv[1:])
    if options.standby:
        be_listed_as("kw-standby")
        told = told_by_parent()
        if told is None:
            return DONE
        words, numbers = told
        options = _options([*words, *(f"--listen-fd={number}" for number in numbers)])
    say = _say if options.supervised is None else _tell
    try:
        require_c_parser()
        settings = load(options.config, os.environ, to_serve=True)  # noqa: TID251 -- handed to the settings
        logs.configure(settings.logs.level)
        ships = not options.journal_only
        uvloop.run(run(settings, supervised=_supervised(options), ships=ships))
    except SettingsError as error:
        return say(str(error), MISUSED)
    except KeywrightError as error:
        return say(f"keywright: {error}", FAILED)
    except Exception as error:
        # The last place: the log hides what a stack trace would quote.
        log.critical("unexpected_fault", exc_info=error)
        return FAILED
    return DONE


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, metavar="FILE")
    parser.add_argument(
        "--supervised",
        type=Path,
        metavar="SOCKET",
        help="where to tell of itself; the admin port and the private Valkey are then the supervisor's",
    )
    parser.add_argument(
        "--journal-only",
        action="store_true",
        help="leave it to another process with the same data folder to ship usage to SQL",
    )
    parser.add_argument(
        "--listen-fd",
        type=int,
        action="append",
        default=[],
        metavar="N",
        help="serve on this inherited socket, not on listen.port; once for each; with --supervised",
    )
    parser.add_argument(
        "--standby",
        action="store_true",
        help="wait until the supervisor, on stdin, says what the other arguments are",
    )
    return parser.parse_args(words)


def _supervised(options: argparse.Namespace) -> Supervised | None:
    if options.supervised is None:
        return None
    be_listed_as(f"kw-{options.supervised.stem}")
    sockets = [socket.socket(fileno=number) for number in options.listen_fd]
    return Supervised(options.supervised, sockets)


def _say(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


def _tell(text: str, code: int) -> int:
    tell_parent(REFUSED, text)
    return code


if __name__ == "__main__":
    sys.exit(main())

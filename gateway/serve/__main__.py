"""`python -m gateway.serve -c FILE --control-plane MODULE`: all of a gateway; `keywright serve` ends in this."""

import argparse
import os
import sys
from pathlib import Path

import structlog
import uvloop

from gateway import logs
from gateway.core.errors import KeywrightError
from gateway.serve.child import StartFailed
from gateway.serve.house import Plan
from gateway.serve.supervisor import supervise
from gateway.settings import SettingsError, load

DONE, FAILED, MISUSED = 0, 1, 2

log = structlog.get_logger(__name__)


def main() -> int:
    """Run all. Returns the exit code: 0 stopped in order, 1 could not start or go on, 2 misused."""
    parser = argparse.ArgumentParser(prog="python -m gateway.serve", description=__doc__)
    parser.add_argument("-c", "--config", type=Path, metavar="FILE")
    parser.add_argument("--control-plane", metavar="MODULE", help="run it beside the workers")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="how many (default: 1)")
    options = parser.parse_args()
    variables = dict(os.environ)  # noqa: TID251 -- handed to the settings, and to the children
    try:
        settings = load(options.config, variables, to_serve=True)
        logs.configure(settings.logs.level)
        plan = Plan(options.config, options.control_plane, variables, options.workers)
        # Not asyncio's own loop, which waits for children in threads: the kernel tells a child of the death
        # of each thread of its parent, and a second SIGTERM would cut what the first lets finish.
        return DONE if uvloop.run(supervise(settings, plan)) else FAILED
    except SettingsError as error:
        return _say(str(error), MISUSED)
    except StartFailed as failure:
        return _say(str(failure), failure.code)
    except KeywrightError as error:
        return _say(f"keywright: {error}", FAILED)
    except Exception as error:
        # The last place: the log hides what a stack trace would quote.
        log.critical("unexpected_fault", exc_info=error)
        return FAILED


def _say(text: str, code: int) -> int:
    sys.stderr.write(text + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

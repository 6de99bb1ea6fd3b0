"""The process that runs the others: the private Valkey, the workers, the control plane beside them.

It serves nobody itself, and holds no store, so that little can happen to it. When it is killed its
children get a signal from the kernel and end in order.
"""

__all__ = ["supervise"]

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog

from gateway import logs
from gateway.clock import SystemClock
from gateway.presence import Presence
from gateway.serve.binding import Binding
from gateway.serve.configuration import Configuration, InForce
from gateway.serve.house import Bindings, House, Plan
from gateway.serve.sockets import socket_folder
from gateway.settings import Settings, SettingsError
from gateway.stores.valkey import PrivateValkey
from gateway.tasks import Crew

log = structlog.get_logger(__name__)


def _has_terminal() -> bool:
    return os.isatty(sys.stderr.fileno())


@dataclass(slots=True)
class _Orders:
    """What signals have asked for since it was last looked."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    impatient: asyncio.Event = field(default_factory=asyncio.Event)
    some: asyncio.Event = field(default_factory=asyncio.Event)
    is_reload: bool = False
    had_terminal: bool = field(default_factory=_has_terminal)

    def end(self) -> None:
        """SIGTERM, SIGINT."""
        (self.impatient if self.stop.is_set() else self.stop).set()

    def read_again(self) -> None:
        """SIGHUP: reload; but if it is because the terminal was closed, end."""
        if self.had_terminal and not _has_terminal():
            self.stop.set()
            return
        self.is_reload = True
        self.some.set()

    def begin_again(self) -> None:
        """SIGUSR2."""
        self.some.set()

    async def next(self) -> bool:
        """Wait for one; whether to reload and not only to restart. Those that came meanwhile are one."""
        _ = await self.some.wait()
        self.some.clear()
        is_reload, self.is_reload = self.is_reload, False
        return is_reload


async def supervise(settings: Settings, plan: Plan) -> bool:
    """Run until SIGTERM or SIGINT, then drain; a second signal ends the wait. Whether all ended in order.

    SIGHUP reloads the configuration, SIGUSR2 replaces all processes; neither drops a request.
    Raises StartFailed when a process does not come up at its first start, and Misuse for what stands in the
    way of starting any.
    """
    orders = _Orders()
    with _signals(orders):
        async with contextlib.AsyncExitStack() as stack:
            folder = stack.enter_context(socket_folder(settings.data_dir))
            configuration = Configuration(plan.config, plan.variables, folder)
            now = configuration.read(settings)
            bindings = Bindings(
                stack.enter_context(
                    Binding.opened(settings.listen.host, settings.listen.port, "listen")
                ),
                stack.enter_context(
                    Binding.opened(settings.admin.host, settings.admin.port, "admin")
                ),
            )
            if settings.redis.url is None:
                valkey = await stack.enter_async_context(PrivateValkey(settings.data_dir))
                crew = await stack.enter_async_context(Crew())
                _ = crew.start("valkey", valkey.run())
            house = House(plan, folder, bindings, now, SystemClock())
            present = stack.enter_context(Presence.declared(settings.data_dir))
            return await _Supervisor(house, configuration, now, present).run(orders)


@contextlib.contextmanager
def _signals(orders: _Orders) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    heard = {
        signal.SIGTERM: orders.end,
        signal.SIGINT: orders.end,
        signal.SIGHUP: orders.read_again,
        signal.SIGUSR2: orders.begin_again,
    }
    for number, act in heard.items():
        loop.add_signal_handler(number, act)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


class _Supervisor:
    """From the first start to the end: which configuration is in force, and what is done when a signal comes."""

    def __init__(
        self, house: House, configuration: Configuration, now: InForce, present: Presence
    ) -> None:
        self._house = house
        self._configuration = configuration
        self._now = now
        self._present = present

    async def run(self, orders: _Orders) -> bool:
        await self._house.start(orders.stop)
        if not orders.stop.is_set():
            async with Crew() as crew:
                self._house.keep(crew)
                _ = crew.start("orders", self._follow(orders))
                _ = await orders.stop.wait()
        log.info("stopping")
        is_in_order = await self._house.stop(orders.impatient)
        log.info("stopped")
        return is_in_order

    async def _follow(self, orders: _Orders) -> None:
        while True:
            is_reload = await orders.next()
            failure = await (self._reload() if is_reload else self._restart())
            self._present.carried_out(failure)

    async def _restart(self) -> str:
        """Replace all processes; what went wrong, "" for nothing."""
        log.info("restarting")
        failure = await self._house.replace_all(self._now)
        if failure is not None:
            log.error("restart_failed")
            return str(failure)
        log.info("restarted")
        return ""

    async def _reload(self) -> str:
        """Put the file as it is now into force; what went wrong, "" for nothing."""
        log.info("reloading")
        wanted = self._wanted()
        if isinstance(wanted, SettingsError):
            return _refused(wanted)
        failure = await self._house.replace_all(wanted)
        old, now = (wanted, self._now) if failure else (self._now, wanted)
        self._now = now
        self._configuration.forget(old)
        if failure is not None:
            log.error("reload_failed")
            return str(failure)
        logs.configure(now.settings.logs.level)
        log.info("reloaded")
        return ""

    def _wanted(self) -> InForce | SettingsError:
        try:
            return self._configuration.read(self._now.settings)
        except SettingsError as error:
            return error


def _refused(error: SettingsError) -> str:
    for problem in error.problems:
        log.error(
            "configuration_mistake",
            file=problem.file,
            line=problem.line,
            field=problem.field,
            text="; ".join(filter(None, (problem.message, problem.hint))),
        )
    log.error("reload_refused", mistakes=len(error.problems))
    return str(error)

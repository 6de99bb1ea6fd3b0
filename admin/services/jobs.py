"""Work that takes longer than an answer may: done step by step, beside everything else, and looked at meanwhile.

It is held in memory. What a step has done stays done when the control plane ends; the rest is begun again by
whoever began it, so each kind of work must be one that may be begun again.
"""

__all__ = ["Job", "Jobs", "Steps"]

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

import structlog

from admin.core.caller import Caller
from admin.core.faults import Conflict, NotAllowed, NotFound
from admin.services.validation import new_id
from gateway.core.errors import KeywrightError, Overloaded, StoreError
from gateway.ports import Clock

# What one may have under way, and all together.
_OF_ONE_MAX = 3
_UNDER_WAY_MAX = 20
# For so long, and so many of each, a report can be looked at.
_KEPT_SECONDS = 3600.0
_KEPT_OF_ONE_MAX = 5

Report = TypeVar("Report")

_STORE_AWAY = "A store did not answer. What was done stays done; begin again for the rest."
_FAILED = "Keywright failed. The reason is in its log. What was done stays done."
_GONE = "Whoever began this is no active user any more, so it was not gone on with."
_BUSY = "You have several of these under way. Wait until one of them has ended."

_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False, kw_only=True)
class Job:
    """One piece of work, `done` of `total` things of it (None: nobody knows yet). `report` is what its kind tells.

    `caller` is whoever began it, with the rights that they have at this step.
    """

    id: str
    kind: str
    caller: Caller
    report: object
    began_at: float
    done: int = 0
    total: int | None = None
    ended_at: float | None = None
    problem: str = ""
    steps: AsyncGenerator[None, None] | None = field(default=None, repr=False)

    @property
    def is_running(self) -> bool:
        """Whether there is more to do."""
        return self.ended_at is None

    def told(self, kind: type[Report]) -> Report:
        """What is told of it. Raises NotFound for work of another kind."""
        if not isinstance(self.report, kind):
            raise NotFound(_none(self.id))
        return self.report


# Each `yield` ends a step: something else may come in between.
Steps: TypeAlias = Callable[[Job], AsyncGenerator[None, None]]


class Jobs:
    """All that is under way, a step of each in turn; and for an hour what became of it."""

    def __init__(self, clock: Clock, anew: Callable[[Caller], Awaitable[Caller | None]]) -> None:
        """`anew(caller)` is the same person with their present rights; None when they are no user any more."""
        self._clock = clock
        self._anew = anew
        self._jobs: dict[str, Job] = {}
        self._waiting: asyncio.Queue[Job] = asyncio.Queue()

    def begin(
        self, caller: Caller, kind: str, report: object, steps: Steps, total: int | None = None
    ) -> Job:
        """Let it be done, for a user. Raises Conflict when they have several under way, Overloaded when all have."""
        under_way = [job for job in self._jobs.values() if job.is_running]
        if sum(job.caller.user_id == caller.user_id for job in under_way) >= _OF_ONE_MAX:
            raise Conflict(_BUSY)
        if len(under_way) >= _UNDER_WAY_MAX:
            raise Overloaded("too much long work")
        self._drop_oldest(caller)
        job = Job(
            id=new_id("job"),
            kind=kind,
            caller=caller,
            report=report,
            began_at=self._clock.now(),
            total=total,
        )
        job.steps = steps(job)
        self._jobs[job.id] = job
        self._waiting.put_nowait(job)
        return job

    def find(self, caller: Caller, job_id: str) -> Job:
        """The work with this id, for whoever began it. Raises NotFound."""
        job = self._jobs.get(job_id)
        if job is None or caller.user_id is None or job.caller.user_id != caller.user_id:
            raise NotFound(_none(job_id))
        return job

    def forget(self) -> None:
        """Let go of what ended an hour ago."""
        before = self._clock.now() - _KEPT_SECONDS
        for job in [*self._jobs.values()]:
            if job.ended_at is not None and job.ended_at < before:
                del self._jobs[job.id]

    def _drop_oldest(self, caller: Caller) -> None:
        """Leave room for one more: a report may hold a whole file."""
        ended = [
            job
            for job in self._jobs.values()
            if job.caller.user_id == caller.user_id and not job.is_running
        ]
        for job in ended[: len(ended) - _KEPT_OF_ONE_MAX + 1]:
            del self._jobs[job.id]

    async def run(self) -> None:
        """Do what is begun, for as long as it is left to."""
        while True:
            job = await self._waiting.get()
            if await self._goes_on(job):
                self._waiting.put_nowait(job)
            else:
                await self._end(job)

    async def _end(self, job: Job) -> None:
        if job.steps is not None:
            await job.steps.aclose()
        job.steps = None
        job.ended_at = self._clock.now()

    async def _goes_on(self, job: Job) -> bool:
        """Whether there is more to do after another step."""
        try:
            return await self._stepped(job)
        except StoreError as error:
            _log.warning("long work: a store did not answer", work=job.kind, detail=str(error))
            job.problem = _STORE_AWAY
        except KeywrightError as error:
            job.problem = str(error)
        except Exception as error:  # noqa: BLE001 -- one mistake must not end the work of all others
            _log.error("long work failed", work=job.kind, exc_info=error)
            job.problem = _FAILED
        return False

    async def _stepped(self, job: Job) -> bool:
        caller = await self._anew(job.caller)
        if caller is None:
            raise NotAllowed(_GONE)
        job.caller = caller
        return job.steps is not None and await anext(job.steps, _END) is not _END


class _End:
    """What `anext` gives after the last step."""


_END = _End()


def _none(job_id: str) -> str:
    return (
        f"There is no work {job_id} of yours. It ended more than an hour ago, or the control plane was"
        " restarted: what it did is in the audit log, and it can be begun again."
    )

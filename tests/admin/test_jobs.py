"""Long work: a step of each in turn, with the rights that its owner has then."""

import asyncio
import dataclasses
from collections.abc import AsyncGenerator

import pytest

from admin.core.caller import PERMISSIONS, ActorKind, Caller, Role
from admin.core.faults import Conflict, NotAllowed, NotFound
from admin.services.jobs import Job, Jobs
from gateway.core.errors import StoreError
from gateway.tasks import Crew
from tests.doubles import ManualClock


def user(name: str, role: Role = Role.ADMIN) -> Caller:
    """Somebody who asks."""
    return Caller(
        kind=ActorKind.USER,
        id=name,
        name=name,
        role=role,
        permissions=PERMISSIONS[role],
        user_id=name,
    )


ADA, BOB = user("ada"), user("bob")


class People:
    """Who is who by now."""

    def __init__(self) -> None:
        self.changed: dict[str, Caller | None] = {}

    async def anew(self, caller: Caller) -> Caller | None:
        """As they are now."""
        return self.changed.get(caller.id, caller)


@pytest.fixture
def people() -> People:
    """Nobody has changed."""
    return People()


@pytest.fixture
def clock() -> ManualClock:
    """A time to advance."""
    return ManualClock()


@pytest.fixture
def jobs(people: People, clock: ManualClock) -> Jobs:
    """Nothing is under way."""
    return Jobs(clock, people.anew)


async def until_ended(jobs: Jobs, *begun: Job) -> None:
    """Do all that was begun."""
    async with asyncio.timeout(15), Crew() as crew:
        _ = crew.start("jobs", jobs.run())
        while any(job.is_running for job in begun):  # noqa: ASYNC110 -- nobody is told
            await asyncio.sleep(0)


async def test_a_step_of_each_in_turn(jobs: Jobs) -> None:
    """A long work does not hold up a short one."""
    order: list[str] = []

    async def steps(job: Job) -> AsyncGenerator[None, None]:
        for _ in range(job.total or 0):
            order.append(job.kind)
            job.done += 1
            yield

    long, short = jobs.begin(ADA, "long", 0, steps, 3), jobs.begin(BOB, "short", 0, steps, 1)
    await until_ended(jobs, long, short)

    assert order == ["long", "short", "long", "long"]
    assert (long.done, short.done) == (3, 1)
    assert long.problem == ""


async def test_rights_are_those_of_the_step(jobs: Jobs, people: People) -> None:
    """Who is made less, or disabled, while their work runs does the rest with what they have left, or not at all."""
    done: list[Role] = []

    async def steps(job: Job) -> AsyncGenerator[None, None]:
        for after in (dataclasses.replace(ADA, role=Role.VIEWER), None, ADA):
            done.append(job.caller.role)
            people.changed["ada"] = after
            yield

    job = jobs.begin(ADA, "import", 0, steps)
    await until_ended(jobs, job)

    assert done == [Role.ADMIN, Role.VIEWER]
    assert "no active user" in job.problem


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(NotAllowed("This needs more."), "This needs more.", id="refused"),
        pytest.param(StoreError("sql", "import", "gone"), "A store did not answer", id="store"),
        pytest.param(ZeroDivisionError("secret"), "The reason is in its log", id="mistake"),
    ],
)
async def test_what_fails_is_told_and_stops_nothing_else(
    jobs: Jobs, error: Exception, told: str
) -> None:
    """The next work goes on; what went wrong inside is for the log alone."""

    async def fails(_job: Job) -> AsyncGenerator[None, None]:
        yield
        raise error

    async def goes_on(job: Job) -> AsyncGenerator[None, None]:
        for _ in range(3):
            job.done += 1
            yield

    first, second = jobs.begin(ADA, "a", 0, fails), jobs.begin(ADA, "b", 0, goes_on)
    await until_ended(jobs, first, second)

    assert told in first.problem
    assert "secret" not in first.problem
    assert (second.done, second.problem) == (3, "")


async def test_nobody_has_more_than_three_under_way(jobs: Jobs) -> None:
    """One user cannot fill the memory, and does not keep others from working."""

    async def steps(_job: Job) -> AsyncGenerator[None, None]:
        yield

    begun = [jobs.begin(ADA, "a", 0, steps) for _ in range(3)]
    with pytest.raises(Conflict):
        jobs.begin(ADA, "a", 0, steps)
    begun.append(jobs.begin(BOB, "a", 0, steps))
    await until_ended(jobs, *begun)
    later = begun[-1]
    for _ in range(5):
        later = jobs.begin(ADA, "a", 0, steps)
        await until_ended(jobs, later)

    with pytest.raises(NotFound):
        jobs.find(ADA, begun[0].id)
    assert jobs.find(ADA, later.id) is later


async def test_work_is_its_owners_and_forgotten(jobs: Jobs, clock: ManualClock) -> None:
    """Nobody else finds it, and an hour after its end nobody does."""

    async def steps(_job: Job) -> AsyncGenerator[None, None]:
        yield

    job = jobs.begin(ADA, "a", 0, steps)
    await until_ended(jobs, job)
    with pytest.raises(NotFound):
        jobs.find(BOB, job.id)
    jobs.forget()
    assert jobs.find(ADA, job.id) is job
    clock.advance(3601)
    jobs.forget()
    with pytest.raises(NotFound):
        jobs.find(ADA, job.id)

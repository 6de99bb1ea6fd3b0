"""A node that is killed before each of its statements, one after the other: nothing is lost, nothing told as two."""

import contextlib
import json
from collections.abc import Iterator

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.core.errors import StoreError
from gateway.stores.notification_tables import delivery_attempts, inbox_notices
from gateway.stores.sql_engine import open_engine
from tests.admin.notices.stand import Receiver, Stand
from tests.admin.world import World

# More than one event takes, from the first look to the release of its channel.
STATEMENTS_MAX = 60
LEASE = 61.0


class Killed(BaseException):
    """What `kill -9` looks like from the inside."""


@contextlib.contextmanager
def killed_before(engine: AsyncEngine, number: int) -> Iterator[list[int]]:
    """The process dies before its statement of this number, and says how many it came to."""
    came_to = [0]

    def count(*_: object) -> None:
        came_to[0] += 1
        if came_to[0] >= number:
            raise Killed

    event.listen(engine.sync_engine, "before_cursor_execute", count)
    try:
        yield came_to
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", count)


async def test_a_node_may_be_killed_before_any_statement(
    stand: Stand, sql_url: str, receiver: Receiver
) -> None:
    """Whenever it happens, the next node brings each event to its receiver, under one id, and into the inbox once."""
    channel, _ = await stand.webhook(receiver.url)
    events = 0
    for number in range(1, STATEMENTS_MAX):
        await stand.tell(number=number)
        events += 1
        engine = open_engine(sql_url)
        dying = Stand(engine, stand.senders, clock=stand.clock)
        gone = contextlib.suppress(Killed, BaseExceptionGroup, StoreError)
        with killed_before(engine, number) as came_to, gone:
            await dying.deliver()
        await engine.dispose()
        await stand.later(LEASE)
        if came_to[0] < number:
            break
    told = [json.loads(got.body)["data"]["facts"]["number"] for got in receiver.got]
    ids = {(number, got.id) for number, got in zip(told, receiver.got, strict=True)}
    log = await stand.log(channel.id)
    world = World(stand.engine)

    assert 8 < events < STATEMENTS_MAX - 1
    assert set(told) == set(range(1, events + 1))
    assert len(ids) == events
    # Twice are at most those whose node died between the answer and the commit.
    assert len(told) - events <= 8
    assert [each.state for each in log] == ["delivered"] * events
    assert len(await world.rows(inbox_notices)) == events
    assert len(await world.rows(delivery_attempts)) == events
    assert (await stand.row(channel.id)).due_us is None

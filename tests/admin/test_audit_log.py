"""The audit log: who did what, in one chain that cannot be changed unseen."""

import asyncio
import dataclasses
import json

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.audit import AuditEntry, Head, Stored, link, parse_head
from admin.core.caller import Caller, Role
from admin.core.faults import NotAllowed
from admin.core.page import PAGE_MAX, PageRequest
from admin.services.accounts import AccountChange, AccountView
from admin.services.records import AuditFilter, Broken, Event, Verdict
from admin.services.tokens import NewToken
from admin.services.users import NewUser, UserChange
from gateway.core.errors import KeywrightError, Misuse
from gateway.stores.sql_engine import write_transaction
from gateway.stores.tables import audit_entries, audit_head, events
from tests.admin.world import OPERATOR, World, caller_of
from tests.hostile import HOSTILE

ALL = PageRequest(PAGE_MAX)
LENGTH = 12


@pytest.fixture
def world(sql_engine: AsyncEngine) -> World:
    """The services on a real database."""
    return World(sql_engine)


@pytest.fixture
async def account(world: World) -> AccountView:
    """An account with a history of a dozen entries."""
    made = await world.accounts.create(OPERATOR, "Ada")
    for number in range(1, LENGTH):
        world.clock.advance(1)
        await world.accounts.change(OPERATOR, made.id, AccountChange(name=f"Ada {number}"))
    return made


async def verdict(world: World, expected: Head | None = None) -> Verdict:
    """What verifying says."""
    return await world.records.verify_audit(OPERATOR, expected)


async def entries(
    world: World, wanted: AuditFilter | None = None, caller: Caller = OPERATOR
) -> tuple[Stored, ...]:
    """The entries that fit, newest first."""
    return (await world.records.audit(caller, wanted or AuditFilter(), ALL)).items


async def rewritten(world: World, sequence: int, **values: object) -> None:
    """Change an entry, and every hash from there on, as somebody with the code at hand would."""
    rows = list(await world.rows(audit_entries))
    hash_ = rows[sequence - 2].hash if sequence > 1 else ""
    async with write_transaction(world.engine, "tamper") as connection:
        for row in rows[sequence - 1 :]:
            fields = {name: getattr(row, name) for name in AuditEntry.__dataclass_fields__}
            if row.sequence == sequence:
                fields |= values
            hash_ = link(hash_, row.sequence, AuditEntry(**fields))
            await connection.execute(
                update(audit_entries)
                .where(audit_entries.c.sequence == row.sequence)
                .values(**fields, hash=hash_)
            )
        await connection.execute(update(audit_head).values(hash=hash_))


async def test_an_empty_log_is_whole(world: World) -> None:
    """Before anything has happened, nothing is wrong."""
    assert await verdict(world) == Verdict(0, Head(0, ""))


async def test_a_whole_log(world: World, account: AccountView) -> None:
    """What nobody touched is found whole, with its length and its end; progress is told up to the end."""
    told: list[tuple[int, int]] = []
    found = await world.records.verify_audit(OPERATOR, progress=lambda *at: told.append(at))
    newest = (await entries(world))[0]

    assert found.ok
    assert found == Verdict(LENGTH, Head(LENGTH, newest.hash))
    assert told[-1] == (LENGTH, LENGTH)


COLUMNS = [
    column.name for column in audit_entries.columns if column.name not in {"sequence", "hash"}
]


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("at", [1, 7, LENGTH])
async def test_a_changed_field_is_found(
    world: World, account: AccountView, name: str, at: int
) -> None:
    """Whichever field of whichever entry is changed: verifying names the entry."""
    value = 5 if name == "at_us" else "something else"
    async with write_transaction(world.engine, "tamper") as connection:
        await connection.execute(
            update(audit_entries).where(audit_entries.c.sequence == at).values({name: value})
        )
    found = await verdict(world)

    assert (found.ok, found.broken_at, found.broken) == (False, at, Broken.CHANGED)
    assert found.problem is not None
    assert f"Entry {at} " in found.problem
    assert found.entries == at - 1


async def test_every_field_is_covered() -> None:
    """No column of the log stands outside of the chain."""
    assert set(COLUMNS) == set(AuditEntry.__dataclass_fields__)


@pytest.mark.parametrize("at", [1, 7, LENGTH])
async def test_a_hash_of_somebodys_own(world: World, account: AccountView, at: int) -> None:
    """A changed entry with a hash that fits it breaks at the next one, or at the end."""
    rows = await world.rows(audit_entries)
    row = rows[at - 1]
    fields = {name: getattr(row, name) for name in AuditEntry.__dataclass_fields__}
    fields["actor_name"] = "somebody else"
    before = rows[at - 2].hash if at > 1 else ""
    async with write_transaction(world.engine, "tamper") as connection:
        await connection.execute(
            update(audit_entries)
            .where(audit_entries.c.sequence == at)
            .values(**fields, hash=link(before, at, AuditEntry(**fields)))
        )
    found = await verdict(world)

    assert (found.ok, found.broken) == (False, Broken.CHANGED)
    assert found.broken_at == min(at + 1, LENGTH)


@pytest.mark.parametrize(
    ("gone", "broken_at"),
    [
        pytest.param([1], 1, id="the-first"),
        pytest.param([7], 7, id="one-in-the-middle"),
        pytest.param([LENGTH], LENGTH, id="the-last"),
        pytest.param([10, 11, 12], 10, id="the-tail"),
        pytest.param(list(range(1, LENGTH + 1)), 1, id="all"),
    ],
)
async def test_a_missing_entry_is_found(
    world: World, account: AccountView, gone: list[int], broken_at: int
) -> None:
    """Nothing can be taken out, wherever it stands: verifying names the first that is missing."""
    async with write_transaction(world.engine, "tamper") as connection:
        await connection.execute(delete(audit_entries).where(audit_entries.c.sequence.in_(gone)))
    found = await verdict(world)

    assert (found.ok, found.broken_at, found.broken) == (False, broken_at, Broken.MISSING)
    assert f"{broken_at}" in str(found.problem)


async def test_a_closed_gap_is_found(world: World, account: AccountView) -> None:
    """Numbering anew behind what was taken out does not help."""
    await world.run(
        "DELETE FROM audit_entries WHERE sequence = 7",
        "UPDATE audit_entries SET sequence = -sequence WHERE sequence > 7",
        "UPDATE audit_entries SET sequence = -sequence - 1 WHERE sequence < 0",
    )
    found = await verdict(world)

    assert (found.ok, found.broken_at, found.broken) == (False, 7, Broken.CHANGED)


@pytest.mark.parametrize("sequence", [-1, 0, LENGTH + 1, LENGTH + 100])
async def test_an_added_entry_is_found(world: World, account: AccountView, sequence: int) -> None:
    """Nothing can be slipped in before the beginning or behind the end."""
    row = (await world.rows(audit_entries))[-1]._asdict()
    async with write_transaction(world.engine, "tamper") as connection:
        await connection.execute(insert(audit_entries), {**row, "sequence": sequence})
    found = await verdict(world)

    assert (found.ok, found.broken) == (False, Broken.ADDED)


async def test_a_shortened_log_with_its_end_moved(world: World, account: AccountView) -> None:
    """Who takes off the tail and moves the end to fit is found by an end that was noted before."""
    noted = (await verdict(world)).head
    rows = await world.rows(audit_entries)
    async with write_transaction(world.engine, "tamper") as connection:
        await connection.execute(delete(audit_entries).where(audit_entries.c.sequence > 7))
        await connection.execute(update(audit_head).values(sequence=7, hash=rows[6].hash))
    unnoticed = await verdict(world)
    found = await verdict(world, noted)

    assert unnoticed.ok
    assert (found.ok, found.broken_at, found.broken) == (False, 8, Broken.MISSING)
    assert str(LENGTH) in str(found.problem)


@pytest.mark.parametrize("at", [1, 7, LENGTH])
async def test_a_chain_written_anew(world: World, account: AccountView, at: int) -> None:
    """Who changes an entry and every hash behind it is found by an end that was noted before."""
    noted = (await verdict(world)).head
    await rewritten(world, at, actor_name="somebody else")
    await world.accounts.create(OPERATOR, "and life goes on")
    unnoticed = await verdict(world)
    found = await verdict(world, noted)

    assert unnoticed.ok
    assert (found.ok, found.broken_at, found.broken) == (False, LENGTH, Broken.CHANGED)


async def test_an_end_that_was_noted_is_still_there(world: World, account: AccountView) -> None:
    """An honest log goes on, and every end that it ever had is still in it."""
    noted = (await verdict(world)).head
    await world.accounts.create(OPERATOR, "Grace")
    found = await verdict(world, parse_head(str(noted)))

    assert found.ok
    assert found.head.sequence == LENGTH + 1


async def test_the_end_is_gone(world: World, account: AccountView) -> None:
    """Without its end a log is not whole, and verifying says so rather than breaking."""
    await world.run("DELETE FROM audit_head")
    found = await verdict(world)

    assert (found.ok, found.broken) == (False, Broken.MISSING)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET action = x'00ff' WHERE sequence = 7",
        "UPDATE audit_entries SET at_us = 'noon' WHERE sequence = 7",
        "UPDATE audit_entries SET hash = 5 WHERE sequence = 7",
        "UPDATE audit_entries SET sequence = 'seven' WHERE sequence = 7",
        "UPDATE audit_head SET sequence = 'end'",
        "UPDATE audit_head SET hash = x'00'",
    ],
)
async def test_values_of_another_kind(world: World, account: AccountView, statement: str) -> None:
    """SQLite keeps anything anywhere; what is no entry of ours is found, and breaks nothing."""
    await world.run(statement)

    assert not (await verdict(world)).ok


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        ":",
        "7:",
        "x:" + "0" * 64,
        "0:" + "0" * 64,
        "7:" + "0" * 63,
        "7:" + "G" * 64,
        "\u0667:" + "0" * 64,
        "9" * 19 + ":" + "0" * 64,
    ],
)
def test_a_noted_end_that_is_none(text: str) -> None:
    """A typing error in a noted end is told as one, and not taken for a broken log."""
    with pytest.raises(Misuse, match="SEQUENCE:HASH"):
        parse_head(text)


async def test_one_history_of_many_hands(world: World, account: AccountView) -> None:
    """Changes that happen at once stand one after the other in one chain, each with all of its marks."""
    other = await world.accounts.create(OPERATOR, "Grace")
    member = await world.users.create(
        OPERATOR, NewUser("g@example.com", "G", Role.MEMBER, other.id)
    )
    before = len(await world.rows(audit_entries))

    async def work(number: int) -> int:
        done = 0
        for step in range(5):
            for change in (
                world.accounts.change(OPERATOR, account.id, AccountChange(name=f"{number}.{step}")),
                world.accounts.create(OPERATOR, f"{number}.{step}"),
                world.users.change(OPERATOR, member.id, UserChange(name=f"{number}.{step}")),
                world.accounts.deny_access(OPERATOR, other.id, f"{number}.{step}"),
            ):
                await change
                done += 1
        return done

    done = sum(await asyncio.gather(*(work(number) for number in range(8))))
    rows = await world.rows(audit_entries)
    names = [json.loads(row.after)["name"] for row in rows if row.action == "account.update"]
    told = await world.rows(events)

    assert done == 160
    assert len(rows) == before + done
    assert (await verdict(world)).ok
    # Each says what was before, so the history of one account reads as one story.
    story = [json.loads(row.before)["name"] for row in rows if row.action == "account.update"]
    assert story == ["Ada", *names[:-1]]
    assert [row.sequence for row in told] == list(range(1, 41))
    assert (await world.accounts.show(OPERATOR, other.id)).version == 41


async def test_verifying_while_it_grows(world: World, account: AccountView) -> None:
    """A log is found whole also while others write to it."""
    going_on = True

    async def write() -> int:
        count = 0
        while going_on or count < 5:
            await world.accounts.create(OPERATOR, "x")
            count += 1
        return count

    async def look() -> list[Verdict]:
        nonlocal going_on
        try:
            return [await verdict(world) for _ in range(20)]
        finally:
            going_on = False

    found, written = await asyncio.gather(look(), write())

    assert [each for each in found if not each.ok] == []
    assert written >= 5


async def test_the_log_is_searched(world: World, account: AccountView) -> None:
    """By account, target, who, what and when; newest first, page after page."""
    world.clock.advance(100)
    start = world.clock.now()
    token = await world.tokens.create(
        caller_of(Role.ADMIN, id="usr_1"), NewToken("ci", "member", account.id)
    )
    world.clock.advance(100)
    other = await world.accounts.create(OPERATOR, "Grace")

    async def sequences(**wanted: object) -> list[int]:
        found = await entries(world, AuditFilter(**wanted))  # type: ignore[arg-type]
        return [each.sequence for each in found]

    everything = list(range(LENGTH + 2, 0, -1))
    assert await sequences() == everything
    assert await sequences(account_id=other.id) == [LENGTH + 2]
    assert await sequences(target_id=token.token.id) == [LENGTH + 1]
    assert await sequences(actor_id="usr_1") == [LENGTH + 1]
    assert await sequences(action="account.create") == [LENGTH + 2, 1]
    assert await sequences(since=start) == [LENGTH + 2, LENGTH + 1]
    assert await sequences(until=start) == everything[2:]
    assert await sequences(since=start, until=start + 1) == [LENGTH + 1]
    assert await sequences(action="key.create") == []
    pages: list[int] = []
    cursor = None
    while not pages or cursor is not None:
        page = await world.records.audit(OPERATOR, AuditFilter(), PageRequest(5, cursor))
        pages += [each.sequence for each in page.items]
        cursor = page.next_cursor
    assert pages == everything


async def test_hostile_words_in_a_search(world: World, account: AccountView) -> None:
    """No text that the log is searched for is run, or breaks anything."""
    for text in HOSTILE:
        for name in ("account_id", "target_id", "actor_id", "action"):
            try:
                assert await entries(world, AuditFilter(**{name: text})) == ()  # type: ignore[arg-type]
            except Misuse:
                assert not text.isprintable() or len(text) > 200
    for moment in (float("nan"), float("inf"), -1.0, 1e300):
        with pytest.raises(Misuse, match="moment"):
            await entries(world, AuditFilter(since=moment))


async def test_what_is_told_of_whoever_acted(world: World) -> None:
    """An entry says who, as what, from where and in which request."""
    caller = caller_of(Role.ADMIN)
    account = await world.accounts.create(caller, "Ada")
    (stored,) = await entries(world)

    assert dataclasses.replace(stored.entry, before=None, after=None) == AuditEntry(
        at_us=round(world.clock.now() * 1_000_000),
        actor_kind="user",
        actor_id="usr_admin",
        actor_name="admin@example.com",
        address="192.0.2.7",
        request_id="req_1",
        action="account.create",
        target_kind="account",
        target_id=account.id,
        account_id=account.id,
    )


async def test_a_member_sees_their_own_account_only(world: World, account: AccountView) -> None:
    """Whoever belongs to one account finds nothing of others; the whole is for admins to verify."""
    other = await world.accounts.create(OPERATOR, "Grace")
    await world.accounts.disable_access(OPERATOR, other.id)
    await world.accounts.disable_access(OPERATOR, account.id)
    admin = await world.users.create(OPERATOR, NewUser("r@example.com", "R", "admin"))
    await world.users.change(OPERATOR, admin.id, UserChange(status="disabled"))
    member = caller_of(Role.MEMBER, account.id)
    seen = await entries(world, caller=member)
    told = await world.records.events(member, 0, 50)

    assert {each.entry.account_id for each in seen} == {account.id}
    assert len(seen) == LENGTH + 1
    assert [each.account_id for each in told] == [account.id]
    assert await entries(world, AuditFilter(account_id=other.id), member) == ()
    assert await entries(world, AuditFilter(target_id=admin.id), member) == ()
    assert await world.records.events(member, 0, 50, other.id) == ()
    with pytest.raises(NotAllowed, match="all accounts"):
        await world.records.verify_audit(member)
    nobody = dataclasses.replace(OPERATOR, permissions=frozenset())
    for ask in (
        world.records.audit(nobody, AuditFilter(), ALL),
        world.records.verify_audit(nobody),
        world.records.events(nobody, 0, 50),
    ):
        with pytest.raises(KeywrightError, match=r"audit:read|events:read"):
            await ask


async def test_events_are_read_on(world: World, account: AccountView) -> None:
    """Whoever asks for what is behind the last event that they have seen misses none and sees none twice."""
    for number in range(5):
        await world.accounts.deny_access(OPERATOR, account.id, f"{number}")
    await world.accounts.change(OPERATOR, account.id, AccountChange(status="suspended"))
    seen: list[Event] = []
    last = 0
    while part := await world.records.events(OPERATOR, last, 2):
        assert len(part) <= 2
        seen += part
        last = part[-1].sequence

    assert [each.sequence for each in seen] == [1, 2, 3, 4, 5, 6]
    assert [each.data.get("reason") for each in seen] == ["0", "1", "2", "3", "4", None]
    assert seen[-1].kind == "account.suspended"
    assert seen[-1].at == world.clock.now()


async def test_a_long_log(world: World) -> None:
    """A log of several thousand entries is verified in parts, to the last."""
    for _ in range(3):
        await world.accounts.create(OPERATOR, "Ada")
    rows = list(await world.rows(audit_entries))
    sequence, hash_ = rows[-1].sequence, rows[-1].hash
    entry = AuditEntry(**{n: getattr(rows[-1], n) for n in AuditEntry.__dataclass_fields__})
    added = []
    for _ in range(2500):
        sequence += 1
        hash_ = link(hash_, sequence, entry)
        added.append({**dataclasses.asdict(entry), "sequence": sequence, "hash": hash_})
    async with write_transaction(world.engine, "prepare") as connection:
        await connection.execute(insert(audit_entries), added)
        await connection.execute(update(audit_head).values(sequence=sequence, hash=hash_))
    whole = await verdict(world)
    async with write_transaction(world.engine, "tamper") as connection:
        await connection.execute(
            update(audit_entries).where(audit_entries.c.sequence == 2001).values(address="::1")
        )
    broken = await verdict(world)

    assert (whole.ok, whole.entries) == (True, 2503)
    assert (broken.ok, broken.broken_at) == (False, 2001)

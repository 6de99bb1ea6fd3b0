"""From one installation to another: what is exported, imported and exported again is the same."""

import dataclasses
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Permission, operator
from admin.core.faults import Conflict, NotAllowed, NotFound
from admin.core.page import PageRequest
from admin.core.transfer.entries import Hints
from admin.core.transfer.formats import Format, read
from admin.core.transfer.keys import ImportedKey, ImportedSecret, LineOutcome
from admin.migrations.metadata import METADATA
from admin.operations.transfer import exported_line, imported_key
from admin.services.transfer import ExportFilter, TransferService
from admin.wire.transfer import ImportLine
from gateway.core.credential import Pepper, Peppers
from gateway.core.keys import ApiAccess, Environment, KeyStatus, KeyType
from gateway.core.limits import CountedPer, Limit
from gateway.core.token import ALPHABET
from gateway.stores.sql_engine import open_engine
from gateway.stores.tables import accounts, keys, users
from tests.admin.transfer.stage import NOON, SCOPES, audit_of, line, outcomes, rows_of, transfer_of
from tests.fixtures_sql import TEMPLATE, Postgres, own_database

ADA = operator("ada")
ALL = ExportFilter(deleted=True)


@pytest.fixture
async def other_engine(postgres: Postgres) -> AsyncIterator[AsyncEngine]:
    """A second installation, on PostgreSQL."""
    async with own_database(postgres, TEMPLATE) as url:
        engine = open_engine(url)
        yield engine
        await engine.dispose()


async def exported(service: TransferService, wanted: ExportFilter = ALL) -> list[str]:
    """The file that `keys export` writes, as lines."""
    lines: list[str] = []
    cursor = None
    while True:
        page = await service.export(ADA, wanted, PageRequest(3, cursor))
        lines += (
            exported_line(key).model_dump_json(exclude={"number"}, exclude_none=True)
            for key in page.items
        )
        if (cursor := page.next_cursor) is None:
            return lines


async def imported(service: TransferService, lines: Sequence[str]) -> tuple[LineOutcome, ...]:
    """What `keys import` makes of such a file."""
    entries = read(Format.JSONL, [f"{each}\n".encode() for each in lines], Hints(NOON))
    wanted = [
        imported_key(ImportLine.model_validate({**entry.fields, "number": entry.number}))
        for entry in entries
    ]
    return await service.take_in(ADA, wanted)


async def emptied(engine: AsyncEngine) -> None:
    """As after the first start."""
    async with engine.begin() as connection:
        for table in reversed(METADATA.sorted_tables):
            if table.name != "audit_head":
                await connection.execute(delete(table))


# As the wire writes times: to the millisecond.
MOMENTS = st.integers(0, 4_000_000_000_000).map(lambda milliseconds: milliseconds / 1000)
HASHES = st.text(ALPHABET, min_size=43, max_size=43).map(
    lambda text: f"$argon2id$v=19$m=2048,t=1,p=1${text[:22]}${text}"
)
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20
)
DIGESTS = st.tuples(st.just("p2"), st.text("0123456789abcdef", min_size=64, max_size=64))
PERHAPS = st.none() | MOMENTS


@st.composite
def secrets_of_keys(draw: st.DrawFn) -> ImportedSecret:
    """A secret in any state, made here or elsewhere."""
    is_imported = draw(st.booleans())
    return ImportedSecret(
        id=draw(st.text(ALPHABET, min_size=12, max_size=12)),
        token_hash=draw(HASHES),
        cost_class="imported" if is_imported else "generated",
        created_at=draw(MOMENTS),
        digests=(draw(DIGESTS),) if is_imported else (),
        expires_at=draw(PERHAPS),
        revoked_at=draw(PERHAPS),
        replaced_at=draw(PERHAPS),
        until_unused=draw(st.booleans()),
    )


@st.composite
def keys_of_accounts(draw: st.DrawFn) -> ImportedKey:
    """A key in any state, of one of two accounts."""
    account, status = draw(st.sampled_from([("acc_1", "active"), ("acc_2", "suspended")]))
    is_revoked = draw(st.booleans())
    return ImportedKey(
        number=1,
        account=account,
        account_name=f"Name of {account}",
        account_status=status,
        account_api_access=ApiAccess.DENIED if account == "acc_1" else ApiAccess.APPROVED,
        plan="vps",
        vendor="",
        id="key_" + draw(st.text(ALPHABET, min_size=16, max_size=16)),
        name=draw(NAMES),
        type=draw(st.sampled_from(KeyType)),
        environment=draw(st.sampled_from(Environment)),
        status=KeyStatus.REVOKED
        if is_revoked
        else draw(st.sampled_from([KeyStatus.ACTIVE, KeyStatus.DISABLED])),
        scopes=tuple(draw(st.sets(st.sampled_from(SCOPES)))),
        created_at=draw(MOMENTS),
        not_before=draw(PERHAPS),
        expires_at=draw(PERHAPS),
        revoked_at=draw(MOMENTS) if is_revoked else None,
        deleted_at=draw(PERHAPS) if is_revoked else None,
        addresses=tuple(draw(st.sets(st.sampled_from(["10.0.0.0/8", "2001:db8::/32"])))),
        origins=tuple(draw(st.sets(st.sampled_from(["https://a.example"])))),
        limits=tuple(
            Limit(name, draw(st.integers(1, 1000)), 60, draw(st.sampled_from(CountedPer)))
            for name in draw(st.sets(NAMES, max_size=2))
        ),
        metadata=draw(st.dictionaries(NAMES, NAMES, max_size=3)),
        secrets=tuple(
            draw(st.lists(secrets_of_keys(), min_size=1, max_size=3, unique_by=lambda one: one.id))
        ),
    )


@pytest.mark.parametrize("database", ["sqlite"])
@given(
    st.lists(
        keys_of_accounts(),
        min_size=1,
        max_size=6,
        unique_by=(
            lambda key: key.id,
            lambda key: key.secrets[0].id,
            lambda key: key.secrets[0].digests or key.id,
        ),
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_a_move_there_and_back_changes_nothing(
    sql_engine: AsyncEngine, other_engine: AsyncEngine, moved: list[ImportedKey]
) -> None:
    """What goes from SQLite to PostgreSQL and back is to the last field what it was."""
    await emptied(sql_engine)
    await emptied(other_engine)
    here, there = transfer_of(sql_engine), transfer_of(other_engine)
    taken = await here.take_in(ADA, moved)
    good = [key for key, done in zip(moved, taken, strict=True) if done.outcome == "created"]
    file = await exported(here)

    assert set(outcomes(await imported(there, file))) <= {"created"}
    assert await exported(there) == file
    assert set(outcomes(await imported(here, await exported(there)))) <= {"unchanged"}
    assert await exported(here) == file
    first = min(good, key=lambda key: (key.created_at, key.id))
    found = (await here.export(ADA, ALL, PageRequest(1))).items[0]
    assert _without_order(found) == _without_order(dataclasses.replace(first, number=1))


def _without_order(key: ImportedKey) -> dict[str, Any]:
    fields = {name: getattr(key, name) for name in ImportedKey.__dataclass_fields__}
    return fields | {"secrets": sorted(key.secrets, key=lambda one: one.id)}


async def test_an_export_is_written_down(sql_engine: AsyncEngine) -> None:
    """Who took the hashes out is in the audit log, page by page."""
    service = transfer_of(sql_engine)
    await service.take_in(ADA, [line(number) for number in range(4)])

    await exported(service)

    assert (await audit_of(sql_engine))[-2:] == [("key.export", "all")] * 2


async def test_an_export_holds_no_value(sql_engine: AsyncEngine) -> None:
    """Neither a value nor anything that could be sent in its place leaves the installation."""
    service = transfer_of(sql_engine)
    await service.take_in(ADA, [line(value="legacy-secret-1")])

    (written,) = await exported(service)

    assert "legacy-secret" not in written
    assert "value" not in json.loads(written)


async def test_who_may_not_export_cannot(sql_engine: AsyncEngine) -> None:
    """Hashes are for those with a permission of their own."""
    without = dataclasses.replace(ADA, permissions=ADA.permissions - {Permission.KEYS_EXPORT})

    with pytest.raises(NotAllowed, match="keys:export"):
        await transfer_of(sql_engine).export(without, ALL, PageRequest())


async def test_an_export_of_one_account_holds_no_other(sql_engine: AsyncEngine) -> None:
    """The filter holds; who belongs to one account gets its keys alone; deleted keys only when asked for."""
    service = transfer_of(sql_engine)
    first, _, third = await service.take_in(
        ADA, [line(1, account="A"), line(2, account="B"), line(3, account="A")]
    )
    async with sql_engine.begin() as connection:
        await connection.execute(
            update(keys).where(keys.c.id == third.key_id).values(deleted_us=1, status="revoked")
        )
    ids = {row["name"]: row["id"] for row in (await rows_of(sql_engine, accounts))["accounts"]}
    bound = dataclasses.replace(ADA, account_id=ids["A"])

    page = await service.export(ADA, ExportFilter(ids["A"]), PageRequest())
    theirs = await service.export(bound, ExportFilter(deleted=True), PageRequest())

    assert [key.id for key in page.items] == [first.key_id]
    assert {key.id for key in theirs.items} == {first.key_id, third.key_id}
    with pytest.raises(NotFound) as strange:
        await service.export(bound, ExportFilter(ids["B"]), PageRequest())
    with pytest.raises(NotFound) as missing:
        await service.export(bound, ExportFilter("acc_nobody"), PageRequest())
    assert str(strange.value).replace(ids["B"], "") == str(missing.value).replace("acc_nobody", "")


async def one_exported(engine: AsyncEngine, **fields: Any) -> str:  # noqa: ANN401
    """The only line of an export."""
    service = transfer_of(engine)
    await service.take_in(ADA, [line(**fields)])
    (written,) = await exported(service)
    return written


@pytest.mark.parametrize("database", ["sqlite"])
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"vendor": "acme"}, None, id="vendor-does-not-matter-to-other-values"),
        pytest.param(
            {"secrets.0.cost_class": "generated", "vendor": "acme"}, "vendor prefix", id="vendor"
        ),
        pytest.param({"secrets.0.digests": []}, "pepper", id="no-digest"),
        pytest.param({"secrets.0.digests": [["p9", "a" * 64]]}, "pepper", id="other-pepper"),
        pytest.param(
            {"secrets.0.token_hash": "$argon2i$v=19$m=8,t=1,p=1$YWFhYWFhYWE$" + "a" * 43},
            "hash",
            id="kind",
        ),
        pytest.param(
            {"secrets.0.token_hash": "$argon2id$v=19$m=999999,t=1,p=1$YWFhYWFhYWFh$" + "a" * 43},
            "hash",
            id="cost",
        ),
        pytest.param({"secrets.0.id": "short"}, "12 characters", id="secret-id"),
        pytest.param({"value": "v"}, "one of them", id="both"),
        pytest.param({"owner": "ada@example.com"}, "no user", id="owner-is-not-here"),
    ],
)
async def test_a_moved_line_that_cannot_work_here_says_why(
    sql_engine: AsyncEngine, other_engine: AsyncEngine, changes: dict[str, Any], said: str | None
) -> None:
    """A key that would not be served after the move, or would cost the gateway too much, is not taken in silence."""
    document = json.loads(await one_exported(sql_engine))
    for path, content in changes.items():
        *way, last = path.split(".")
        place = document["secrets"][0] if way else document
        place[last] = content

    (done,) = await imported(transfer_of(other_engine), [json.dumps(document)])

    assert (done.problem is None) == (said is None)
    assert said is None or said in str(done.problem)


@pytest.mark.parametrize("database", ["sqlite"])
async def test_ids_that_are_taken_are_refused(
    sql_engine: AsyncEngine, other_engine: AsyncEngine
) -> None:
    """A moved key never takes the place of another one, nor of what became of itself."""
    written = json.loads(await one_exported(sql_engine))
    there = transfer_of(other_engine)
    await imported(there, [json.dumps(written)])
    other_key = {**written, "id": "key_other", "name": "other"}
    rotated = {
        **written,
        "secrets": [
            *written["secrets"],
            {**written["secrets"][0], "id": "a" * 12, "digests": [["p2", "b" * 64]]},
        ],
    }
    other_hash = {
        **written,
        "secrets": [
            {
                **written["secrets"][0],
                "token_hash": "$argon2id$v=19$m=8,t=1,p=1$YWFhYWFhYWFh$" + "a" * 43,
            }
        ],
    }
    other_secret = {
        **written,
        "secrets": [{**written["secrets"][0], "id": "b" * 12, "digests": [["p2", "c" * 64]]}],
    }

    done = await imported(
        there,
        [json.dumps(each) for each in (written, other_key, rotated, other_hash, other_secret)],
    )

    assert outcomes(done) == ["unchanged", "refused", "refused", "refused", "refused"]
    assert len((await rows_of(other_engine, keys))["keys"]) == 1


@pytest.mark.parametrize("database", ["sqlite"])
async def test_keys_of_ours_move_without_the_setting(
    sql_engine: AsyncEngine, other_engine: AsyncEngine
) -> None:
    """Only values that were made elsewhere need `keys.accept_imported`, and the same pepper."""
    foreign = await one_exported(sql_engine)
    own = json.loads(foreign)
    own["secrets"][0] |= {"cost_class": "generated", "digests": []}
    strangers = Peppers(Pepper("p7", b"of another place" * 2))
    there = transfer_of(other_engine, accepts_imported=False, peppers=strangers)

    assert outcomes(await imported(there, [json.dumps(own)])) == ["created"]
    with pytest.raises(Conflict, match="accept_imported"):
        await imported(there, [foreign])


@pytest.mark.parametrize("database", ["sqlite"])
async def test_an_owner_moves_by_address(
    sql_engine: AsyncEngine, other_engine: AsyncEngine
) -> None:
    """Who narrows a key here narrows it there."""
    service, there = transfer_of(sql_engine), transfer_of(other_engine)
    await service.take_in(ADA, [line()])
    for engine, user_id in ((sql_engine, "usr_1"), (other_engine, "usr_2")):
        async with engine.begin() as connection:
            await connection.execute(
                insert(users).values(
                    id=user_id,
                    email="ada@example.com",
                    name="Ada",
                    role="member",
                    status="active",
                    version=1,
                    created_us=1,
                    updated_us=1,
                )
            )
    async with sql_engine.begin() as connection:
        await connection.execute(update(keys).values(owner_id="usr_1"))

    file = await exported(service)
    await imported(there, file)

    (key,) = (await rows_of(other_engine, keys))["keys"]
    assert key["owner_id"] == "usr_2"
    assert await exported(there) == file

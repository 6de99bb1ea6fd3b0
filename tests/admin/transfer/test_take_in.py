"""Lines on their way into the database: created, unchanged, or refused with a reason."""

import asyncio
import dataclasses
import hashlib
import hmac
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import ActorKind, Caller, Permission, Role, operator
from admin.core.faults import Conflict, NotAllowed
from admin.core.transfer.keys import ImportedKey
from gateway.core.errors import Misuse
from gateway.core.keys import ApiAccess, KeyStatus
from gateway.core.token import checksum
from gateway.stores.secret_hash import verify
from gateway.stores.tables import accounts, imported_digests, keys, secrets, users
from tests.admin.transfer.stage import (
    PEPPERS,
    audit_of,
    line,
    outcomes,
    rows_of,
    transfer_of,
)

ADA = operator("ada")


async def account(engine: AsyncEngine, id_: str, name: str) -> None:
    """An account that is there before."""
    async with engine.begin() as connection:
        await connection.execute(
            insert(accounts).values(
                id=id_,
                name=name,
                plan="starter",
                status="active",
                api_access="approved",
                version=1,
                created_us=1,
                updated_us=1,
            )
        )


async def test_a_value_becomes_a_key_with_ids_of_its_own(sql_engine: AsyncEngine) -> None:
    """The value is kept as a slow hash and found by its digest; the key is one like every other."""
    service = transfer_of(sql_engine)

    (done,) = await service.take_in(
        ADA, [line(value="legacy-1", scopes=("read-write",), metadata={"team": "dns"})]
    )

    there = await rows_of(sql_engine, keys, secrets, imported_digests, accounts)
    (key,), (secret,), (digest,), (acme,) = there.values()
    assert (done.outcome.value, done.key_id) == ("created", key["id"])
    assert key["id"].startswith("key_")
    assert (key["account_id"], key["status"], key["version"]) == (acme["id"], "active", 1)
    assert (key["scopes"], key["metadata"]) == (["read-write"], {"team": "dns"})
    assert (secret["key_id"], secret["cost_class"]) == (key["id"], "imported")
    assert verify(secret["token_hash"], b"legacy-1")
    expected = hmac.digest(PEPPERS.current.value, b"legacy-1", hashlib.sha256).hex()
    assert digest == {"pepper_id": "p2", "digest": expected, "secret_id": secret["id"]}
    assert acme["name"] == "Acme"


async def test_the_same_lines_again_change_nothing(sql_engine: AsyncEngine) -> None:
    """Whoever is not sure whether an import went through runs it again."""
    service = transfer_of(sql_engine)
    lines = [line(number) for number in range(1, 6)]
    first = await service.take_in(ADA, lines)
    before = await rows_of(sql_engine)

    second = await service.take_in(ADA, lines)

    assert outcomes(second) == ["unchanged"] * 5
    assert [each.key_id for each in second] == [each.key_id for each in first]
    assert await rows_of(sql_engine) == before


async def test_a_value_under_an_older_pepper_is_known(sql_engine: AsyncEngine) -> None:
    """After the pepper was changed an import still sees which values are there."""
    older = dataclasses.replace(PEPPERS, current=PEPPERS.older[0], older=())
    await transfer_of(sql_engine, peppers=older).take_in(ADA, [line()])

    assert outcomes(await transfer_of(sql_engine).take_in(ADA, [line()])) == ["unchanged"]


async def test_one_value_has_one_account(sql_engine: AsyncEngine) -> None:
    """A value of another account is refused, whether that is stored or stands in the same file."""
    service = transfer_of(sql_engine)
    await service.take_in(ADA, [line(value="v")])

    first, second, third = await service.take_in(
        ADA,
        [
            line(1, account="Bolt", value="v"),
            line(2, account="Bolt", value="w"),
            line(3, account="Cog", value="w"),
        ],
    )

    assert [first.outcome.value, second.outcome.value, third.outcome.value] == [
        "refused",
        "created",
        "refused",
    ]
    assert first.problem is not None
    assert "belongs to key key_" in first.problem
    assert third.problem is not None
    assert str(second.key_id) in third.problem
    # An account that would have had no key was not made.
    names = [row["name"] for row in (await rows_of(sql_engine, accounts))["accounts"]]
    assert sorted(names) == ["Acme", "Bolt"]


async def test_two_lines_of_one_key_are_one_key(sql_engine: AsyncEngine) -> None:
    """The second line with one value and account finds what the first has made."""
    done = await transfer_of(sql_engine).take_in(ADA, [line(1, value="v"), line(2, value="v")])

    assert outcomes(done) == ["created", "unchanged"]
    assert done[0].key_id == done[1].key_id


def ours(vendor: str = "", *, mistyped: bool = False) -> str:
    """A token of Keywright's own form."""
    text = f"{vendor}sk_live_{'a1B2' * 11}"
    end = checksum(text)
    return text + (end[:-1] + ("0" if end[-1] != "0" else "1") if mistyped else end)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param("", "empty", id="empty"),
        pytest.param(None, "empty", id="none"),
        pytest.param("x" * 4097, "4096", id="too-long"),
        pytest.param("a\tb", "control", id="tab"),
        pytest.param("a\x7fb", "control", id="delete"),
        pytest.param("a\ud800b", "control", id="half-a-pair"),
        pytest.param(" legacy", "space", id="outer-space"),
        pytest.param(ours(mistyped=True), "wrong checksum", id="mistyped-token"),
        pytest.param(ours("acme_", mistyped=True), "wrong checksum", id="mistyped-with-vendor"),
        pytest.param(ours(), "keys export", id="own-token"),
    ],
)
async def test_a_value_that_cannot_be_a_key_is_refused(
    sql_engine: AsyncEngine, value: str | None, said: str
) -> None:
    """What nobody could send is told with a reason, and without the value."""
    bad, good = await transfer_of(sql_engine).take_in(ADA, [line(1, value=value), line(2)])

    assert (bad.outcome.value, good.outcome.value) == ("refused", "created")
    assert bad.problem is not None
    assert said in bad.problem
    assert not value or value not in bad.problem


@pytest.mark.parametrize(
    "value",
    [
        "x",
        "ab",
        "d9428888-122b-11e1-b85c-61cd3cbb3210",
        "a.b.c",
        "aGVsbG8=/+==",
        "two words",
        "sk_live_51HxQ",
        "schlüssel",
        "y" * 4096,
        ours("other_"),
    ],
)
async def test_values_of_every_other_form_are_taken(sql_engine: AsyncEngine, value: str) -> None:
    """Nobody has to give out new keys because of the form of the old ones."""
    assert outcomes(await transfer_of(sql_engine).take_in(ADA, [line(value=value)])) == ["created"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"scopes": ("root",)}, "no scope 'root'", id="scope"),
        pytest.param({"plan": "gold"}, "no plan 'gold'", id="plan"),
        pytest.param({"name": ""}, "name", id="no-name"),
        pytest.param({"account": "\x1b[31m"}, "printable", id="account-name"),
        pytest.param({"account": "acc_nobody"}, "no account 'acc_nobody'", id="account-id"),
        pytest.param({"addresses": ("10.0.0.1/8",)}, "network", id="network"),
        pytest.param({"origins": ("example.com",)}, "origin", id="origin"),
        pytest.param({"metadata": {"a": "\n"}}, "metadata", id="metadata"),
        pytest.param({"expires_at": 1e18}, "expiry", id="time"),
        pytest.param({"id": "robot-1"}, "key_", id="key-id"),
        pytest.param({"owner": "ghost@example.com"}, "no user", id="owner"),
        pytest.param({"owner": "ghost"}, "e-mail", id="owner-without-address"),
    ],
)
async def test_a_line_that_does_not_fit_is_refused_alone(
    sql_engine: AsyncEngine, fields: dict[str, Any], said: str
) -> None:
    """One bad line says what is wrong with it; those around it are taken in."""
    done = await transfer_of(sql_engine).take_in(ADA, [line(1), line(2, **fields), line(3)])

    assert outcomes(done) == ["created", "refused", "created"]
    assert done[1].problem is not None
    assert said in done[1].problem


async def test_accounts_are_found_by_id_and_name_and_made_once(sql_engine: AsyncEngine) -> None:
    """An account is never made a second time, and never guessed where two have one name."""
    await account(sql_engine, "acc_1", "Acme")
    await account(sql_engine, "acc_2", "Twin")
    await account(sql_engine, "acc_3", "Twin")
    service = transfer_of(sql_engine, api_access=ApiAccess.DISABLED)

    done = await service.take_in(
        ADA,
        [
            line(1, account="acc_1"),
            line(2, account="Acme"),
            line(3, account="Twin"),
            line(4, account="acc_3"),
            line(5, account="New", plan="vps"),
            line(6, account="New"),
        ],
    )

    assert outcomes(done) == ["created", "created", "refused", "created", "created", "created"]
    assert done[2].problem is not None
    assert "2 accounts with the name 'Twin'" in done[2].problem
    there = await rows_of(sql_engine, accounts, keys)
    (made,) = [row for row in there["accounts"] if row["name"] == "New"]
    assert (made["plan"], made["api_access"]) == ("vps", "disabled")
    of_account = [row["account_id"] for row in sorted(there["keys"], key=lambda row: row["name"])]
    assert of_account == ["acc_1", "acc_1", "acc_3", made["id"], made["id"]]


async def test_a_dry_run_says_the_same_and_writes_nothing(sql_engine: AsyncEngine) -> None:
    """Before anything changes one can read what would."""
    service = transfer_of(sql_engine)
    await service.take_in(ADA, [line(1)])
    before = await rows_of(sql_engine)
    lines = [line(1), line(2, account="New"), line(3, value=""), line(4, account="New", value="v")]

    tried = await service.take_in(ADA, lines, dry_run=True)

    assert await rows_of(sql_engine) == before
    assert [each.key_id is None for each in tried] == [False, True, True, True]
    done = await service.take_in(ADA, lines)
    assert outcomes(tried) == outcomes(done) == ["unchanged", "created", "refused", "created"]
    assert tried[2] == done[2]


async def test_a_revoked_key_does_not_come_back(sql_engine: AsyncEngine) -> None:
    """Importing an old file again revives nothing, and says so."""
    service = transfer_of(sql_engine)
    await service.take_in(ADA, [line(status=KeyStatus.REVOKED)])

    again, revived = await service.take_in(ADA, [line(1, status=KeyStatus.REVOKED), line(1)])

    assert again.outcome.value == "unchanged"
    assert revived.problem is not None
    assert "never comes back" in revived.problem


async def test_without_the_setting_nothing_is_taken_in(sql_engine: AsyncEngine) -> None:
    """Values that the gateway would not look up are not stored; the setting is named."""
    service = transfer_of(sql_engine, accepts_imported=False)

    with pytest.raises(Conflict, match=r"keys\.accept_imported: true.*restart"):
        await service.take_in(ADA, [line()])

    assert not (await rows_of(sql_engine, keys))["keys"]


async def test_no_more_lines_than_one_transaction_holds(sql_engine: AsyncEngine) -> None:
    """A batch has a bound."""
    with pytest.raises(Misuse, match="500"):
        await transfer_of(sql_engine).take_in(ADA, [line(number) for number in range(501)])


async def test_who_may_not_import_cannot(sql_engine: AsyncEngine) -> None:
    """A member's rights do not reach here."""
    member = dataclasses.replace(ADA, permissions=ADA.permissions - {Permission.KEYS_IMPORT})

    with pytest.raises(NotAllowed, match="keys:import"):
        await transfer_of(sql_engine).take_in(member, [line()])


async def test_who_belongs_to_one_account_sees_no_other(sql_engine: AsyncEngine) -> None:
    """A token of one account makes keys there only, and learns nothing of who else has a value."""
    await account(sql_engine, "acc_1", "Acme")
    await account(sql_engine, "acc_2", "Acme")
    service = transfer_of(sql_engine)
    await service.take_in(ADA, [line(9, account="acc_2", value="theirs")])
    bound = Caller(
        kind=ActorKind.TOKEN,
        id="tok_1",
        name="ci",
        role=Role.ADMIN,
        permissions=ADA.permissions,
        account_id="acc_1",
    )

    done = await service.take_in(
        bound,
        [
            line(1, account="Acme"),
            line(2, account="acc_2"),
            line(3, account="New"),
            line(4, account="acc_1", value="theirs"),
        ],
    )

    assert outcomes(done) == ["created", "refused", "refused", "refused"]
    said = " ".join(str(each.problem) for each in done)
    assert "acc_2'" in said  # their own words
    assert "key_" not in said


async def test_every_change_is_in_the_audit_log(sql_engine: AsyncEngine) -> None:
    """Each key and each account that an import makes has its entry; what stays as it was has none."""
    service = transfer_of(sql_engine)
    first, second = await service.take_in(ADA, [line(1), line(2)])
    await service.take_in(ADA, [line(1), line(2)])

    (acme,) = (await rows_of(sql_engine, accounts))["accounts"]
    assert await audit_of(sql_engine) == [
        ("account.create", acme["id"]),
        ("key.import", first.key_id),
        ("key.import", second.key_id),
    ]


async def test_no_value_is_kept_anywhere(sql_engine: AsyncEngine) -> None:
    """The database holds nothing that a value could be read from."""
    await transfer_of(sql_engine).take_in(
        ADA, [line(1, value="legacy-secret-1"), line(2, value="legacy-secret-1", account="Bolt")]
    )

    assert "legacy-secret" not in str(await rows_of(sql_engine))


async def test_imports_of_one_file_at_once_make_each_key_once(sql_engine: AsyncEngine) -> None:
    """Two who start the same import at the same moment do not fail each other, and nothing is there twice."""
    lines = [line(number) for number in range(40)]

    both = await asyncio.gather(
        *(transfer_of(sql_engine).take_in(ADA, lines) for _ in range(2)),
    )

    assert sorted(outcomes(both[0]) + outcomes(both[1])) == ["created"] * 40 + ["unchanged"] * 40
    there = await rows_of(sql_engine, keys, accounts)
    assert (len(there["keys"]), len(there["accounts"])) == (40, 1)


async def test_an_owner_is_found_by_address(sql_engine: AsyncEngine) -> None:
    """A key keeps the user who narrows it; one of another account does not count."""
    await account(sql_engine, "acc_1", "Acme")
    await account(sql_engine, "acc_2", "Bolt")
    async with sql_engine.begin() as connection:
        await connection.execute(
            insert(users).values(
                id="usr_1",
                email="ada@example.com",
                name="Ada",
                role="member",
                account_id="acc_1",
                status="active",
                version=1,
                created_us=1,
                updated_us=1,
            )
        )

    done = await transfer_of(sql_engine).take_in(
        ADA,
        [
            line(1, account="acc_1", owner="ada@example.com"),
            line(2, account="acc_2", owner="ada@example.com"),
        ],
    )

    assert outcomes(done) == ["created", "refused"]
    (key,) = (await rows_of(sql_engine, keys))["keys"]
    assert key["owner_id"] == "usr_1"


def test_a_line_does_not_show_its_value() -> None:
    """Lines may stand in a traceback."""
    shown: ImportedKey = line(value="legacy-secret-1")

    assert "legacy-secret" not in repr(shown)

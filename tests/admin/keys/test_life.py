"""Keys are changed, disabled, enabled, revoked and deleted; each is enforced, written down, and told once."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from admin.core.caller import Role
from admin.core.faults import Changed, Conflict, NotAllowed, NotFound
from admin.services.keys import ChangedKey, KeyChange, KeyView, NewKey
from admin.services.users import UserChange
from gateway.core.changes import Change, Receipt
from gateway.core.errors import Misuse
from gateway.core.keys import KeyStatus
from gateway.core.limits import Limit
from gateway.stores.tables import audit_entries, events
from tests.admin.keys.stand import DAY_SECONDS, KeyStand, secret_ids
from tests.admin.world import OPERATOR, caller_of

Deed = Callable[[KeyStand, str], Awaitable[Any]]

DEEDS: dict[str, Deed] = {
    "change": lambda stand, key: stand.keys.change(OPERATOR, key, KeyChange(name="live-dns-b")),
    "disable": lambda stand, key: stand.keys.disable(OPERATOR, key),
    "enable": lambda stand, key: stand.keys.enable(OPERATOR, key),
    "rotate": lambda stand, key: stand.keys.rotate(OPERATOR, key, 60),
    "regenerate": lambda stand, key: stand.keys.regenerate(OPERATOR, key),
}


async def test_a_change_is_enforced(stand: KeyStand) -> None:
    """What is changed is what gateways read from then on, once all of them have heard of it."""
    key = (await stand.made(scopes=["read-write"])).key
    stand.clock.advance(60)
    done = await stand.keys.change(
        OPERATOR,
        key.id,
        KeyChange(
            name="live-dns-other",
            scopes=["dns-only"],
            expires_at=stand.clock.now() + 60,
            not_before=stand.clock.now() - 60,
            addresses=["192.0.2.0/24"],
            origins=["https://a.example"],
            limits=[Limit("own", 1, 1)],
        ),
        expected=key.version,
    )
    (found,) = (await stand.gateways(key)).values()

    assert done.receipt == Receipt(2, 2, 1)
    assert stand.listeners.heard == [(Change(3, key_id=key.id), {secret_ids(key)[0]: 3})]
    assert found == stand.listeners.in_sql[secret_ids(key)[0]]
    assert (found.name, found.scopes, found.addresses) == (
        "live-dns-other",
        ("dns-only",),
        ("192.0.2.0/24",),
    )
    assert (found.expires_at, found.not_before) == (
        stand.clock.now() + 60,
        stand.clock.now() - 60,
    )
    assert (found.origins, found.limits) == (("https://a.example",), (Limit("own", 1, 1),))
    assert done.key == await stand.keys.show(OPERATOR, key.id)
    assert done.key.updated_at == stand.clock.now()
    assert await stand.audited() == ["key.create", "key.update"]


async def test_what_is_left_out_stays(stand: KeyStand) -> None:
    """A change names what is to differ; None takes an expiry and a not-before away."""
    now = stand.clock.now()
    key = (await stand.made(expires_at=now + 60, not_before=now - 60, metadata={"a": "b"})).key
    done = await stand.keys.change(OPERATOR, key.id, KeyChange(expires_at=None, not_before=None))

    changed = dataclasses.replace(key, expires_at=None, not_before=None, version=3)
    assert done.key == changed


async def test_metadata_is_nobodys_business(stand: KeyStand) -> None:
    """Metadata decides about no request: nobody has to be told, so there is no receipt."""
    key = (await stand.made()).key
    done = await stand.keys.change(OPERATOR, key.id, KeyChange(metadata={"team": "dns"}))

    assert done.receipt is None
    assert done.key.metadata == {"team": "dns"}
    assert stand.listeners.heard == []


async def test_the_same_again_is_no_change(stand: KeyStand) -> None:
    """Asked twice, a change has one audit entry and one version, and each time a receipt."""
    key = (await stand.made()).key
    change = KeyChange(name="live-dns-other")
    first = await stand.keys.change(OPERATOR, key.id, change)
    second = await stand.keys.change(OPERATOR, key.id, change)

    assert first == second
    assert await stand.audited() == ["key.create", "key.update"]


async def test_audit_tells_what_differs(stand: KeyStand) -> None:
    """An entry has what was and what became of it, and nothing that stayed."""
    key = (await stand.made()).key
    await stand.keys.change(
        OPERATOR, key.id, KeyChange(name="live-dns-b", limits=[Limit("own", 1, 60)])
    )
    entry = (await stand.rows(audit_entries))[-1]

    assert entry.before == '{"limits":[],"name":"live-dns-sync"}'
    assert entry.after == (
        '{"limits":[{"name":"own","per":"key","quota":1,"window_seconds":60}],"name":"live-dns-b"}'
    )
    assert (entry.target_id, entry.account_id, entry.actor_id) == (
        key.id,
        key.account_id,
        OPERATOR.id,
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(KeyChange(name=""), "name of 1 to 100", id="name"),
        pytest.param(KeyChange(scopes=["dns"]), "no scope 'dns'", id="scope"),
        pytest.param(KeyChange(expires_at=float("nan")), "between the years", id="expiry"),
        pytest.param(KeyChange(not_before=-1.0), "between the years", id="not-before"),
        pytest.param(KeyChange(addresses=["x"]), "not an address", id="address"),
        pytest.param(KeyChange(origins=["x"]), "not an origin", id="origin"),
        pytest.param(KeyChange(owner_id="x"), "begin with 'usr_'", id="owner"),
    ],
)
async def test_what_it_cannot_become(stand: KeyStand, change: KeyChange, words: str) -> None:
    """A mistake is told with what would be right, and the key stays as it is."""
    key = (await stand.made()).key
    with pytest.raises(Misuse, match=words):
        await stand.keys.change(OPERATOR, key.id, change)

    assert await stand.keys.show(OPERATOR, key.id) == key


async def test_disabled_until_enabled(stand: KeyStand) -> None:
    """A disabled key is refused by every gateway, and serves again once it is enabled."""
    key = (await stand.made()).key
    off = await stand.keys.disable(OPERATOR, key.id)
    (found,) = (await stand.gateways(key)).values()
    assert found.status is KeyStatus.DISABLED
    assert off.key.state == "disabled"
    on = await stand.keys.enable(OPERATOR, key.id)
    (found,) = (await stand.gateways(key)).values()

    assert found.status is KeyStatus.ACTIVE
    assert on.key.state == "active"
    assert [off.key.version, on.key.version] == [3, 4]
    assert off.receipt == on.receipt == Receipt(2, 2, 1)
    assert await stand.audited() == ["key.create", "key.disable", "key.enable"]
    assert await stand.told() == ["key.created", "key.disabled", "key.enabled"]


async def test_revoked_before_it_is_announced(stand: KeyStand) -> None:
    """A worker that forgets its copy can only read the revoked key, whose version has grown."""
    key = (await stand.made()).key
    stand.clock.advance(60)
    done = await stand.keys.revoke(OPERATOR, key.id)
    (secret_id,) = secret_ids(key)

    assert stand.listeners.heard == [(Change(3, key_id=key.id), {secret_id: 3})]
    assert stand.listeners.in_sql[secret_id].status is KeyStatus.REVOKED
    assert done.receipt == Receipt(2, 2, 1)
    assert (done.key.status, done.key.state) == (KeyStatus.REVOKED, "revoked")
    assert done.key.revoked_at == stand.clock.now()


async def test_revoking_again_changes_nothing(stand: KeyStand) -> None:
    """Whoever did not get the receipt asks again: same key, same moment, one audit entry, and a receipt again."""
    key = (await stand.made()).key
    first = await stand.keys.revoke(OPERATOR, key.id)
    stand.clock.advance(60)
    second = await stand.keys.revoke(OPERATOR, key.id)

    assert second == first
    assert [change.version for change, _ in stand.listeners.heard] == [3, 3]
    assert await stand.audited() == ["key.create", "key.revoke"]
    assert await stand.told() == ["key.created", "key.revoked"]


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("end", ["revoked", "deleted"])
async def test_the_end_is_the_end(stand: KeyStand, deed: str, end: str) -> None:
    """What was revoked or deleted never comes back, in whatever way it is tried; the words say why not."""
    key = (await stand.made()).key
    last = await (stand.keys.revoke if end == "revoked" else stand.keys.delete)(OPERATOR, key.id)
    with pytest.raises(Conflict, match=f"{key.id} (is revoked for good|was deleted)"):
        await DEEDS[deed](stand, key.id)

    assert await stand.keys.show(OPERATOR, key.id) == last.key
    assert len(await stand.audited()) == 2


async def test_deleted_keys_are_kept(stand: KeyStand) -> None:
    """A deleted key is revoked and in no usual list, but its record is there for whoever has its id."""
    key = (await stand.made()).key
    gone = await stand.keys.delete(OPERATOR, key.id)
    again = await stand.keys.delete(OPERATOR, key.id)
    (found,) = (await stand.gateways(key)).values()

    assert found.status is KeyStatus.REVOKED
    assert gone.receipt == Receipt(2, 2, 1)
    assert gone == again
    assert gone.key.deleted_at == gone.key.revoked_at == stand.clock.now()
    assert await stand.listed() == []
    assert await stand.listed(deleted=True) == [key.id]
    assert await stand.keys.show(OPERATOR, key.id) == gone.key
    assert await stand.audited() == ["key.create", "key.delete"]


async def test_deleting_what_was_revoked(stand: KeyStand) -> None:
    """It stays revoked at its own time."""
    key = (await stand.made()).key
    revoked = await stand.keys.revoke(OPERATOR, key.id)
    stand.clock.advance(60)
    gone = await stand.keys.delete(OPERATOR, key.id)

    assert gone.key.revoked_at == revoked.key.revoked_at
    assert gone.key.deleted_at == stand.clock.now()


@pytest.mark.parametrize("deed", [*DEEDS, "revoke", "delete"])
async def test_what_somebody_else_has_changed(stand: KeyStand, deed: str) -> None:
    """Of two who looked at the same key, the second to act is told, and nothing is done."""
    key = (await stand.made()).key
    later = await stand.keys.change(OPERATOR, key.id, KeyChange(metadata={"a": "b"}))
    acts: dict[str, Callable[[int], Awaitable[ChangedKey | Any]]] = {
        "change": lambda n: stand.keys.change(OPERATOR, key.id, KeyChange(name="live-dns-b"), n),
        "disable": lambda n: stand.keys.disable(OPERATOR, key.id, n),
        "enable": lambda n: stand.keys.enable(OPERATOR, key.id, n),
        "rotate": lambda n: stand.keys.rotate(OPERATOR, key.id, 60, n),
        "regenerate": lambda n: stand.keys.regenerate(OPERATOR, key.id, n),
        "revoke": lambda n: stand.keys.revoke(OPERATOR, key.id, n),
        "delete": lambda n: stand.keys.delete(OPERATOR, key.id, n),
    }
    with pytest.raises(Changed, match="changed meanwhile"):
        await acts[deed](key.version)
    assert await stand.keys.show(OPERATOR, key.id) == later.key

    await acts[deed](later.key.version)


async def test_a_repeated_request_is_done_once(stand: KeyStand) -> None:
    """With the same Idempotency-Key a key is disabled once, though it was enabled in between; there is a receipt."""
    key = (await stand.made()).key
    caller = caller_of(Role.ADMIN, key="again")
    await stand.keys.disable(caller, key.id, key.version)
    enabled = await stand.keys.enable(OPERATOR, key.id)
    repeated = await stand.keys.disable(caller, key.id, key.version)

    assert repeated.key == enabled.key
    assert repeated.receipt == Receipt(2, 2, 1)
    assert await stand.audited() == ["key.create", "key.disable", "key.enable"]


async def test_an_owner_narrows(stand: KeyStand) -> None:
    """A key given to a member holds what the member may, loses more with them, and has it back without them."""
    account = await stand.account("vps")
    ada = await stand.user(account.id)
    key = (await stand.made(account.id, scopes=["read-only", "dns-only"])).key
    given = (await stand.keys.change(OPERATOR, key.id, KeyChange(owner_id=ada.id))).key
    await stand.users.change(OPERATOR, ada.id, UserChange(scopes=["dns-only"]))
    narrowed = await stand.keys.show(OPERATOR, key.id)
    await stand.users.change(OPERATOR, ada.id, UserChange(status="disabled"))
    disabled = await stand.keys.show(OPERATOR, key.id)
    freed = (await stand.keys.change(OPERATOR, key.id, KeyChange(owner_id=None))).key

    assert given.effective_scopes == ("read-only", "dns-only")
    assert narrowed.effective_scopes == ("dns-only",)
    assert any("read-only without effect" in words for words in narrowed.warnings)
    assert (disabled.status, disabled.state) == (KeyStatus.ACTIVE, "disabled")
    assert any("owner is disabled" in words for words in disabled.warnings)
    assert freed.effective_scopes == ("read-only", "dns-only")
    assert freed.state == "active"
    versions = [each.version for each in (key, given, narrowed, disabled, freed)]
    assert versions == sorted(set(versions))


async def test_versions_grow_from_owner_to_owner(stand: KeyStand) -> None:
    """The version grows even if the new owner's own is lower: an older copy is never taken for a newer."""
    account = await stand.account()
    old, new = await stand.user(account.id), await stand.user(account.id)
    for number in range(5):
        await stand.users.change(OPERATOR, old.id, UserChange(name=f"Ada {number}"))
    key = (await stand.made(account.id, owner_id=old.id)).key
    versions = [key.version]
    for owner_id in (new.id, old.id, None, new.id):
        done = await stand.keys.change(OPERATOR, key.id, KeyChange(owner_id=owner_id))
        versions.append(done.key.version)
        (found,) = (await stand.gateways(key)).values()
        assert found.version == done.key.version

    assert versions == sorted(set(versions))


async def test_a_member_changes_their_key(stand: KeyStand) -> None:
    """Within what they are offered, and neither its limits nor its owner."""
    account = await stand.account("vps")
    ada, bob = await stand.user(account.id), await stand.user(account.id)
    caller = stand.caller(ada)
    key = (await stand.keys.create(caller, NewKey(account.id, "live-dns-sync"))).key
    done = await stand.keys.change(
        caller, key.id, KeyChange(scopes=["dns-only"], name="live-dns-b")
    )
    assert done.key.effective_scopes == ("dns-only",)

    for change, words in (
        (KeyChange(scopes=["dns-only", "read-write"]), "scope read-write"),
        (KeyChange(limits=[Limit("own", 10**9, 1)]), "only admins set them"),
        (KeyChange(owner_id=bob.id), "Only admins give"),
        (KeyChange(owner_id=None), "Only admins give"),
    ):
        with pytest.raises(NotAllowed, match=words):
            await stand.keys.change(caller, key.id, change)
    assert await stand.keys.show(caller, key.id) == done.key


async def strong(stand: KeyStand) -> tuple[KeyStand, KeyView, Any]:
    """A key that may do more than a member of its account."""
    account = await stand.account("vps")
    key = (await stand.made(account.id, scopes=["read-write"])).key
    return stand, key, stand.caller(await stand.user(account.id))


async def test_nobody_gets_more_by_rotating(stand: KeyStand) -> None:
    """A member can neither take a stronger key's new secret nor loosen it; to stop it they are free."""
    stand, key, member = await strong(stand)
    await stand.keys.disable(member, key.id)
    for asked in (
        stand.keys.rotate(member, key.id, 60),
        stand.keys.regenerate(member, key.id),
        stand.keys.enable(member, key.id),
        stand.keys.change(member, key.id, KeyChange(expires_at=None)),
        stand.keys.change(member, key.id, KeyChange(scopes=["read-only"])),
    ):
        with pytest.raises(NotAllowed, match="more than you may"):
            await asked
    assert (await stand.keys.show(OPERATOR, key.id)).state == "disabled"

    assert (await stand.keys.revoke(member, key.id)).key.state == "revoked"


@pytest.mark.parametrize(
    ("age_days", "is_due"), [pytest.param(90, False, id="90"), pytest.param(90.1, True, id="older")]
)
async def test_rotation_is_due(stand: KeyStand, age_days: float, is_due: bool) -> None:
    """A key whose newest secret is older than ninety days says so; a new secret settles it, and so does its end."""
    key = (await stand.made()).key
    stand.clock.advance(age_days * DAY_SECONDS)
    assert (await stand.keys.show(OPERATOR, key.id)).rotation_due is is_due
    assert not (await stand.keys.rotate(OPERATOR, key.id, 60)).key.rotation_due

    stand.clock.advance(age_days * DAY_SECONDS)
    assert not (await stand.keys.revoke(OPERATOR, key.id)).key.rotation_due


async def test_an_account_that_is_off_is_told(stand: KeyStand) -> None:
    """A key whose account is switched off says so, though nothing is wrong with the key."""
    key = (await stand.made()).key
    await stand.accounts.disable_access(OPERATOR, key.account_id)
    shown = await stand.keys.show(OPERATOR, key.id)

    assert shown.state == "active"
    assert any("API access is switched off" in words for words in shown.warnings)


async def test_events_name_key_and_account(stand: KeyStand) -> None:
    """Whoever delivers a notification finds what happened to which key of whom, and who did it."""
    key = (await stand.made()).key
    event = (await stand.rows(events))[-1]

    assert (event.key_id, event.account_id, event.at_us) == (
        key.id,
        key.account_id,
        round(stand.clock.now() * 1e6),
    )
    assert event.data == '{"by":"tests","name":"live-dns-sync"}'


async def test_names_are_advised_on(stand: KeyStand) -> None:
    """A name that says nothing is taken, with a better one proposed for as long as it stays."""
    made = await stand.made(name="test", environment="test")
    assert any("'test-billing-invoices'" in words for words in made.key.warnings)
    better = await stand.keys.change(OPERATOR, made.key.id, KeyChange(name="test-dns-sync"))

    assert better.key.warnings == ()


async def test_a_secret_of_another_key(stand: KeyStand) -> None:
    """Only a key's own secrets end with it."""
    first, second = (await stand.made()).key, (await stand.made()).key
    with pytest.raises(NotFound, match="no secret with this id"):
        await stand.keys.end_secret(OPERATOR, first.id, secret_ids(second)[0])

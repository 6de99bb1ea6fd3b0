"""Who is who, and where they are signed in: the console's services, on both databases."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pyotp
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Caller, Role
from admin.core.faults import Conflict, NotAllowed, NotFound
from admin.services.entry_links import EntryLinks, Newcomer
from admin.services.identities import Identity, IdentityService
from admin.services.passwords import PasswordService
from admin.services.sealing import Sealer
from admin.services.second_factors import SecondFactorService
from admin.services.sign_ins import SignInService, SignInTerms, user_caller
from admin.services.users import NewUser, UserChange
from admin.stores.proofs import Proofs, ProofStore
from admin.stores.sign_ins import SignInStore
from admin.stores.users import UserStore, UserView
from gateway.stores.tables import audit_entries
from tests.admin.world import OPERATOR, PEPPERS, World

PASSWORD = "correct horse battery staple"


class Hashes:
    """A hash that costs nothing: these tests are about what is done with it. Counts how often it was asked."""

    def __init__(self) -> None:
        self.checked: list[str] = []

    async def of(self, texts: Sequence[str]) -> list[str]:
        """A text for each text."""
        return [f"hash of {text}" for text in texts]

    async def verify(self, password_hash: str, password: bytes) -> bool:
        """Whether they belong together."""
        self.checked.append(password_hash)
        return password_hash == f"hash of {password.decode()}"


@dataclass
class People:
    """The services, and an admin without a password."""

    world: World
    hashes: Hashes
    sign_ins: SignInService
    passwords: PasswordService
    factors: SecondFactorService
    links: EntryLinks
    identities: IdentityService
    admin: UserView

    @property
    def caller(self) -> Caller:
        """The admin, as somebody who asks."""
        return user_caller(self.admin, "192.0.2.7", "req_1")

    async def proofs(self) -> Proofs:
        """What there is of the admin."""
        found = await self.passwords.proofs_of(self.admin.id)
        assert found is not None
        return found


@pytest.fixture
async def people(sql_engine: AsyncEngine) -> People:
    """All of it, on one database."""
    world, hashes = World(sql_engine), Hashes()
    proofs, sign_ins = ProofStore(sql_engine), SignInStore(sql_engine)
    passwords = PasswordService(proofs, sign_ins, world.clock, hashes.of, hashes.verify)
    links = EntryLinks(proofs, UserStore(sql_engine), sign_ins, passwords, world.clock)
    admin = await world.users.create(OPERATOR, NewUser("ada@example.com", "Ada", Role.ADMIN))
    return People(
        world,
        hashes,
        SignInService(sign_ins, world.clock, SignInTerms()),
        passwords,
        SecondFactorService(proofs, sign_ins, Sealer(lambda: PEPPERS), world.clock),
        links,
        IdentityService(proofs, world.clock),
        admin,
    )


async def test_sign_in_from_its_beginning_to_its_end(people: People) -> None:
    """A cookie is recognised, renewed, listed and ended; of each only a digest is kept."""
    sign_ins, caller = people.sign_ins, people.caller
    begun = await sign_ins.begin(caller, people.admin, "password", "A browser\n\x00" + "x" * 999)
    found = await sign_ins.recognise(begun.token)
    assert found is not None
    assert found.user == people.admin
    assert found.sign_in.agent.startswith("A browserxxx")
    people.world.clock.advance(120)
    assert await sign_ins.recognise(begun.token) is not None
    [listed] = await sign_ins.list(caller)
    assert listed.seen_at == people.world.clock.now()

    fresh = await sign_ins.renew(begun.token, people.admin, is_proved=True)
    assert fresh is not None
    assert await sign_ins.recognise(begun.token) is None
    assert await sign_ins.renew(begun.token, people.admin) is None
    renewed = await sign_ins.recognise(fresh)
    assert renewed is not None
    assert renewed.sign_in.proved_at == people.world.clock.now()
    with pytest.raises(NotFound):
        await sign_ins.end(caller, "sin_another")
    await sign_ins.end(caller, begun.sign_in.id)
    assert await sign_ins.recognise(fresh) is None
    assert begun.token not in repr(begun)


async def test_end_of_a_user_ends_their_sign_ins(people: People) -> None:
    """Who is disabled is not recognised, and what they had does not come back with them."""
    other = await people.world.users.create(OPERATOR, NewUser("bo@example.com", "Bo", Role.ADMIN))
    begun = await people.sign_ins.begin(people.caller, other, "password", "")
    await people.world.users.change(OPERATOR, other.id, UserChange(status="disabled"))
    assert await people.sign_ins.recognise(begun.token) is None
    await people.sign_ins.forget()
    await people.world.users.change(OPERATOR, other.id, UserChange(status="active"))

    assert await people.sign_ins.recognise(begun.token) is None


async def test_every_wrong_attempt_costs_the_same(people: People) -> None:
    """A password is checked against a hash of the same kind for who exists, has none, or does not exist (V10)."""
    passwords = people.passwords
    begun = await people.sign_ins.begin(people.caller, people.admin, "password", "")
    assert not await passwords.is_right(await passwords.proofs("nobody@example.com"), PASSWORD)
    assert not await passwords.is_right(await passwords.proofs("ada@example.com"), PASSWORD)
    await passwords.change(people.caller, PASSWORD, begun.sign_in.id)
    assert not await passwords.is_right(await passwords.proofs(" ADA@example.com"), "wrong")
    assert await passwords.is_right(await passwords.proofs("ada@example.com"), PASSWORD)

    assert len(people.hashes.checked) == 4
    assert len({each for each in people.hashes.checked if each}) == 2
    # Nor does the password of nobody open anything.
    nobody = people.hashes.checked[0].removeprefix("hash of ")
    assert not await passwords.is_right(None, nobody)


async def test_second_factor_from_its_beginning_to_its_end(people: People) -> None:
    """It counts once a code of it was shown; codes are good once and in order; recovery codes are taken away."""
    factors, caller = people.factors, people.caller
    await factors.begin(caller)
    await factors.begin(caller)
    secret = await factors.pending(caller)
    assert secret is not None
    totp = pyotp.TOTP(secret)

    def code(beside: int = 0) -> str:
        return totp.at(int(people.world.clock.now()), counter_offset=beside)

    codes = await factors.confirm(caller, code(), "")
    with pytest.raises(Conflict):
        await factors.begin(caller)
    at = ("192.0.2.7", "req_1")
    assert not await factors.is_right(await people.proofs(), code(), *at)
    assert await factors.is_right(await people.proofs(), code(1), *at)
    assert not await factors.is_right(await people.proofs(), code(1), *at)
    assert not await factors.is_right(await people.proofs(), code(), *at)
    # Two who show the same code at the same moment: only one of them gets in.
    people.world.clock.advance(90)
    same = await people.proofs()
    assert await factors.is_right(same, code(), *at)
    assert not await factors.is_right(same, code(), *at)
    assert await factors.is_right(await people.proofs(), codes[3], *at)
    assert not await factors.is_right(await people.proofs(), codes[3], *at)
    assert await factors.codes_left(caller) == 9
    await factors.remove(caller, people.admin.id)
    assert (await people.proofs()).second_factor is None


async def test_links_from_nothing_to_a_password(people: People) -> None:
    """The set-up link makes an admin once; an invitation's link gives its user a password once."""
    links = people.links
    token = await links.to_set_up()
    assert token is not None
    first = await links.set_up(token, Newcomer("eve@example.com", "Eve", PASSWORD))
    assert first.role is Role.ADMIN
    assert await links.to_set_up() is None
    with pytest.raises(NotFound):
        await links.set_up(token, Newcomer("mal@example.com", "Mal", PASSWORD))

    invitation = await links.invite(people.caller, people.admin.id)
    assert await links.choose_password(invitation.token, PASSWORD) == people.admin
    with pytest.raises(NotFound):
        await links.choose_password(invitation.token, PASSWORD)
    actions = [row.action for row in await people.world.rows(audit_entries)]
    assert actions[-4:] == ["user.create", "user.password", "user.invite", "user.password"]


async def test_identity_is_kept(people: People) -> None:
    """The first time by the address, afterwards by the id; an address twice is refused."""
    identities, at = people.identities, ("192.0.2.7", "req_1")
    known = Identity("https://login.example", "s-1", "ADA@example.com")
    assert await identities.user_of(known, *at) == people.admin
    assert await identities.user_of(replace(known, verified_email=None), *at) == people.admin
    with pytest.raises(NotAllowed):
        await identities.user_of(replace(known, subject="s-2"), *at)
    # Who signs in so is an admin who can sign in.
    assert await people.links.to_set_up() is None

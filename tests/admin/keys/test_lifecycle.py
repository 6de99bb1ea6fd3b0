"""The life of keys as a state machine: no sequence of operations lets a key do more than a simple model says.

The model is a few dictionaries and a clock. What it is compared with is the services on a real database, read
back as a gateway reads it: `SqlKeyReader`, `state_refusal` and `Terms`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, update

from admin.core.faults import Conflict, NotAllowed
from admin.migrations.metadata import METADATA
from admin.services.accounts import AccountChange
from admin.services.keys import KeyChange, KeyView
from admin.services.users import UserChange
from gateway.core.key_state import state_refusal
from gateway.core.keys import Key
from gateway.core.routes import RouteTable
from gateway.core.scopes import ScopeRule, ScopeTable
from gateway.pipeline.terms import Terms
from gateway.stores.sql_engine import open_engine, write_transaction
from gateway.stores.tables import audit_head
from tests.admin.keys.stand import DAY_SECONDS, KeyStand
from tests.admin.world import OPERATOR, PLANS, SCOPES

Result = TypeVar("Result")

RETIRE_SECONDS = 7 * DAY_SECONDS
OFFERED = {PLANS[0]: set(SCOPES), PLANS[1]: {"read-only", "dns-only"}}
TERMS = Terms(
    routes=RouteTable(()),
    scopes=ScopeTable({name: [ScopeRule()] for name in SCOPES}),
    plans=dict.fromkeys(PLANS, ()),
    default_plan=PLANS[0],
    member_scopes={PLANS[0]: None, PLANS[1]: ("read-only", "dns-only")},
)

some_scopes = st.sets(st.sampled_from(SCOPES), min_size=1)
# What hides everything else is done now and then.
mostly_on = st.sampled_from([True, True, True, False])
some_seconds = st.sampled_from([1.0, 30.0, 60.0, 3600.0, DAY_SECONDS, 8 * DAY_SECONDS])


@dataclass
class ModelSecret:
    """`is_watched`: it goes on until nobody has used it for a while, since it was touched."""

    ends_at: float = float("inf")
    is_present: bool = True
    is_watched: bool = False
    touched_at: float = 0.0


@dataclass
class ModelUser:
    scopes: set[str] | None = None
    is_active: bool = True


@dataclass
class ModelKey:
    scopes: set[str]
    owner: str | None
    begins_at: float = 0.0
    ends_at: float = float("inf")
    is_on: bool = True
    is_over: bool = False
    secrets: dict[str, ModelSecret] = field(default_factory=dict)


class Lives(RuleBasedStateMachine):
    """Two members, one account that is switched and moved between plans, and keys that come and go."""

    keys: Bundle[str] = Bundle("keys")
    url = ""

    @initialize(target=keys)
    def begin(self) -> MultipleResults[str]:
        """One account, on the plan that offers everything, with a key of nobody's and one of a member's."""
        self.runner = asyncio.Runner()
        self.stand = self.run(self._stand())
        self.plan = PLANS[0]
        self.is_let_through = True
        self.model: dict[str, ModelKey] = {}
        self.versions: dict[str, int] = {}
        self.account = self.run(self.stand.account(self.plan)).id
        made = [self.run(self.stand.user(self.account)).id for _ in range(2)]
        self.users = {user_id: ModelUser() for user_id in made}
        return multiple(*(self._made(set(SCOPES), owner, None, None) for owner in (None, made[0])))

    async def _stand(self) -> KeyStand:
        engine = open_engine(self.url)
        async with write_transaction(engine, "begin again") as connection:
            for table in reversed(METADATA.sorted_tables):
                if table is not audit_head:
                    await connection.execute(delete(table))
            await connection.execute(
                update(audit_head).values(sequence=0, hash="", event_sequence=0)
            )
        return KeyStand(engine)

    def run(self, work: Awaitable[Result]) -> Result:
        """What it comes to."""

        async def wait() -> Result:
            return await work

        return self.runner.run(wait())

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self.stand.clock.now()

    def may_hold(self, user_id: str) -> set[str]:
        """What a member may give to a key."""
        own = self.users[user_id].scopes
        return OFFERED[self.plan] if own is None else OFFERED[self.plan] & own

    @contextlib.contextmanager
    def expecting(self, *faults: type[Exception] | None) -> Iterator[None]:
        """The block raises the first fault that is one; without any it does not."""
        expected = next((fault for fault in faults if fault is not None), None)
        if expected is None:
            yield
            return
        with pytest.raises(expected):
            yield

    @rule(
        target=keys,
        scopes=some_scopes,
        owner=st.integers(-1, 1),
        life=st.none() | some_seconds,
        wait=st.none() | some_seconds,
    )
    def create(self, scopes: set[str], owner: int, life: float | None, wait: float | None) -> str:
        """A key of nobody's, or of one of the members, by an admin."""
        user_id = None if owner < 0 else list(self.users)[owner]
        if user_id is not None and (
            not self.users[user_id].is_active or not scopes <= self.may_hold(user_id)
        ):
            user_id = None
        return self._made(scopes, user_id, life, wait)

    def _made(
        self, scopes: set[str], user_id: str | None, life: float | None, wait: float | None
    ) -> str:
        made = self.run(
            self.stand.made(
                self.account,
                scopes=sorted(scopes),
                owner_id=user_id,
                expires_in_seconds=life,
                not_before=None if wait is None else self.now + wait,
            )
        ).key
        self.model[made.id] = ModelKey(
            scopes,
            user_id,
            begins_at=0.0 if wait is None else self.now + wait,
            ends_at=float("inf") if life is None else self.now + life,
            secrets={made.secrets[0].id: ModelSecret()},
        )
        return made.id

    @rule(key=keys, overlap=st.none() | st.sampled_from([0.0, 60.0, 30 * DAY_SECONDS]))
    def rotate(self, key: str, overlap: float | None) -> None:
        """A new secret, and an end for the old one."""
        model = self.model[key]
        is_full = overlap != 0 and self._living(model) >= 5
        ended = Conflict if model.is_over or is_full else None
        with self.expecting(ended):
            made = self.run(self.stand.keys.rotate(OPERATOR, key, overlap)).key
        if ended is None:
            self._replaced(model, made, overlap)

    @rule(key=keys)
    def regenerate(self, key: str) -> None:
        """A new secret, and the end of all older ones."""
        model = self.model[key]
        with self.expecting(Conflict if model.is_over else None):
            made = self.run(self.stand.keys.regenerate(OPERATOR, key)).key
        if not model.is_over:
            self._replaced(model, made, 0.0)

    def _replaced(self, model: ModelKey, made: KeyView, overlap: float | None) -> None:
        for secret in model.secrets.values():
            if overlap == 0:
                secret.ends_at = min(secret.ends_at, self.now)
            elif secret.is_present and overlap is None:
                secret.is_watched, secret.touched_at = True, self.now
            elif secret.is_present and overlap is not None:
                secret.ends_at = min(secret.ends_at, self.now + overlap)
            secret.is_present = False
        (new,) = {secret.id for secret in made.secrets} - model.secrets.keys()
        model.secrets[new] = ModelSecret()

    @rule(key=keys, number=st.integers(0, 5))
    def end_secret(self, key: str, number: int) -> None:
        """One of its secrets, the present one included, which is refused."""
        model = self.model[key]
        secret_id = list(model.secrets)[number % len(model.secrets)]
        secret = model.secrets[secret_id]
        is_refused = secret.ends_at > self.now and (model.is_over or secret.is_present)
        with self.expecting(Conflict if is_refused else None):
            self.run(self.stand.keys.end_secret(OPERATOR, key, secret_id))
        if not is_refused:
            secret.ends_at = min(secret.ends_at, self.now)

    @rule(key=keys, is_on=mostly_on)
    def switch(self, key: str, is_on: bool) -> None:
        """On or off."""
        act = self.stand.keys.enable if is_on else self.stand.keys.disable
        with self.expecting(Conflict if self.model[key].is_over else None):
            self.run(act(OPERATOR, key))
        self.model[key].is_on = is_on

    @rule(key=keys, how=st.integers(0, 5))
    def end(self, key: str, how: int) -> None:
        """For good; mostly not yet."""
        if how > 1:
            return
        act = self.stand.keys.delete if how else self.stand.keys.revoke
        self.run(act(OPERATOR, key))
        self.model[key].is_over = True

    @rule(key=keys, scopes=some_scopes)
    def give_scopes(self, key: str, scopes: set[str]) -> None:
        """Others than before; an owner may not be given more than they may hold."""
        model = self.model[key]
        added = scopes - model.scopes
        over = model.owner is not None and not added <= self.may_hold(model.owner)
        faults = (Conflict if model.is_over else None, NotAllowed if over else None)
        with self.expecting(*faults):
            change = KeyChange(scopes=sorted(scopes))
            self.run(self.stand.keys.change(OPERATOR, key, change))
        if not any(faults):
            model.scopes = scopes

    @rule(key=keys, begins=st.none() | some_seconds, ends=st.none() | some_seconds)
    def give_times(self, key: str, begins: float | None, ends: float | None) -> None:
        """Another first and last moment."""
        model = self.model[key]
        change = KeyChange(
            not_before=None if begins is None else self.now + begins,
            expires_at=None if ends is None else self.now + ends,
        )
        with self.expecting(Conflict if model.is_over else None):
            self.run(self.stand.keys.change(OPERATOR, key, change))
        if not model.is_over:
            model.begins_at = 0.0 if begins is None else self.now + begins
            model.ends_at = float("inf") if ends is None else self.now + ends

    @rule(key=keys, owner=st.integers(-1, 1))
    def give_away(self, key: str, owner: int) -> None:
        """To a member who may hold it, or to nobody."""
        model = self.model[key]
        user_id = None if owner < 0 else list(self.users)[owner]
        faults: list[type[Exception] | None] = []
        if user_id is not None and user_id != model.owner:
            faults.append(None if self.users[user_id].is_active else Conflict)
            faults.append(Conflict if model.is_over else None)
            faults.append(None if model.scopes <= self.may_hold(user_id) else NotAllowed)
        faults.append(Conflict if model.is_over else None)
        with self.expecting(*faults):
            self.run(self.stand.keys.change(OPERATOR, key, KeyChange(owner_id=user_id)))
        if not any(faults):
            model.owner = user_id

    @rule(user=st.integers(0, 1), scopes=st.none() | some_scopes)
    def narrow(self, user: int, scopes: set[str] | None) -> None:
        """A member may do other things from now on."""
        user_id = list(self.users)[user]
        change = UserChange(scopes=None if scopes is None else sorted(scopes))
        self.run(self.stand.users.change(OPERATOR, user_id, change))
        self.users[user_id].scopes = scopes

    @rule(user=st.integers(0, 1), is_active=mostly_on)
    def switch_user(self, user: int, is_active: bool) -> None:
        """A member comes or goes."""
        user_id = list(self.users)[user]
        change = UserChange(status="active" if is_active else "disabled")
        self.run(self.stand.users.change(OPERATOR, user_id, change))
        self.users[user_id].is_active = is_active

    @rule(plan=st.sampled_from(PLANS))
    def move(self, plan: str) -> None:
        """Another plan, which offers its members something else."""
        self.run(self.stand.accounts.change(OPERATOR, self.account, AccountChange(plan=plan)))
        self.plan = plan

    @rule(is_let_through=mostly_on)
    def switch_account(self, is_let_through: bool) -> None:
        """API access on or off."""
        act = (
            self.stand.accounts.approve_access
            if is_let_through
            else self.stand.accounts.disable_access
        )
        self.run(act(OPERATOR, self.account))
        self.is_let_through = is_let_through

    @rule(seconds=some_seconds)
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.stand.clock.advance(seconds)

    @precondition(lambda self: self.model)
    @rule(key=keys, number=st.integers(0, 5))
    def use(self, key: str, number: int) -> None:
        """Somebody sends a request, with whatever success."""
        model = self.model[key]
        secret_id = list(model.secrets)[number % len(model.secrets)]
        view = self.run(self.stand.keys.show(OPERATOR, key))
        self.run(self.stand.used(view, secret_id))
        model.secrets[secret_id].touched_at = self.now

    @rule()
    def keep_house(self) -> None:
        """A minute is over."""
        self.run(self.stand.housekeeping.once())
        for model in self.model.values():
            for secret in model.secrets.values():
                is_unused = secret.touched_at < self.now - RETIRE_SECONDS
                if not model.is_over and secret.is_watched and is_unused:
                    secret.ends_at = min(secret.ends_at, self.now)

    def _living(self, model: ModelKey) -> int:
        return sum(secret.ends_at > self.now for secret in model.secrets.values())

    def allowed(self, model: ModelKey, secret: ModelSecret) -> set[str] | None:
        """What may be done with the secret just now; None: nothing, it is refused."""
        is_usable = (
            self.is_let_through
            and model.is_on
            and not model.is_over
            and model.begins_at <= self.now < model.ends_at
            and self.now < secret.ends_at
        )
        if model.owner is None:
            return model.scopes if is_usable else None
        if not is_usable or not self.users[model.owner].is_active:
            return None
        return model.scopes & self.may_hold(model.owner)

    @invariant()
    def gateways_do_as_the_model_says(self) -> None:
        """Each secret of each key may do what the model allows: not more, and not less."""
        expected = {
            secret_id: self.allowed(model, secret)
            for model in getattr(self, "model", {}).values()
            for secret_id, secret in model.secrets.items()
        }
        if not expected:
            return
        found = self.run(self._found(list(expected)))
        for secret_id, key in found.items():
            is_refused = state_refusal(key, self.now, None) is not None
            scopes = None if is_refused else set(TERMS.known(key, 0.0).scopes)
            assert scopes == expected[secret_id], secret_id
            assert key.version >= self.versions.get(secret_id, 0)
            self.versions[secret_id] = key.version

    async def _found(self, secret_ids: list[str]) -> dict[str, Key]:
        keys = await asyncio.gather(*map(self.stand.found, secret_ids))
        return dict(zip(secret_ids, keys, strict=True))

    @precondition(lambda self: self.model)
    @rule(key=keys)
    def look(self, key: str) -> None:
        """What the control plane shows of a key is what gateways make of it."""
        model = self.model[key]
        shown = self.run(self.stand.keys.show(OPERATOR, key))
        is_served = self.is_let_through and shown.state == "active"
        for secret in model.secrets.values():
            allowed = self.allowed(model, secret)
            if secret.ends_at > self.now:
                assert (allowed is not None) is is_served
            assert allowed is None or allowed == set(shown.effective_scopes)

    def teardown(self) -> None:
        """The audit log is whole."""
        if hasattr(self, "runner"):
            try:
                self.run(self.stand.audited())
            finally:
                self.run(self.stand.engine.dispose())
                self.runner.close()


def test_no_key_does_more_than_it_may(sql_url: str) -> None:
    """Whatever is done to keys, members and accounts, in whatever order, each key does what it may and no more."""
    machine = type("LivesHere", (Lives,), {"url": sql_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            # A failing sequence is told as it was found: making it shorter would take longer than all else.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )

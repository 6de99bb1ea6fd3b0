"""A second factor: codes of an authenticator app (TOTP, RFC 6238), and recovery codes for when that is lost."""

__all__ = ["CODES_COUNT", "SecondFactorService"]

import hashlib
import hmac
import re
import secrets

import pyotp

from admin.core.caller import Caller, Permission
from admin.core.faults import Conflict, NotFound
from admin.services.sealing import Sealer
from admin.services.sign_ins import user_caller
from admin.stores.proofs import Proofs, ProofStore
from admin.stores.sign_ins import SignInStore
from admin.stores.transaction import Target
from admin.stores.users import UserView
from gateway.core.errors import Misuse
from gateway.ports import Clock

CODES_COUNT = 10
_STEP_SECONDS = 30
# One step on either side, for clocks that differ (RFC 6238 §5.2).
_STEPS_BESIDE = (0, -1, 1)
# 80 bits: nothing that has to be hashed slowly.
_CODE_LENGTH = 16
_CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_DIGITS = re.compile(r"[0-9]{6}")
_SEPARATORS = str.maketrans("", "", " -\t")


class SecondFactorService:
    """Each method raises StoreError when SQL cannot answer."""

    def __init__(
        self, store: ProofStore, sign_ins: SignInStore, sealer: Sealer, clock: Clock
    ) -> None:
        """`sealer` encrypts what the authenticator app knows, too."""
        self._store = store
        self._sign_ins = sign_ins
        self._sealer = sealer
        self._clock = clock

    async def begin(self, caller: Caller) -> None:
        """Make a secret for the caller's app; it counts once a code of it was shown. Raises Conflict if one does."""
        proofs = await self._own(caller)
        if proofs.second_factor is not None and proofs.second_factor.is_confirmed:
            raise Conflict("You have a second factor already. Remove it before you add another.")
        sealed = self._sealer.seal(_context(proofs.user.id), pyotp.random_base32())
        now = self._clock.now()
        async with self._store.transaction("begin a second factor", caller, now) as tx:
            await self._store.put_second_factor(tx, proofs.user.id, sealed)

    async def pending(self, caller: Caller) -> str | None:
        """The secret that still waits for its first code, in base32; None if there is none."""
        proofs = await self._own(caller)
        if proofs.second_factor is None or proofs.second_factor.is_confirmed:
            return None
        return self._sealer.open(_context(proofs.user.id), proofs.second_factor.sealed)

    async def confirm(self, caller: Caller, code: str, kept_sign_in: str) -> list[str]:
        """From now on a code is asked for; the recovery codes are shown this once. Other sign-ins end.

        Raises Misuse for a wrong code, Conflict when nothing waits for one.
        """
        secret = await self.pending(caller)
        user_id = caller.user_id
        if secret is None or user_id is None:
            raise Conflict("No second factor waits for its first code. Begin again.")
        step = self._step(secret, code.translate(_SEPARATORS), after=0)
        if step is None:
            raise Misuse("That is not the code that the app shows now.")
        codes = _new_codes()
        digests = [_digest(user_id, each) for each in codes]
        now = self._clock.now()
        async with self._store.transaction("add a second factor", caller, now) as tx:
            await self._store.confirm_second_factor(tx, user_id, step, digests)
            await self._sign_ins.end_others(tx, user_id, kept_sign_in)
            tx.audit("user.second_factor.add", _target(caller))
        return [_shown(each) for each in codes]

    async def renew_codes(self, caller: Caller) -> list[str]:
        """Other recovery codes; those before are worth nothing any more. Raises Conflict without a second factor."""
        proofs = await self._own(caller)
        if proofs.second_factor is None or not proofs.second_factor.is_confirmed:
            raise Conflict("Recovery codes go with a second factor, and you have none.")
        codes = _new_codes()
        digests = [_digest(proofs.user.id, each) for each in codes]
        now = self._clock.now()
        async with self._store.transaction("renew recovery codes", caller, now) as tx:
            await self._store.put_recovery_codes(tx, proofs.user.id, digests)
            tx.audit("user.second_factor.codes", _target(caller))
        return [_shown(each) for each in codes]

    async def codes_left(self, caller: Caller) -> int:
        """How many recovery codes the caller still has."""
        return await self._store.recovery_codes_left(caller.user_id or "")

    async def remove(self, caller: Caller, user_id: str) -> UserView:
        """Take a second factor away: one's own, or with users:write that of somebody who has lost theirs."""
        proofs = await self._store.find(user_id=user_id)
        if user_id != caller.user_id:
            caller.require(Permission.USERS_WRITE)
            words = f"There is no user {user_id}."
            if proofs is None:
                raise NotFound(words)
            caller.require_account(proofs.user.account_id, words)
        if proofs is None or proofs.second_factor is None:
            raise Conflict("There is no second factor to remove.")
        now = self._clock.now()
        async with self._store.transaction("remove a second factor", caller, now) as tx:
            await self._store.remove_second_factor(tx, user_id)
            target = Target("user", user_id, proofs.user.account_id)
            tx.audit("user.second_factor.remove", target)
        return proofs.user

    async def is_right(self, proofs: Proofs, code: str, address: str, request_id: str) -> bool:
        """Whether this is the code of the moment, or a recovery code; either is good once."""
        if proofs.second_factor is None:
            return False
        plain = code.translate(_SEPARATORS).upper()
        user = proofs.user
        if _DIGITS.fullmatch(plain) is None:
            return await self._is_recovery_code(user, plain, address, request_id)
        secret = self._sealer.open(_context(user.id), proofs.second_factor.sealed)
        if secret is None:
            return False
        step = self._step(secret, plain, after=proofs.second_factor.used_step)
        return step is not None and await self._store.spend_step(user.id, step)

    async def _is_recovery_code(
        self, user: UserView, plain: str, address: str, request_id: str
    ) -> bool:
        caller = user_caller(user, address, request_id)
        now = self._clock.now()
        async with self._store.transaction("use a recovery code", caller, now) as tx:
            if not await self._store.spend_recovery_code(tx, user.id, _digest(user.id, plain)):
                return False
            tx.audit("user.second_factor.recovery", _target(caller))
        return True

    def _step(self, secret: str, code: str, *, after: int) -> int | None:
        """The step whose code this is, of those around now and later than `after`; None if it is of none."""
        totp = pyotp.TOTP(secret, interval=_STEP_SECONDS)
        present = int(self._clock.now()) // _STEP_SECONDS
        sent = code.encode("utf-8", "replace")
        fitting = [
            present + beside
            for beside in _STEPS_BESIDE
            if hmac.compare_digest(totp.generate_otp(present + beside).encode(), sent)
        ]
        return next((step for step in fitting if step > after), None)

    async def _own(self, caller: Caller) -> Proofs:
        proofs = None if caller.user_id is None else await self._store.find(user_id=caller.user_id)
        if proofs is None:
            raise NotFound("There is no such user any more.")
        return proofs


def _new_codes() -> list[str]:
    return [
        "".join(secrets.choice(_CODE_LETTERS) for _ in range(_CODE_LENGTH))
        for _ in range(CODES_COUNT)
    ]


def _shown(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def _digest(user_id: str, code: str) -> str:
    return hashlib.sha256(f"{user_id}:{code}".encode()).hexdigest()


def _context(user_id: str) -> str:
    return f"second factor of {user_id}"


def _target(caller: Caller) -> Target:
    return Target("user", caller.user_id or "", caller.account_id)

"""Passwords of the console: argon2id with the parameters of RFC 9106, and what is too easy to guess."""

__all__ = ["PASSWORD_LENGTH_MIN", "Hash", "PasswordService", "Verify", "checked_password"]

import unicodedata
from collections.abc import Awaitable, Callable, Sequence

from admin.core.caller import Caller
from admin.core.faults import NotFound
from admin.stores.proofs import Proofs, ProofStore
from admin.stores.sign_ins import SignInStore
from admin.stores.transaction import Target, Transaction
from admin.stores.users import UserView
from gateway.core.errors import Misuse
from gateway.ports import Clock

PASSWORD_LENGTH_MIN = 12
_LENGTH_MAX = 200
_DISTINCT_MIN = 5
# What people take when twelve characters are asked for.
_FIRST_GUESSES = ("password", "passw0rd", "keywright", "qwerty", "letmein", "123456", "abcdef")
# The part of an address or word that must not be the most of a password.
_PART_MIN = 4

Verify = Callable[[str, bytes], Awaitable[bool]]
Hash = Callable[[Sequence[str]], Awaitable[list[str]]]


class PasswordService:
    """Each method raises StoreError when SQL cannot answer, Overloaded when too many wait for argon2."""

    def __init__(
        self,
        store: ProofStore,
        sign_ins: SignInStore,
        clock: Clock,
        hash_texts: Hash,
        verify: Verify,
    ) -> None:
        """`verify(password_hash, bytes)` says whether they belong together."""
        self._store = store
        self._sign_ins = sign_ins
        self._clock = clock
        self._hash_texts = hash_texts
        self._verify = verify
        self._decoy: str | None = None

    async def prepare(self) -> None:
        """Make what an unknown address is checked against, so that not even the first one answers otherwise."""
        if self._decoy is None:
            [self._decoy] = await self._hash_texts(["nobody's password"])

    async def proofs(self, email: str) -> Proofs | None:
        """What there is of the active user with this address; None if there is none."""
        found = await self._store.find(email=email.strip().lower())
        return found if found is not None and found.user.status == "active" else None

    async def proofs_of(self, user_id: str) -> Proofs | None:
        """What there is of the active user with this id; None if there is none."""
        found = await self._store.find(user_id=user_id)
        return found if found is not None and found.user.status == "active" else None

    async def is_right(self, proofs: Proofs | None, password: str) -> bool:
        """Whether this is their password. Takes as long for somebody who has none, or does not exist."""
        await self.prepare()
        known = None if proofs is None else proofs.password_hash
        fits = await self._verify(known or self._decoy or "", _normal(password).encode())
        return fits and known is not None

    async def change(self, caller: Caller, password: str, kept_sign_in: str) -> int:
        """Another password for the caller, who stays signed in here alone; returns how many other sign-ins ended.

        Raises Misuse for one that is too easy to guess.
        """
        found = None if caller.user_id is None else await self._store.find(user_id=caller.user_id)
        if found is None:
            raise NotFound("There is no such user any more.")
        password_hash = await self.hashed(password, found.user)
        async with self._store.transaction("change a password", caller, self._clock.now()) as tx:
            await self.put(tx, found.user, password_hash)
            return await self._sign_ins.end_others(tx, found.user.id, kept_sign_in)

    async def hashed(self, password: str, user: UserView) -> str:
        """The hash of a new password. Raises Misuse for one that is too easy to guess."""
        checked_password(password, (user.email, user.name))
        [password_hash] = await self._hash_texts([_normal(password)])
        return password_hash

    async def put(self, tx: Transaction, user: UserView, password_hash: str) -> None:
        """Write a new password down; links to choose one work no longer."""
        await self._store.put_password(tx, user.id, password_hash)
        await self._store.end_links(tx, user.id)
        tx.audit("user.password", Target("user", user.id, user.account_id))


def checked_password(password: str, about: Sequence[str]) -> None:
    """Return if this is not among the first guesses; `about` is what is known of its holder. Raises Misuse."""
    if not PASSWORD_LENGTH_MIN <= len(password) <= _LENGTH_MAX:
        raise Misuse(f"A password has {PASSWORD_LENGTH_MIN} to {_LENGTH_MAX} characters.")
    plain = _normal(password).casefold()
    if len(set(plain)) < _DISTINCT_MIN:
        raise Misuse("This password repeats a few characters; that is guessed soon.")
    words = [part for text in about for part in _parts(text)]
    for word in (*_FIRST_GUESSES, *words):
        # The length that is left must still be a password.
        if word in plain and len(plain) - len(word) < PASSWORD_LENGTH_MIN - _PART_MIN:
            raise Misuse(f"This password is little more than '{word}', which is guessed soon.")


def _parts(text: str) -> list[str]:
    words = "".join(char if char.isalnum() else " " for char in text.casefold()).split()
    return [word for word in words if len(word) >= _PART_MIN]


def _normal(password: str) -> str:
    # The same password typed on another keyboard may come in other code points (RFC 8265 §4.2).
    return unicodedata.normalize("NFC", password)

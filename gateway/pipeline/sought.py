"""What is to be looked up: a credential, and by what its key can be found."""

__all__ = ["Sought", "SoughtImported", "seek"]

from typing import NamedTuple

from gateway.core.credential import Credential, Pair
from gateway.core.keys import Environment, Key, KeyDigest, KeyType


class Sought(NamedTuple):
    """A token or a pair whose key is not in memory; `digest` stands for it there, under the current pepper.

    `kind` is what a token says of its key; a pair does not say it.
    """

    digest: KeyDigest
    sent: Credential | Pair
    secret_id: str
    kind: tuple[KeyType, Environment] | None = None

    def proof_of(self, key: Key, vendor: str) -> Credential | None:
        """The whole token with which this can only be `key`'s; None if its type or environment is another."""
        if isinstance(self.sent, Pair):
            return self.sent.token_of(key.type, key.environment, vendor)
        return self.sent if self.kind == (key.type, key.environment) else None


class SoughtImported(NamedTuple):
    """A text of any shape, which may be a key that was made elsewhere: only its digest can find it."""

    digest: KeyDigest
    sent: Credential


def seek(
    sent: Credential | Pair, digest: KeyDigest, *, vendor: str, accepts_imported: bool
) -> Sought | SoughtImported | None:
    """By what to look the credential up; None if it can be no key at all."""
    if isinstance(sent, Pair):
        return Sought(digest, sent, sent.secret_id)
    parsed = sent.parse(vendor)
    if parsed is not None:
        return Sought(digest, sent, parsed.secret_id, (parsed.type, parsed.environment))
    return SoughtImported(digest, sent) if accepts_imported and sent.is_importable else None

"""News of a changed key or account, and the proof that it was heard (design §3)."""

__all__ = ["Change", "Receipt"]

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """A key (or every key of an account) has reached `version`; older copies are to be forgotten."""

    version: int
    key_id: str | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Who enforces a change. `missing` names the workers that have not answered in time.

    `is_announced` is False when Redis could not carry the news: workers then find it in SQL,
    which they poll, within two seconds.
    """

    workers: int
    acknowledged: int
    milliseconds: int
    missing: tuple[str, ...] = ()
    is_announced: bool = True

"""The few ways we break. A "no" is not here: that is a value (`gateway.core.refusal`)."""

__all__ = ["KeywrightError", "Misuse", "Overloaded", "StoreError", "StoreName"]

from typing import Literal

StoreName = Literal["redis", "sql"]


class KeywrightError(Exception):
    """Something that should have worked did not; its text is for the operator, never for a caller."""


class StoreError(KeywrightError):
    """A store could not answer: away, slow beyond its deadline, or unwilling. Never means "no such key"."""

    def __init__(self, store: StoreName, operation: str, cause: str) -> None:
        """`cause` names the kind of fault (an exception's type, a deadline); it holds no data."""
        super().__init__(f"{store}: {operation}: {cause}")
        self.store: StoreName = store
        self.operation = operation
        self.cause = cause


class Overloaded(KeywrightError):
    """A bounded queue of ours is full; the caller may try again shortly."""


class Misuse(KeywrightError):
    """The operator asked for something that cannot be; the text says what to do instead."""

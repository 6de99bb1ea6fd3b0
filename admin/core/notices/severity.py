"""How much a notice matters."""

__all__ = ["Severity"]

from enum import StrEnum


class Severity(StrEnum):
    """From what is good to know to what cannot wait, in this order."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """A number that grows with it, as the database keeps it."""
        return list(Severity).index(self)

    @classmethod
    def of_rank(cls, rank: int) -> "Severity":
        """The severity that is kept under this number; the gravest for one that is not known (yet)."""
        ranked = list(cls)
        return ranked[rank] if 0 <= rank < len(ranked) else cls.CRITICAL

"""The proof that a change is enforced."""

__all__ = ["ReceiptDocument"]

from admin.wire.shapes import Document


class ReceiptDocument(Document):
    """How many workers enforce a change, and after how long; `announced` False when Redis could not carry the news."""

    workers: int
    acknowledged: int
    ms: int
    missing: tuple[str, ...]
    announced: bool = True

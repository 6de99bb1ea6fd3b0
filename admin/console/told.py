"""What a reader is told after something was done."""

__all__ = ["told"]

from admin.console.words import receipt_words
from admin.wire.receipt import ReceiptDocument


def told(done: str, receipt: ReceiptDocument | None) -> str:
    """What was done, and who enforces it."""
    return done if receipt is None else f"{done} {receipt_words(receipt)}"

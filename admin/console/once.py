"""The mark by which a form counts once, however often it is sent."""

__all__ = ["mark_of"]

import re
from typing import Final

from admin.console.form import Form
from gateway.core.errors import Misuse

_MARK: Final = re.compile(r"[0-9A-Za-z_-]{16,64}")


def mark_of(form: Form) -> str:
    """The mark that the form's page gave it. Raises Misuse when it has none."""
    mark = form["once"]
    if _MARK.fullmatch(mark) is None:
        raise Misuse("This form is not complete. Load its page again.")
    return mark

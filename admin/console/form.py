"""A form as it was sent: names and texts, nothing that no database could hold."""

__all__ = ["Form", "UploadedFile", "parsed_form"]

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from gateway.core.errors import Misuse

_FIELDS_MAX = 2000
_UNFIT = re.compile("[\0\ud800-\udfff]")


class UploadedFile(NamedTuple):
    """A file as somebody has chosen it; `name` is what they call it."""

    name: str
    body: bytes

    def __repr__(self) -> str:
        """Never shows what is in it."""
        return f"UploadedFile({len(self.body)} bytes)"


class Form(Mapping[str, str]):
    """Of a name that was sent more than once `[]` has the first text, and `all` has each.

    What is not there is an empty text: that is what browsers send for an empty field, and for an
    unticked box nothing.
    """

    def __init__(
        self, pairs: list[tuple[str, str]], files: Mapping[str, UploadedFile] | None = None
    ) -> None:
        """Names that begin with an underscore are the console's own, and are not among the names.

        Raises Misuse for a text that no database could hold.
        """
        if any(_UNFIT.search(text) for pair in pairs for text in pair):
            raise Misuse("A field holds a character that cannot be kept.")
        self._files = dict(files or {})
        self._all: dict[str, list[str]] = {}
        for name, text in pairs:
            self._all.setdefault(name, []).append(text)

    def __getitem__(self, name: str) -> str:
        """The text; empty for a name that was not sent."""
        return self._all.get(name, [""])[0]

    def __contains__(self, name: object) -> bool:
        """Whether anything was sent by this name."""
        return name in self._all

    def __iter__(self) -> Iterator[str]:
        """The names, in order, without the console's own."""
        return (name for name in self._all if not name.startswith("_"))

    def __len__(self) -> int:
        """How many names there are."""
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        """Never shows what was typed."""
        return f"Form({', '.join(self)})"

    def file(self, name: str) -> UploadedFile | None:
        """The file that was chosen there; None if none was."""
        return self._files.get(name)

    def all(self, name: str) -> list[str]:
        """Each text of that name, such as the ticked boxes of a group."""
        return list(self._all.get(name, ()))

    def has(self, name: str) -> bool:
        """Whether a box is ticked, or a button was the one that was pressed."""
        return name in self._all

    def text(self, name: str) -> str:
        """The text without the white space around it."""
        return self[name].strip()

    def given(self, name: str) -> str | None:
        """The text without the white space around it; None for an empty one."""
        return self.text(name) or None

    def lines(self, name: str) -> list[str]:
        """The lines of a larger field that hold something."""
        return [line.strip() for line in self[name].splitlines() if line.strip()]

    def number(self, name: str) -> int | None:
        """A whole number; None for an empty field. Raises Misuse."""
        text = self.text(name)
        if not text:
            return None
        if not re.fullmatch(r"-?[0-9]{1,15}", text):
            raise Misuse(f"{name.replace('_', ' ').capitalize()} is a whole number.")
        return int(text)

    def pairs(self) -> list[tuple[str, str]]:
        """All names and texts without the console's own, to be sent once more."""
        return [(name, text) for name in self for text in self._all[name]]


def parsed_form(body: bytes) -> Form:
    """The form of an `application/x-www-form-urlencoded` body in UTF-8. Raises Misuse."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_FIELDS_MAX,
        )
    except ValueError:
        raise Misuse("This form cannot be read. Go back and send it again.") from None
    return Form(pairs)

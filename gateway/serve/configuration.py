"""The configuration that is in force, and what a reload makes of the file as it is now.

Processes start from a copy of the file as it was accepted: one that dies while somebody edits the file is
replaced by one like it.
"""

__all__ = ["Configuration", "InForce"]

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.settings import Problem, Settings, SettingsError, fixed_changes, load

_READS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class InForce:
    """Checked settings, and the arguments that make a process read the same."""

    settings: Settings
    arguments: Sequence[str] = ()


class Configuration:
    """Reads one file again and again; copies of it lie in `folder`."""

    def __init__(self, file: Path | None, variables: Mapping[str, str], folder: Path) -> None:
        """Nothing is read yet. None: the built-in defaults, which never change."""
        self._file = file
        self._variables = variables
        self._folder = folder
        self._copies = 0

    def read(self, before: Settings) -> InForce:
        """The file as it is now. Raises SettingsError with every mistake in it, what may not change included."""
        if self._file is None:
            return InForce(load(None, self._variables, to_serve=True))
        settings, content = self._consistent(self._file)
        if changed := _changed(before, settings, self._file):
            raise SettingsError(changed)
        copy = self._folder / f"config-{self._copies}.yaml"
        self._copies += 1
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as written:
            written.write(content)
        return InForce(settings, ("-c", str(copy)))

    def forget(self, old: InForce) -> None:
        """Remove the copy of a configuration from which nothing will be started any more."""
        for copy in old.arguments[1:]:
            Path(copy).unlink(missing_ok=True)

    def _consistent(self, file: Path) -> tuple[Settings, bytes]:
        """Settings and the very bytes that they stand in, though somebody may be writing."""
        content = b""
        for _ in range(_READS_MAX):
            settings = load(file, self._variables, to_serve=True)
            seen, content = content, _bytes_of(file)
            if seen == content:
                return settings, content
        raise SettingsError([Problem(str(file), None, "", "changes while it is read")])


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SettingsError([Problem(str(file), None, "", f"cannot be read: {reason}")]) from None


def _changed(before: Settings, now: Settings, file: Path) -> list[Problem]:
    return [
        Problem(
            str(file),
            None,
            name,
            "cannot change by a reload",
            "put it back, or stop and start the gateway",
        )
        for name in fixed_changes(before, now)
    ]

"""What the operator chooses: read once, frozen, complete; all mistakes told together, with file and line."""

__all__ = [
    "Problem",
    "Reading",
    "Settings",
    "SettingsError",
    "entries",
    "fixed_changes",
    "load",
    "read",
    "revealed",
]

from gateway.settings.differences import entries, fixed_changes
from gateway.settings.load import Reading, load, read
from gateway.settings.problems import Problem, SettingsError
from gateway.settings.sections import Settings, revealed

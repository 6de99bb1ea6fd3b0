"""What the operator chooses: read once, frozen, complete; all mistakes told together, with file and line."""

__all__ = ["Settings"]

from gateway.settings.sections import Settings

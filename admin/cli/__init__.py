"""The `keywright` command."""

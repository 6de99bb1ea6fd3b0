"""Keywright's data plane, and the domain that both planes share."""

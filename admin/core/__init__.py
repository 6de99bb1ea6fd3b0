"""Decisions of the control plane: who may do what, cursors, the audit chain. No I/O, no clock."""

"""Decisions: plain functions and small records. No I/O, no clock, no chance; all of it tested as tables."""

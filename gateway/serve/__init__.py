"""The process: signals, start, drain."""

"""`keywright demo`: a gateway with an API behind it, on one machine, gone with Ctrl-C."""

"""Keywright beside its peers: what is compared, how it is run, and how it is told. `bench.compare` is the command."""

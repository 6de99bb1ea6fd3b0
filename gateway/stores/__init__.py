"""Drivers of the stores, each behind a port: SQL, Redis, the private Valkey, the change feed."""

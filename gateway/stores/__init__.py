"""Drivers: SQL, Redis, the private Valkey, peppers, the change feed. Each implements a port; faults end as StoreError."""

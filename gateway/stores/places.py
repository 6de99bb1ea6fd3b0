"""Where the stores are: what the operator configured, or the embedded ones in the data folder (design §2)."""

__all__ = ["DATABASE_NAME", "database_url", "redis_url"]

from pathlib import Path

from gateway.stores.sql_engine import sqlite_url
from gateway.stores.valkey import private_url

DATABASE_NAME = "keywright.sqlite3"


def database_url(configured: str | None, data_dir: Path) -> str:
    """The source of truth: the configured URL, or a SQLite file."""
    return sqlite_url(data_dir / DATABASE_NAME) if configured is None else configured


def redis_url(configured: str | None, data_dir: Path) -> str:
    """Shared state: the configured URL, or the socket of the private Valkey that `serve` runs."""
    return private_url(data_dir) if configured is None else configured

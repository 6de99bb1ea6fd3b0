"""What an operator does with the database as a whole."""

__all__ = ["Migration", "ensure_schema", "migrate"]

from admin.stores.migrate import Migration, ensure_schema, migrate

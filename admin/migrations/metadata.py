"""All tables of the database, whichever modules describe them."""

__all__ = ["METADATA"]

# Importing them is what puts their tables in.
import gateway.stores.alert_tables  # noqa: F401
import gateway.stores.console_tables  # noqa: F401
import gateway.stores.notification_tables  # noqa: F401
import gateway.stores.quota_tables  # noqa: F401
import gateway.stores.tables  # noqa: F401
import gateway.stores.usage_tables  # noqa: F401
from gateway.stores.metadata import METADATA

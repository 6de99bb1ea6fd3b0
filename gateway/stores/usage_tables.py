"""What is kept of usage beside the records themselves: sums by minute, hour and day, and how far it has come."""

__all__ = ["DAY", "HOUR", "MINUTE", "STEPS", "usage_positions", "usage_rollups"]

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from gateway.stores.metadata import METADATA

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
# Every request is in one row of each, so a sum is taken over rows of one step.
STEPS: Final = (MINUTE, HOUR, DAY)

# Each request counts in the row of its key; in that of its account, whose key is ''; and in that of the whole gateway,
# whose account is '', too. `at` is the second since the epoch in which the bucket begins that the request began in;
# a route that was not found is ''; `status_class` is 2 for 2xx. `sketch` is a `gateway.core.latency.Latency`.
usage_rollups = Table(
    "usage_rollups",
    METADATA,
    Column("key_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("step_seconds", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("route", Text, nullable=False),
    Column("status_class", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("sketch", LargeBinary, nullable=False),
    PrimaryKeyConstraint(
        "key_id", "account_id", "step_seconds", "at", "route", "status_class", "outcome"
    ),
    # What is to be deleted is found by its age.
    Index(None, "step_seconds", "at"),
    # The rows of one key lie side by side: a month of it is read from few pages.
    sqlite_with_rowid=False,
)

# Written in the transaction of the records: up to which number a worker's entries are in.
usage_positions = Table(
    "usage_positions",
    METADATA,
    Column("worker", Text, primary_key=True),
    Column("next_sequence", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)

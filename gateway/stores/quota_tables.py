"""The tables of quotas: how much of each month's was set aside, and what is allowed on top."""

__all__ = ["quota_months", "quota_nodes", "quota_raises"]

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, Text

from gateway.stores.metadata import METADATA

# Of each account's month so many requests were set aside for Redis, or for workers that could not reach it;
# no more are ever let through. `bytes` are those that Redis knew of when this was last written.
# Since `unsettled_us` some of those set aside may not have been used: Redis was lost, or a worker was.
# `direct_us`: when some were set aside for a worker that could not reach Redis.
quota_months = Table(
    "quota_months",
    METADATA,
    Column("account_id", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("set_aside", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("unsettled_us", BigInteger),
    Column("direct_us", BigInteger),
    Column("updated_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "month"),
    Index(None, "month", "unsettled_us"),
)

# What an account may use on top of its plan's quota, in the months between.
quota_raises = Table(
    "quota_raises",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Index(None, "account_id", "until_us"),
)

# Each data folder, and until when all that was recorded there is in SQL.
quota_nodes = Table(
    "quota_nodes",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("shipped_us", BigInteger, nullable=False),
)

"""The statements that a batch of usage becomes in SQLite."""

import dataclasses
import sqlite3

import pytest
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from gateway.core.record import row_of
from gateway.ports import UsageRun
from gateway.stores.tables import keys, secret_uses, usage_records
from gateway.stores.usage_batch import UsageBatch, batch_of
from gateway.stores.usage_sqlite import write_sqlite
from gateway.stores.usage_tables import usage_positions, usage_rollups
from tests.contracts.test_usage_store import RECORD


@pytest.mark.parametrize("count", [1, 511, 512, 513, 1999])
def test_every_record_of_a_batch_is_stored(count: int) -> None:
    """However it is divided into statements, each record is in the table once."""
    connection = _database()

    write_sqlite(connection, _batch(0, count))

    rows = connection.execute("SELECT request_id FROM usage_records ORDER BY id").fetchall()
    assert rows == [(str(number),) for number in range(count)]


def test_batches_of_any_size_share_few_statements() -> None:
    """The driver remembers each statement that it has prepared, so their number must not grow with the batches."""
    connection = _database()
    heard: set[int] = set()

    def hear(statement: str) -> None:
        if statement.startswith("INSERT INTO usage_records"):
            heard.add(statement.count("("))

    connection.set_trace_callback(hear)
    first = 0
    for count in range(1, 1500, 37):
        write_sqlite(connection, _batch(first, count))
        first += count

    assert len(heard) <= 10


def _database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for table in (usage_records, usage_rollups, usage_positions, secret_uses, keys):
        words = str(CreateTable(table).compile(dialect=sqlite.dialect()))
        connection.execute(words)
    return connection


def _batch(first: int, count: int) -> UsageBatch:
    records = [
        row_of(dataclasses.replace(RECORD, request_id=str(number)))
        for number in range(first, first + count)
    ]
    return batch_of([UsageRun("w1", first, records)], {}, {})

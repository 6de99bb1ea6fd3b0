"""Two hundred thousand requests, while those who record them and those who ship them are killed: each is counted once.

The requests are recorded by processes that do nothing else, through the journal that a gateway has: as many through
real connections would take minutes here. That the gateway records what it answers, and goes on when its processes are
killed, is shown with some thousands in tests/end_to_end/test_journal.py, and with ten millions by `make bench-ledger`.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import secret_uses, usage_records
from gateway.stores.usage_tables import STEPS, usage_rollups
from tests.fixtures_gateway import clean_environment
from tests.usage.killed_under_load import WRITERS, name_of

ROOT = Path(__file__).parents[2]
RECORDS = 200_001
KILLS = 12


async def test_each_request_is_counted_once(
    sql_engine: AsyncEngine, sql_url: str, tmp_path: Path
) -> None:
    """Whoever is killed, and whenever: all that was recorded is in SQL, nothing twice, and every sum says the same."""
    words = ("-m", "tests.usage.killed_under_load", str(tmp_path), sql_url)
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, *words, str(RECORDS), str(KILLS)),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=clean_environment(),
    )
    out, _ = await program.communicate()
    assert program.returncode == 0
    # Before it stands what ledgers have logged: an entry that a writer was killed in the middle of is damage.
    told = json.loads(out.splitlines()[-1])
    assert told["killed"]["ledgers"] > KILLS
    assert told["killed"]["writers"] > 2

    everyone = (name_of(writer, n) for writer in range(WRITERS) for n in range(RECORDS // WRITERS))
    found = Counter(
        row.request_id
        for row in await read_rows(sql_engine, "look", select(usage_records.c.request_id), 30)
    )
    assert set(everyone) - found.keys() <= set(told["doubtful"])
    assert found.total() == len(found)
    rows = usage_rollups.c
    name_columns = (rows.step_seconds, rows.key_id, rows.account_id)
    columns: list[ColumnElement[Any]] = [*name_columns, func.sum(rows.requests)]
    sums = await read_rows(sql_engine, "look", select(*columns).group_by(*name_columns))
    names = (("", ""), ("", "acc_1"), ("key_1", "acc_1"))
    told_sums: dict[tuple[Any, ...], int] = {tuple(row[:-1]): int(row[-1]) for row in sums}
    assert told_sums == {(step, *name): found.total() for step in STEPS for name in names}
    uses = await read_rows(sql_engine, "look", select(secret_uses.c.count))
    assert [row[0] for row in uses] == [found.total()]
    assert list((tmp_path / "journal").iterdir()) == []

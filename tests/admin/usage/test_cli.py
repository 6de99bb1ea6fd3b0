"""`keywright usage …`, as its users meet it: on the stores of this machine, and through the API."""

import asyncio
import csv
import io
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.core.record import UsageRecord
from gateway.stores.places import database_url
from gateway.stores.sql_engine import open_engine
from gateway.stores.sql_usage import SqlUsageStore
from tests.admin.test_cli_commands import Keywright, account, keywright
from tests.admin.usage.stand import AT, a_record

__all__ = ["account", "keywright"]


@pytest.fixture
def key(keywright: Keywright, account: str) -> str:
    """A key's id."""
    made = keywright("keys", "create", "--account", account, "--name", "ci", "--json").document
    return str(made["id"])


def write(*records: UsageRecord, first: int = 0) -> None:
    """As the ledger does."""

    async def ship() -> None:
        engine = open_engine(database_url(None, Path("data")))
        await SqlUsageStore(engine).write("w_1", first, records)
        await engine.dispose()

    asyncio.run(ship())


def recent(account: str, key: str, *names: str) -> list[UsageRecord]:
    """Requests of a moment ago, one second after the other."""
    now = time.time()
    own = {"account_id": account, "key_id": key}
    return [
        a_record(name, now - 60 + second - AT, path=f"/{name}", **own)
        for second, name in enumerate(names)
    ]


def test_all_requests_are_written_as_a_file(keywright: Keywright, account: str, key: str) -> None:
    """What is piped into a file is every request, oldest first, and nothing else."""
    write(*recent(account, key, "a", "b", "c"))
    as_csv = list(csv.DictReader(io.StringIO(keywright("usage", key, "--csv").out)))
    as_json = keywright("usage", "requests", account, "--jsonl", "--since", "1h").out.splitlines()

    assert [row["request_id"] for row in as_csv] == ["a", "b", "c"]
    assert [json.loads(line)["request_id"] for line in as_json] == ["a", "b", "c"]


def test_sums_are_shown_and_written(keywright: Keywright, account: str, key: str) -> None:
    """A person sees sums, groups and points; a program gets the document, or its points as lines."""
    write(*recent(account, key, "a", "b", "c"))
    told = keywright("usage", "show", key).out
    document = keywright("usage", "show", account, "--step", "day", "--json").document
    rows = list(csv.DictReader(io.StringIO(keywright("usage", "show", "--csv").out)))
    lines = keywright("usage", "show", key, "--since", "2d", "--step", "hour", "--jsonl").out

    assert "by the hour" in told
    assert "altogether  3" in told
    assert "served" in told
    assert document["totals"]["requests"] == 3
    assert document["step"] == "day"
    assert sum(int(row["requests"]) for row in rows) == sum(int(row["2xx"]) for row in rows) == 3
    assert len(lines.splitlines()) in {48, 49}
    assert sum(json.loads(line)["requests"] for line in lines.splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["requests", "{key}", "--csv", "--jsonl"], 2, "give one"),
        (["requests", "{key}", "--csv", "--json"], 2, "give one"),
        (["show", "{key}", "--csv", "--jsonl"], 2, "give one"),
        (["tail", "{key}", "--json"], 2, "--jsonl"),
        (["show", "key_none"], 1, "There is no key key_none"),
        (["requests", "acc_none", "--csv"], 1, "There is no account acc_none"),
        (["tail", "key_none"], 1, "There is no key key_none"),
        (["show", "--since", "1d", "--step", "week"], 2, "week"),
        (["show", "--since", "10d", "--step", "minute"], 2, "Ask for a shorter time"),
        (["show", "--status", "404"], 2, "status"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_is_said(
    keywright: Keywright, key: str, words: list[str], code: int, told: str
) -> None:
    """A mistake is told in a sentence, before anything is written."""
    said = keywright("usage", *(word.format(key=key) for word in words))

    assert said.code == code
    assert told in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "words", [("tail",), ("requests", "--follow", "--last", "999")], ids=" ".join
)
def test_requests_are_printed_as_they_come(
    keywright: Keywright, account: str, key: str, words: tuple[str, ...]
) -> None:
    """Each request is a line as soon as it is recorded, behind the latest if those were asked for; Ctrl-C ends it."""
    write(*recent(account, key, "old"))
    command = [sys.executable, "-P", "-m", "admin.cli", "usage", words[0], key, *words[1:]]
    seen: list[str] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        reading = threading.Thread(target=seen.extend, args=(iter(process.stdout.readline, ""),))
        reading.start()
        deadline = time.monotonic() + 60
        count = 1
        # Again and again: a tail does not tell what came in before it looked.
        while not any("/new" in line for line in seen) and time.monotonic() < deadline:
            write(*recent(account, key, f"new{count}"), first=count)
            count += 1
            reading.join(0.3)
        process.send_signal(signal.SIGINT)
        reading.join(20)
        assert process.stderr is not None
        err = process.stderr.read()

    assert (process.returncode, err) == (130, "")
    assert any("/new" in line for line in seen)
    assert any("/old" in line for line in seen) == ("--follow" in words)

"""A file on its way to the service: batches, bad lines told by number, what is said meanwhile."""

import asyncio
import contextlib
import io
import os
import stat
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.cli.files import Source, private_file
from admin.cli.progress import LongWork
from admin.core.caller import operator
from admin.core.transfer.entries import Entry, Hints
from admin.core.transfer.formats import HEAD_BYTES, Format, read
from admin.core.transfer.lines import LINE_BYTES_MAX
from admin.operations.importing import Importing, Told
from admin.operations.transfer import imported_key
from admin.wire.transfer import ImportedLine, ImportLine
from gateway.core.errors import StoreError
from gateway.stores.sql_engine import read_rows
from gateway.stores.tables import keys
from tests.admin.transfer.stage import NOON, transfer_of
from tests.doubles import ManualClock

COUNT = 10_000
# In each thousand lines, on which line something is wrong, and what is said of it.
BAD = {
    7: ("Acme,robot", "2 cells"),
    107: ('Acme,"robot,v', "quotes"),
    207: ("Acme,robot,", "empty"),
    307: ("Acme,,v", "name"),
    407: ("Acme,r\xe9,v", "not UTF-8"),
    507: ("Acme,robot," + "v" * 4097, "4096"),
}


def rows() -> Iterator[bytes]:
    """The file, a bad line here and there."""
    yield b"account,name,value\n"
    for number in range(2, COUNT + 2):
        bad = BAD.get(number % 1000)
        text = f"Acme,robot {number},value-{number}" if bad is None else bad[0]
        yield text.encode("latin-1") + b"\n"


def created(lines: Sequence[ImportLine]) -> list[ImportedLine]:
    """What a service answers that takes everything."""
    return [ImportedLine(number=line.number, outcome="created", key="key_1") for line in lines]


Send = Callable[[Sequence[ImportLine]], Sequence[ImportedLine]]


def take_all(work: Importing, send: Send, entries: Iterable[Entry]) -> None:
    """Batch after batch, as the commands do it."""
    for batch in work.batches(entries):
        work.settle(send(batch) if batch else ())


@pytest.mark.parametrize("database", ["sqlite"])
async def test_ten_thousand_lines_with_bad_ones_among_them(sql_engine: AsyncEngine) -> None:
    """Every good line is in, every bad one is told by its number and why, and again changes nothing."""
    service, loop = transfer_of(sql_engine), asyncio.get_running_loop()

    def send(lines: Sequence[ImportLine]) -> Sequence[ImportedLine]:
        asked = service.take_in(operator("ada"), [imported_key(line) for line in lines])
        return [
            ImportedLine(
                number=one.number, outcome=one.outcome.value, key=one.key_id, problem=one.problem
            )
            for one in asyncio.run_coroutine_threadsafe(asked, loop).result()
        ]

    first, second = Importing(), Importing()
    for work in (first, second):
        entries = read(Format.CSV, rows(), Hints(NOON))
        await asyncio.to_thread(take_all, work, send, entries)

    expected = {
        number: BAD[number % 1000][1] for number in range(2, COUNT + 2) if number % 1000 in BAD
    }
    assert [told.number for told in first.refused] == sorted(expected)
    assert all(expected[told.number] in told.text for told in first.refused)
    good = COUNT - len(expected)
    assert first.counts == {"created": good, "refused": len(expected)}
    assert second.counts == {"unchanged": good, "refused": len(expected)}
    (row,) = await read_rows(sql_engine, "count", select(func.count()).select_from(keys))
    assert row[0] == good


def test_a_long_file_is_never_held_as_a_whole() -> None:
    """Thirty thousand lines take no more memory than a few batches."""
    lines = (f"Acme,robot {number},value-{number}\n".encode() for number in range(30_000))
    header = iter([b"account,name,value\n"])

    def file() -> Iterator[bytes]:
        yield from header
        yield from lines

    work = Importing()
    tracemalloc.start()
    try:
        take_all(work, created, read(Format.CSV, file(), Hints(NOON)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert work.counts["created"] == 30_000
    assert peak < 4_000_000


def test_values_go_in_small_batches_and_hashes_in_large_ones() -> None:
    """An answer is never long in coming, and a move of many keys is not held up by round trips."""
    sizes: list[int] = []

    def send(lines: Sequence[ImportLine]) -> Sequence[ImportedLine]:
        sizes.append(len(lines))
        return created(lines)

    notes = ", ".join(f'"note {n}": "{"x" * 990}"' for n in range(99))
    for fields in ('"value": "v"', '"value": null', f'"value": null, "metadata": {{{notes}}}'):
        line = f'{{"account": "A", "name": "n", {fields}}}\n'.encode()
        take_all(Importing(), send, read(Format.JSONL, [line] * 600, Hints(NOON)))

    assert sizes == [50] * 12 + [500, 100] + [6] * 100


def test_a_failure_in_the_middle_says_how_far_it_was() -> None:
    """After a lost connection one knows which lines are settled."""
    answers = iter([created, created])

    def send(lines: Sequence[ImportLine]) -> Sequence[ImportedLine]:
        answer = next(answers, None)
        if answer is None:
            raise StoreError("sql", "import keys", "gone")
        return answer(lines)

    work = Importing()
    with pytest.raises(StoreError):
        take_all(work, send, read(Format.CSV, rows(), Hints(NOON)))

    assert work.through == 102
    assert work.counts["created"] == 100


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param('"colour": "s3cret"', "colour: Extra", id="unknown-field"),
        pytest.param('"type": "s3cret"', "type: Input should be 'sk' or 'pk'", id="type"),
        pytest.param('"expires_at": "s3cret"', "expires_at", id="time"),
        pytest.param('"scopes": "s3cret"', "scopes", id="list"),
        pytest.param('"limits": [{"quota": 0, "window": 60}]', "limits.0.quota", id="limit"),
    ],
)
def test_a_field_that_does_not_fit_is_named(fields: str, said: str) -> None:
    """Which field, and what is wrong with it; never what stands there."""
    line = f'{{"account": "A", "name": "n", "value": "v", {fields}}}\n'
    work = Importing()

    take_all(work, created, read(Format.JSONL, [line.encode()], Hints(NOON)))

    (told,) = work.refused
    assert isinstance(told, Told)
    assert said in told.text
    assert "s3cret" not in told.text


def test_a_bar_is_shown_only_for_what_takes_long() -> None:
    """Whoever is soon served sees nothing; after two seconds one sees how far it is."""
    clock = ManualClock()
    console = Console(file=io.StringIO(), force_terminal=True, width=80)

    with LongWork(100, clock, console) as shown:
        shown.reached(10, "10 lines")
        assert written(console) == ""
        clock.advance(2.1)
        shown.reached(50, "50 lines")

    assert "50 lines" in written(console)


def test_no_bar_where_nobody_looks() -> None:
    """In a log file a bar would be noise."""
    clock = ManualClock()
    console = Console(file=io.StringIO(), force_terminal=False)

    with LongWork(100, clock, console) as shown:
        clock.advance(10)
        shown.reached(50, "50 lines")

    assert written(console) == ""


def written(console: Console) -> str:
    """What is on the screen."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a\nb\n",
        b"a\nb",
        b"x" * HEAD_BYTES + b"\n1\n",
        b"x" * (HEAD_BYTES - 1) + b"\n1\n",
        b"1\n" + b"y" * (LINE_BYTES_MAX * 2) + b"\n2\n",
    ],
    ids=["empty", "lines", "no-end", "long-head", "head-at-a-line", "endless-line"],
)
def test_a_source_gives_every_byte_once(content: bytes) -> None:
    """Looking at a file's beginning costs none of it, and no piece is longer than needed."""
    source = Source(io.BytesIO(content))
    pieces = list(source.lines())

    assert b"".join(pieces) == content
    assert source.position == len(content)
    assert all(len(piece) <= LINE_BYTES_MAX + HEAD_BYTES + 1 for piece in pieces)


def test_a_private_file_is_there_as_a_whole_or_not(tmp_path: Path) -> None:
    """Nobody else can read an export, and a broken one leaves what was there."""
    place = tmp_path / "keys.jsonl"
    place.write_text("before")
    os.chmod(place, 0o644)

    with contextlib.suppress(StoreError), private_file(place) as file:
        file.write("half")
        raise StoreError("sql", "export keys", "gone")
    assert place.read_text() == "before"

    with private_file(place) as file:
        file.write("after")
    assert place.read_text() == "after"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [place]

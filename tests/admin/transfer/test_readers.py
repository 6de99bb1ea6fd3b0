"""Files of keys as they are found in the world: what each line becomes, and what is said of a bad one."""

import json
import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.core.transfer.entries import Entry, Hints
from admin.core.transfer.formats import Format, detected, read
from admin.core.transfer.lines import LINE_BYTES_MAX
from admin.wire.transfer import ImportLine
from gateway.core.errors import Misuse

NOON = 1_800_000_000.0
HEADER = "account,name,value\n"


def entries(content: str | bytes, format_: Format | None = None, **hints: Any) -> list[Entry]:  # noqa: ANN401
    """What is read of a file with this content."""
    raw = content.encode() if isinstance(content, str) else content
    chosen = detected(raw) if format_ is None else format_
    return list(read(chosen, raw.splitlines(keepends=True), Hints(NOON, **hints)))


def fields(content: str | bytes, **hints: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Those of the only entry, which must be a good one."""
    (entry,) = entries(content, **hints)
    assert entry.problem is None
    return entry.fields


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("account,name,value\nA,b,c", Format.CSV, id="csv"),
        pytest.param('{"account": "A", "name": "b", "value": "c"}\n', Format.JSONL, id="jsonl"),
        pytest.param('\n\n{"account": "A"}\n', Format.JSONL, id="jsonl-after-blank-lines"),
        pytest.param('{"account": "A", "name', Format.JSONL, id="jsonl-with-a-damaged-first-line"),
        pytest.param('_format_version: "3.0"\nconsumers: []\n', Format.KONG, id="kong"),
        pytest.param(
            "# ours\n---\nservices: []\n_format_version: '1.1'\n", Format.KONG, id="kong-later"
        ),
        pytest.param('{"_format_version": "3.0", "consumers": []}', Format.KONG, id="kong-json"),
        pytest.param('{\n  "_format_version": "3.0"\n}', Format.KONG, id="kong-json-over-lines"),
        pytest.param('\ufeff{"account": "A"}\n', Format.JSONL, id="jsonl-behind-a-byte-order-mark"),
        pytest.param("\ufeff_format_version: '3.0'\n", Format.KONG, id="kong-behind-one"),
        pytest.param("", Format.CSV, id="empty"),
    ],
)
def test_the_format_is_found_by_the_content(content: str, expected: Format) -> None:
    """Nobody has to say what kind of file it is."""
    assert detected(content.encode()) is expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            "account,name,value\nAcme,robot,abc",
            {"account": "Acme", "name": "robot", "value": "abc"},
            id="plain",
        ),
        pytest.param(
            "name, API Key ,Account\nrobot,abc,Acme",
            {"account": "Acme", "name": "robot", "value": "abc"},
            id="others",
        ),
        pytest.param(
            'account,name,key\nAcme,"a ""b"", c",x', {"name": 'a "b", c', "value": "x"}, id="quotes"
        ),
        pytest.param("account;name;value\nAcme;robot;a,b", {"value": "a,b"}, id="semicolons"),
        pytest.param("account\tname\tvalue\nAcme\trobot\tab", {"value": "ab"}, id="tabs"),
        pytest.param("account,name,value\r\nAcme,robot,abc\r\n", {"value": "abc"}, id="crlf"),
        pytest.param("\ufeffaccount,name,value\nAcme,robot,abc\n", {"account": "Acme"}, id="bom"),
        pytest.param("account,name,value\nÄcmé,robot,abc\n", {"account": "Äcmé"}, id="utf-8"),
        pytest.param(
            'account,name,value,scopes\nA,b,c,"read write;admin"',
            {"scopes": ("read", "write", "admin")},
            id="scopes",
        ),
        pytest.param(
            "account,name,value,env,scope,type\nA,b,c,test,read,pk",
            {"environment": "test", "scopes": ("read",), "type": "pk"},
            id="short-names",
        ),
        pytest.param(
            "account,name,value,allowed_ips\nA,b,c,10.0.0.0/8 ::1",
            {"allowed_ips": ("10.0.0.0/8", "::1")},
            id="ips",
        ),
        pytest.param(
            "account,name,value,expires_at\nA,b,c,2030-12-31",
            {"expires_at": "2030-12-31T00:00:00+00:00"},
            id="day",
        ),
        pytest.param(
            "account,name,value,expires_at\nA,b,c,2030-12-31 18:00:00+01:00",
            {"expires_at": "2030-12-31T18:00:00+01:00"},
            id="moment",
        ),
        pytest.param(
            "account,name,value,limits\nA,b,c,1000/60s day:5/1d",
            {
                "limits": [
                    {"name": "default", "quota": 1000, "window": 60},
                    {"name": "day", "quota": 5, "window": 86_400},
                ]
            },
            id="limits",
        ),
        pytest.param(
            "account,name,value,metadata.Team,metadata.note\nA,b,c,dns,",
            {"metadata": {"Team": "dns"}},
            id="metadata",
        ),
    ],
)
def test_a_row_of_csv_is_a_key(content: str, expected: Mapping[str, Any]) -> None:
    """CSV as spreadsheets and databases write it is read, column by column."""
    found = fields(content)

    assert {name: found[name] for name in expected} == expected


def test_an_empty_cell_says_nothing() -> None:
    """A cell without text leaves the field to its default."""
    assert "scopes" not in fields("account,name,value,scopes\nA,b,c,\n")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        pytest.param('A,"b,secret-1', "quotes", id="open-quote"),
        pytest.param('A,"b"c,secret-1', "quotes", id="quote-within"),
        pytest.param("A,secret-1", "2 cells, the header names 3", id="too-few"),
        pytest.param("A,b,secret-1,more", "4 cells", id="too-many"),
        pytest.param(",,", "empty", id="no-text"),
        pytest.param("A,b,secret-1\0", "NUL", id="nul"),
    ],
)
def test_a_bad_row_is_told_and_the_next_is_read(line: str, said: str) -> None:
    """A bad line is named by its number, without its content, and costs no other line."""
    before, bad, after = entries(f"{HEADER}A,first,v1\n\n{line}\nA,last,v2\n")

    assert (before.fields["value"], after.fields["value"]) == ("v1", "v2")
    assert (bad.number, after.number) == (4, 5)
    assert bad.problem is not None
    assert said in bad.problem
    assert "secret-1" not in bad.problem


def test_windows_1252_is_named_as_what_it_is() -> None:
    """A line in another encoding says so, and what to do; the others are read."""
    bad, good = entries(HEADER.encode() + "Café,b,v1\n".encode("cp1252") + b"A,b,v2\n")

    assert bad.problem is not None
    assert "0xE9" in bad.problem
    assert "Windows-1252" in bad.problem
    assert good.fields["value"] == "v2"


def test_a_file_in_utf_16_is_refused_as_a_whole() -> None:
    """What Excel calls Unicode text is told apart from damaged lines."""
    with pytest.raises(Misuse, match="UTF-16"):
        entries((HEADER + "A,b,c\n").encode("utf-16"))


def test_an_endless_line_is_one_bad_line() -> None:
    """A line longer than any key is passed over in pieces, never held, and counted once."""
    pieces = [
        HEADER.encode(),
        b"x" * (LINE_BYTES_MAX + 1),
        b"y" * LINE_BYTES_MAX,
        b"\n",
        b"A,b,c\n",
    ]

    bad, good = read(Format.CSV, pieces, Hints(NOON))

    assert (bad.number, good.number) == (2, 3)
    assert bad.problem is not None
    assert "longer" in bad.problem


@pytest.mark.parametrize(
    ("header", "said"),
    [
        pytest.param("Acme,robot,s3cret-of-acme", "names the columns", id="no-header"),
        pytest.param("account,name", "value is missing", id="no-value"),
        pytest.param("name,value", "account is missing", id="no-account"),
        pytest.param("account,name,value,colour", "no column 'colour'", id="unknown"),
        pytest.param("account,name,value,key", "twice", id="twice"),
    ],
)
def test_a_header_that_cannot_be_read_is_explained(header: str, said: str) -> None:
    """Without columns nothing is guessed; and what may be a key in place of a header is not repeated."""
    with pytest.raises(Misuse, match=said) as raised:
        entries(f"{header}\nA,b,c,d\n", Format.CSV)

    assert "s3cret" not in str(raised.value)


def test_an_account_for_all_lines_needs_no_column() -> None:
    """`--account` fills in where the file names none; a line that does is believed."""
    assert fields("name,value\nrobot,abc\n", account="acc_1")["account"] == "acc_1"
    assert fields("account,name,value\nA,robot,abc\n", account="acc_1")["account"] == "A"


def test_jsonl_is_read_line_by_line() -> None:
    """Each line is one object; its own `number` does not count, the file's does."""
    lines = [
        '{"number": 7, "account": "A", "name": "a", "key": "v"}',
        "",
        '{"a',
        "[]",
        "{}",
        '{"value": 1, "key": 2}',
    ]

    good, cut, array, empty, twice = entries("\r\n".join(lines), Format.JSONL)

    assert (good.number, good.fields["value"]) == (1, "v")
    assert [entry.number for entry in (cut, array, empty, twice)] == [3, 4, 5, 6]
    assert all(entry.problem for entry in (cut, array, empty, twice))


def test_nesting_without_end_is_a_bad_line() -> None:
    """A hostile line costs nothing but itself."""
    bad, good = entries('{"a":' * 100_000 + '\n{"value": "v"}\n', Format.JSONL)

    assert bad.problem
    assert good.fields["value"] == "v"


def test_no_entry_shows_its_value() -> None:
    """An entry may stand in a log or an exception without telling a key."""
    (entry,) = entries(f"{HEADER}A,b,secret-1\n")

    assert "secret-1" not in repr(entry)


def of_json(line: Mapping[str, Any]) -> bytes:
    """One line of a file."""
    return json.dumps(line).encode() + b"\n"


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["account", "name", "value", "id"]),
            st.text(st.characters(codec="utf-8")),
            min_size=1,
        )
    )
)
def test_what_was_written_as_jsonl_is_read_as_it_was(lines: list[dict[str, str]]) -> None:
    """No text gets lost or changed on its way through a file of JSONL."""
    found = read(Format.JSONL, [of_json(line) for line in lines], Hints(NOON))

    assert [entry.fields for entry in found] == lines


@given(st.binary(max_size=300), st.sampled_from(Format))
def test_no_file_breaks_a_reader(content: bytes, format_: Format) -> None:
    """Whatever a file holds, it is read, told as bad lines, or refused in words."""
    head = HEADER.encode() if format_ is Format.CSV else b""
    lines = chain([head], content.splitlines(keepends=True))
    try:
        found = list(read(format_, lines, Hints(NOON)))
    except Misuse:
        return
    assert all(entry.number >= 1 for entry in found)


def test_the_examples_of_the_page_are_read() -> None:
    """What a newcomer copies from docs/import.md is a file without mistakes."""
    page = (Path(__file__).parents[3] / "docs/import.md").read_text()
    (table,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    (line,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)

    found = [*entries(table), *entries(line)]

    assert [entry.problem for entry in found] == [None] * 4
    for entry in found:
        assert ImportLine.model_validate({**entry.fields, "number": entry.number}).value

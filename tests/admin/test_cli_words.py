"""How keys, receipts and faults are told."""

import io
import re
from datetime import timedelta

import pytest
import typer
from pydantic import ValidationError

from admin.cli.faults import Fault, explained
from admin.cli.key_words import (
    details,
    listed,
    receipt_sentence,
    replaced_sentence,
    secret_lines,
    secret_rows,
)
from admin.cli.output import Output, plain, table
from admin.client import ApiError, Unreachable
from admin.client.faults import FieldError
from admin.core.faults import NotFound
from admin.wire.checks import VerifyRequest
from admin.wire.keys import KeyState, SecretUserDocument
from admin.wire.receipt import ReceiptDocument
from gateway.core.errors import KeywrightError, Misuse, StoreError
from gateway.settings import Problem, SettingsError
from tests.admin.samples import KEY, LAST_USE, NOW, SECRET

MINUTE = timedelta(minutes=1)
OLD = SECRET.model_copy(
    update={
        "id": "0ldxxxxxxxxx",
        "shown": "sk_live_0ldx…",
        "replaced_at": NOW - 10 * MINUTE,
        "expires_at": NOW + 60 * MINUTE,
        "last_used": LAST_USE,
        "used_by": (
            SecretUserDocument(address="192.0.2.7", last_at=NOW - 3 * MINUTE, count=12),
            SecretUserDocument(address="192.0.2.8", last_at=NOW - 9 * MINUTE, count=1),
        ),
    }
)
ROTATED = KEY.model_copy(update={"secrets": (SECRET, OLD), "last_used": LAST_USE})


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("active", "active"),
        ("expired", "expired"),
        ("not_yet_valid", "not yet valid"),
        ("disabled", "disabled"),
        ("revoked", "revoked"),
    ],
)
def test_state(state: KeyState, word: str) -> None:
    """A list says whether a key works, not just what was once stored."""
    told = dict(details(KEY.model_copy(update={"state": state}), NOW))

    assert told["status"] == word


def test_a_list_shows_no_more_of_a_secret_than_it_may() -> None:
    """A screen that others can see gives no key away."""
    columns, rows = listed([ROTATED], NOW)

    assert columns == ["id", "name", "key", "status", "scopes", "created", "used", "expires"]
    (row,) = rows
    assert row[:5] == [
        "key_1",
        "ci",
        "sk_live_9aB3…, sk_live_0ldx…",
        "active",
        "read-only, dns-only",
    ]
    assert row[5:] == ["2 min ago", "3 min ago", "never"]


def test_a_list_of_several_accounts_names_them() -> None:
    """Keys of different accounts can be told apart."""
    columns, rows = listed([KEY, KEY.model_copy(update={"account": "acc_2"})], NOW)
    at = columns.index("account")

    assert [row[at] for row in rows] == ["acc_1", "acc_2"]


def test_details_leave_out_what_is_not_there() -> None:
    """A key's page has what it has, and its restrictions when there are any."""
    told = dict(details(KEY, NOW))
    restricted = dict(
        details(
            KEY.model_copy(
                update={
                    "allowed_ips": ("192.0.2.0/24",),
                    "revoked_at": NOW - MINUTE,
                    "effective_scopes": ("read-only",),
                    "owner": "usr_1",
                    "last_used": LAST_USE,
                }
            ),
            NOW,
        )
    )

    assert list(told) == [
        *("id", "name", "account", "key", "status", "scopes", "created", "used", "expires"),
        "version",
    ]
    assert restricted["addresses"] == "192.0.2.0/24"
    assert restricted["revoked"] == "1 min ago"
    assert restricted["in effect"] == "read-only"
    assert restricted["owner"] == "usr_1"
    assert restricted["last use"] == "3 min ago from 192.0.2.7 on dns"


def test_who_still_uses_an_old_secret_is_told() -> None:
    """After a rotation one sees whom to write to, and how long there is."""
    _, rows = secret_rows(ROTATED, NOW)

    assert [row[2] for row in rows] == ["in use", "ends in 1 h"]
    assert list(secret_lines(ROTATED, NOW)) == [
        "sk_live_0ldx… was used 12 times from 192.0.2.7, last 3 min ago",
        "sk_live_0ldx… was used once from 192.0.2.8, last 9 min ago",
    ]


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        pytest.param({}, "ends in 1 h", id="overlap"),
        pytest.param({"expires_at": NOW - MINUTE}, "ended 1 min ago", id="over"),
        pytest.param({"revoked_at": NOW}, "ended just now", id="ended"),
        pytest.param(
            {"expires_at": None, "until_unused": True},
            "goes on until nobody uses it",
            id="until-unused",
        ),
    ],
)
def test_what_becomes_of_the_old_secret(fate: dict[str, object], words: str) -> None:
    """Whoever rotates a key is told how long its callers have."""
    key = KEY.model_copy(update={"secrets": (SECRET, OLD.model_copy(update=fate))})

    assert replaced_sentence(key, NOW) == f"The one before, sk_live_0ldx…, {words}"
    assert replaced_sentence(KEY, NOW) is None


@pytest.mark.parametrize(
    ("receipt", "sentence"),
    [
        pytest.param(
            ReceiptDocument(workers=2, acknowledged=2, ms=11, missing=()),
            "enforced on 2 of 2 workers in 11 ms",
            id="all",
        ),
        pytest.param(
            ReceiptDocument(workers=2, acknowledged=1, ms=2000, missing=("w7",)),
            "enforced on 1 of 2 workers in 2000 ms; no answer yet from w7",
            id="one-missing",
        ),
        pytest.param(
            ReceiptDocument(workers=0, acknowledged=0, ms=1, missing=()),
            "no worker runs just now, so none has to be told",
            id="nobody-runs",
        ),
        pytest.param(
            ReceiptDocument(workers=0, acknowledged=0, ms=0, missing=(), announced=False),
            "Redis could not be told; workers that run find it in the database within 2 s",
            id="redis-away",
        ),
    ],
)
def test_receipt(receipt: ReceiptDocument, sentence: str) -> None:
    """Whoever revokes a key learns who enforces it, and never more than is proven."""
    assert receipt_sentence(receipt) == sentence


class Window(io.StringIO):
    """A terminal; `text` is what one sees of it."""

    def isatty(self) -> bool:
        return True

    @property
    def text(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.getvalue())


def wrong_argument() -> ValidationError:
    """What the wire says of a request that cannot be."""
    with pytest.raises(ValidationError) as caught:
        VerifyRequest.model_validate({"token": "x", "cost": -1})
    return caught.value


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        pytest.param(Misuse("no; do this"), Fault("no; do this", 2), id="misuse"),
        pytest.param(NotFound("no such key"), Fault("no such key", 1), id="nothing-there"),
        pytest.param(KeywrightError("did not start"), Fault("did not start", 1), id="fault"),
        pytest.param(
            StoreError("sql", "find a key", "deadline"),
            Fault(
                "the database did not answer (find a key: deadline);"
                " check that it runs and that store.url is right, then try again",
                1,
            ),
            id="database-away",
        ),
        pytest.param(
            SettingsError(
                [
                    Problem(
                        "f.yaml", 3, "listen.prot", "there is no such field", 'did you mean "port"?'
                    )
                ]
            ),
            Fault(
                'the configuration has 1 mistake:\nf.yaml:3: listen.prot: there is no such field; did you mean "port"?',
                2,
            ),
            id="bad-settings",
        ),
        pytest.param(
            typer.BadParameter("9 is too much."),
            Fault("Invalid value: 9 is too much; see 'keywright --help'", 2),
            id="bad-option",
        ),
        pytest.param(
            PermissionError(13, "Permission denied", "/f"),
            Fault("/f: Permission denied", 1),
            id="file",
        ),
        pytest.param(
            ApiError(404, "not_found", "There is no key key_x.", request_id="r1"),
            Fault("There is no key key_x.", 1),
            id="api-refuses",
        ),
        pytest.param(
            ApiError(422, "invalid_request", "See", errors=[FieldError("name", "too long")]),
            Fault("name: too long", 2),
            id="api-does-not-understand",
        ),
        pytest.param(
            ApiError(500, "internal_error", "Keywright failed.", request_id="r1"),
            Fault("Keywright failed. (request r1)", 1),
            id="api-fails",
        ),
        pytest.param(
            Unreachable("http://h", "connection refused", was_sent=False),
            Fault("there is no answer from http://h: connection refused", 1),
            id="api-away",
        ),
        pytest.param(
            wrong_argument(),
            Fault("cost: Input should be greater than or equal to 0", 2),
            id="wire-misused",
        ),
        pytest.param(ZeroDivisionError("x"), None, id="a-bug-is-not-explained"),
    ],
)
def test_explained(error: Exception, fault: Fault | None) -> None:
    """What can be expected to go wrong has words that say what to do, and the exit code of its kind."""
    assert explained(error) == fault


def test_a_name_cannot_steer_the_terminal() -> None:
    """What somebody called their key is shown as text: no markup, no escape sequences."""
    stream = io.StringIO()
    hostile = "[red]x[/red]\x1b]0;title\x07\u202e"
    Output(stream, is_json=False).show({}, plain(hostile), table(("name",), [(hostile,)]))

    assert stream.getvalue().count("[red]x[/red]\\x1b]0;title\\x07\\x202e") == 2


def test_a_pipe_gets_whole_ids_and_secrets() -> None:
    """What is copied or read by a program is never cut or wrapped to fit a window."""
    stream = io.StringIO()
    Output(stream, is_json=False).show(
        {}, plain("s" * 500), table(("id", "name"), [("i" * 60, "n" * 60)])
    )

    assert "s" * 500 in stream.getvalue()
    assert "i" * 60 in stream.getvalue()


def test_a_narrow_window_breaks_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id can be copied from a small terminal too."""

    monkeypatch.setenv("COLUMNS", "40")
    stream, longest = Window(), "acc_" + "x" * 60
    Output(stream, is_json=False).show({}, table(("id", "name"), [(longest, "many words " * 5)]))

    assert longest in stream.getvalue()


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        pytest.param(120, ["id", "name", "created", "used"], id="wide"),
        pytest.param(44, ["id", "name", "used"], id="narrower"),
        pytest.param(30, ["id", "name"], id="narrow"),
        pytest.param(10, ["id", "name"], id="too-narrow"),
    ],
)
def test_a_narrow_window_does_without_some_columns(
    monkeypatch: pytest.MonkeyPatch, width: int, columns: list[str]
) -> None:
    """In a small window the columns that matter least are left out, before anything else is folded."""

    monkeypatch.setenv("COLUMNS", str(width))
    stream = Window()
    rows = [("key_" + "x" * 16, "production", "2 min ago", "3 min ago")]
    grid = table(("id", "name", "created", "used"), rows, ("created", "used"))
    Output(stream, is_json=False).show({}, grid)

    heading, row, *_ = stream.text.splitlines()
    assert heading.split() == columns
    assert row.startswith(rows[0][0])


@pytest.mark.parametrize("width", [80])
def test_a_list_of_keys_fits_a_usual_window(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """In eighty columns a list of keys has no line that wraps, and says what matters."""

    monkeypatch.setenv("COLUMNS", str(width))
    stream = Window()
    key = KEY.model_copy(update={"id": "key_" + "x" * 16, "name": "production-dns-deploy"})
    spare = ("created", "scopes", "used", "account", "expires")
    Output(stream, is_json=False).show({}, table(*listed([key], NOW), spare))

    assert max(map(len, stream.text.splitlines())) <= width
    assert stream.text.split()[:4] == ["id", "name", "key", "status"]

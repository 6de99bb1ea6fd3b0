"""How keys, receipts and faults are told."""

import dataclasses
import io
import json

import pytest
import typer

from admin.cli.faults import Fault, explained
from admin.cli.key_words import details, document, enforced, listed, receipt_sentence
from admin.cli.output import Output, plain, table
from admin.core.faults import NotFound
from admin.services.keys import KeyView, SecretView
from gateway.core.changes import Receipt
from gateway.core.errors import KeywrightError, Misuse, StoreError
from gateway.core.keys import Environment, KeyStatus, KeyType
from gateway.settings import Problem, SettingsError

NOW = 1_800_000_000.0
KEY = KeyView(
    id="key_1",
    account_id="acc_1",
    name="ci",
    type=KeyType.SECRET,
    environment=Environment.LIVE,
    status=KeyStatus.ACTIVE,
    scopes=("read-only", "dns-only"),
    version=2,
    created_at=NOW - 120,
    updated_at=NOW - 120,
    secrets=(SecretView(id="9aB3xxxxxxxx", created_at=NOW - 120, shown="sk_live_9aB3…"),),
)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        pytest.param({}, "active", id="active"),
        pytest.param({"expires_at": NOW}, "expired", id="expires-now"),
        pytest.param({"expires_at": NOW + 1}, "active", id="not-expired-yet"),
        pytest.param({"not_before": NOW + 1}, "not yet valid", id="not-yet-valid"),
        pytest.param({"not_before": NOW}, "active", id="valid-from-now"),
        pytest.param({"status": KeyStatus.DISABLED}, "disabled", id="disabled"),
        pytest.param(
            {"status": KeyStatus.REVOKED, "expires_at": NOW - 1}, "revoked", id="revoked-wins"
        ),
    ],
)
def test_state(changes: dict[str, object], state: str) -> None:
    """A list says whether a key works, not just what was once stored."""
    told = dict(details(dataclasses.replace(KEY, **changes), NOW))  # type: ignore[arg-type]

    assert told["status"] == state


def test_a_list_shows_no_more_of_a_secret_than_it_may() -> None:
    """A screen that others can see gives no key away."""
    columns, rows = listed([KEY], NOW)

    assert columns == ["id", "name", "key", "status", "scopes", "created", "expires"]
    assert rows == [
        ["key_1", "ci", "sk_live_9aB3…", "active", "read-only, dns-only", "2 min ago", "never"]
    ]


def test_a_list_of_several_accounts_names_them() -> None:
    """Keys of different accounts can be told apart."""
    columns, rows = listed([KEY, dataclasses.replace(KEY, account_id="acc_2")], NOW)
    at = columns.index("account")

    assert [row[at] for row in rows] == ["acc_1", "acc_2"]


def test_details_leave_out_what_is_not_there() -> None:
    """A key's page has what it has, and its restrictions when there are any."""
    names = {name for name, _ in details(KEY, NOW)}
    restricted = dict(
        details(dataclasses.replace(KEY, addresses=("192.0.2.0/24",), revoked_at=NOW - 60), NOW)
    )

    assert names == {"id", "name", "account", "key", "status", "scopes", "created", "expires"}
    assert restricted["addresses"] == "192.0.2.0/24"
    assert restricted["revoked"] == "1 min ago"


def test_document_is_json() -> None:
    """A program reads a key's every field, with times that it can parse."""
    read = json.loads(json.dumps(document(KEY)))

    assert read["id"] == "key_1"
    assert read["status"] == "active"
    assert read["created_at"] == "2027-01-15T07:58:00.000Z"
    assert read["secrets"][0]["shown"] == "sk_live_9aB3…"


@pytest.mark.parametrize(
    ("receipt", "sentence", "proof"),
    [
        pytest.param(
            Receipt(2, 2, 11),
            "enforced on 2 of 2 workers in 11 ms",
            {"workers": 2, "acknowledged": 2, "ms": 11, "missing": []},
            id="all",
        ),
        pytest.param(
            Receipt(2, 1, 2000, missing=("w7",)),
            "enforced on 1 of 2 workers in 2000 ms; no answer yet from w7",
            {"workers": 2, "acknowledged": 1, "ms": 2000, "missing": ["w7"]},
            id="one-missing",
        ),
        pytest.param(
            Receipt(0, 0, 1),
            "no worker runs just now, so none has to be told",
            {"workers": 0, "acknowledged": 0, "ms": 1, "missing": []},
            id="nobody-runs",
        ),
        pytest.param(
            Receipt(0, 0, 0, is_announced=False),
            "Redis could not be told; workers that run find it in the database within 2 s",
            {"workers": 0, "acknowledged": 0, "ms": 0, "missing": [], "announced": False},
            id="redis-away",
        ),
    ],
)
def test_receipt(receipt: Receipt, sentence: str, proof: dict[str, object]) -> None:
    """Whoever revokes a key learns who enforces it, and never more than is proven."""
    assert receipt_sentence(receipt) == sentence
    assert enforced(receipt) == proof


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

    class Window(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "40")
    stream, longest = Window(), "acc_" + "x" * 60
    Output(stream, is_json=False).show({}, table(("id", "name"), [(longest, "many words " * 5)]))

    assert longest in stream.getvalue()

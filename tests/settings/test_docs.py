"""docs/settings.md is complete and true."""

import enum
import re
from pathlib import Path
from types import NoneType
from typing import get_args

import pytest
import yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from gateway.settings.document import parse
from gateway.settings.fields import SECRETS, every_field
from gateway.settings.problems import field_text
from gateway.settings.sections import Section, Settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `([^`]+)` \| (.*?) \| (.*?) \| (.*?) ?\|$", re.MULTILINE)
FIELDS = dict(every_field())
ROWS = {
    found[0]: found[1:]
    for found in ROW.findall(PAGE.read_text())
    if not found[0].startswith("KEYWRIGHT_")
}
# Their default is a few words in the table, and checked by test_example.py.
DESCRIBED = {
    "scopes",
    "plans",
    "plans.NAME.limits",
    "scopes.NAME[].methods",
    "scopes.NAME[].routes",
}


def _is_section(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, Section)


def test_every_field_has_its_row() -> None:
    """No setting is undocumented, and nothing is documented that is not a setting."""
    top_level = {name for name, info in FIELDS.items() if "." not in name and _is_section(info)}

    assert set(ROWS) == set(FIELDS) - top_level


def test_every_section_has_its_heading() -> None:
    """Whoever sees a section in the file finds it by its name on the page, in the same order."""
    headings = re.findall(r"^## (\w+)$", PAGE.read_text(), re.MULTILINE)
    names = [info.alias or name for name, info in Settings.model_fields.items()]

    assert [one for one in headings if one in names] == names


@pytest.mark.parametrize("name", [name for name in ROWS if name not in DESCRIBED])
def test_default_is_true(name: str) -> None:
    """The default on the page is the default in the program."""
    info, written = FIELDS[name], ROWS[name][1]
    if info.is_required():
        assert written == "required"
    elif info.default is None:
        assert written == "none"
        assert NoneType in get_args(info.annotation)
    elif not _is_section(info):
        value = parse(written.strip("`"), "docs").data
        assert TypeAdapter(info.rebuild_annotation()).validate_python(value) == info.default


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if " to " in row[0]])
def test_bounds_are_true(name: str) -> None:
    """The bounds on the page are the first and the last value that the program takes."""
    found = re.search(r"([0-9]\w*) to ([0-9]\w*)", ROWS[name][0])
    assert found is not None
    adapter = TypeAdapter(FIELDS[name].rebuild_annotation())
    least, most, beyond = _around(ROWS[name][0], *found.groups())

    adapter.validate_python(least)
    adapter.validate_python(most)
    with pytest.raises(ValueError, match="validation error"):
        adapter.validate_python(beyond)


def _around(kind: str, least: str, most: str) -> tuple[object, object, object]:
    """Values of this kind: the least, the most, and one beyond."""
    if "characters" in kind or "of a-z" in kind:
        return "a" * int(least), "a" * int(most), "a" * (int(most) + 1)
    low, high, beyond = (parse(text, "docs").data for text in (least, most, _ten_times(most)))
    return ([low], [high], [beyond]) if kind.startswith("list of") else (low, high, beyond)


def _ten_times(bound: str) -> str:
    digits = re.match(r"[0-9]+", bound)
    assert digits is not None
    return f"{digits[0]}0{bound[digits.end() :]}"


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "`, `" in row[0]])
def test_choices_are_true(name: str) -> None:
    """The words on the page are the words that the program takes."""
    annotation = FIELDS[name].annotation
    is_enum = isinstance(annotation, type) and issubclass(annotation, enum.Enum)
    words = list(annotation) if is_enum else get_args(annotation)  # type: ignore[call-overload]

    assert re.findall(r"`(\w+)`", ROWS[name][0]) == [str(word) for word in words]


def test_secrets_are_named() -> None:
    """The page says which fields can stand elsewhere: exactly those."""
    assert {name for name, row in ROWS.items() if row[0].startswith("secret")} == {
        field_text(path) for path in SECRETS
    }


def test_examples_are_yaml() -> None:
    """Whatever the page shows as a file can be copied into one."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)

    assert len(blocks) == 2
    assert all(isinstance(yaml.safe_load(block), dict) for block in blocks)

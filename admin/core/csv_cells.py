"""Rows of CSV (RFC 4180) that a spreadsheet takes for what they are: texts, never formulas. Pure."""

__all__ = ["csv_row"]

import csv
import io
from collections.abc import Iterable
from typing import Final

# What makes Excel, LibreOffice or Google Sheets compute a cell (OWASP: CSV injection).
_FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 -- the wide ones, too
_QUOTE: Final = "'"


def csv_row(cells: Iterable[str | float | None]) -> str:
    """One line with its end. A text that a spreadsheet would compute gets an apostrophe before it; None is empty."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow([_cell(cell) for cell in cells])
    return written.getvalue()


def _cell(cell: str | float | None) -> str | float:
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULAS):
        return _QUOTE + cell
    return cell

"""Every page of the console. What checks all of them (tests/console) goes by these tables."""

__all__ = ["OPEN_PAGES", "PAGES"]

from collections.abc import Sequence

from admin.console.page import OpenPage, Page
from admin.console.proving import PROVING_PAGES
from admin.console.sign_in import SIGN_IN_PAGES, SIGN_OUT_PAGES
from admin.console.start import START_PAGES

PAGES: Sequence[Page] = (
    *START_PAGES,
    *SIGN_OUT_PAGES,
    *PROVING_PAGES,
)
OPEN_PAGES: Sequence[OpenPage] = (*SIGN_IN_PAGES,)

"""Everything that is promised of the proxy is promised of both lanes: each test here runs with either."""

import pytest

from tests.http import stand


@pytest.fixture(autouse=True, params=["express", "aiohttp"])
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which lane has the first look at a connection."""
    chosen = str(request.param)
    monkeypatch.setattr(stand, "IS_EXPRESS", chosen == "express")
    return chosen

"""An account's month in the console."""

import pytest

from admin.console.quota import level_of
from admin.wire.quotas import QuotaUse
from tests.console.stand import House
from tests.console.test_keys import followed, once, words


@pytest.mark.parametrize(
    ("used", "extra", "passed", "look", "forecast"),
    [
        pytest.param(10, 0, 0.5, "", 20, id="will-last"),
        pytest.param(60, 0, 0.5, "warn", 120, id="will-not-last"),
        pytest.param(60, 50, 0.5, "", 120, id="with-what-is-allowed-on-top"),
        pytest.param(75, 0, 1.0, "warn", 75, id="three-quarters"),
        pytest.param(100, 0, 0.9, "bad", 111, id="used-up"),
        pytest.param(1, 0, 0.001, "", None, id="too-soon-to-say"),
    ],
)
def test_a_quota_says_whether_it_will_last(
    used: int, extra: int, passed: float, look: str, forecast: int | None
) -> None:
    """The bar warns before the month is lost, and says nothing of a month that has just begun."""
    use = QuotaUse(limit=100, extra=extra, used=used, remaining=max(0, 100 + extra - used))
    level = level_of(use, passed)

    assert (level.look, level.forecast) == (look, forecast)
    assert level.allowed == 100 + extra


async def test_more_is_allowed_for_a_time(house: House) -> None:
    """An operator raises a quota with a reason, the customer sees it, and it is ended before its time."""
    page = f"/accounts/{house.own.id}/quota"
    async with house.browsing(house.admin) as browser, house.browsing(house.own.member) as member:
        mark = await once(browser, page)
        fields = {"once": mark, "requests": "5000", "lasts": "7d", "reason": "a sale"}
        raised = await followed(browser, await browser.send(f"{page}/raises", fields))
        seen = words(await member.get("/quota"))
        raise_id = (await browser.get(page)).text.split("/raises/")[1].split("/end")[0]
        ended = await followed(browser, await browser.send(f"{page}/raises/{raise_id}/end"))

    assert "More is allowed." in raised
    assert "a sale" in seen
    assert "Allow more for a time" not in seen
    assert "The raise has ended." in ended

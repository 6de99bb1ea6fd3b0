"""What an account is told of, chosen in the console."""

import re

from tests.console.stand import House
from tests.console.test_keys import followed, words

_VERSION = re.compile(r'name="version" value="(\d+)"')


async def test_thresholds_and_kinds_are_chosen(house: House) -> None:
    """What is moved and switched is what the account is told of; what is left stays the configuration's."""
    page = f"/accounts/{house.own.id}/alerts"
    async with house.browsing(house.own.member) as browser:
        before = (await browser.get("/alerts")).text
        kinds = re.findall(r'name="(kind-[a-z_.]+)" value="yes"( checked)?', before)
        version = _VERSION.findall(before)[0]
        fields: dict[str, object] = {
            name: "yes" for name, is_on in kinds if is_on and name != "kind-key.unused"
        }
        fields |= {"threshold": ["50", "0", "95"], "version": version}
        done = await followed(browser, await browser.send(page, fields))
        after = (await browser.get("/alerts")).text
        stale = await browser.send(page, {**fields, "threshold": ["10"]})

    assert "Kept." in done
    assert re.findall(r'name="threshold"[^>]* value="(\d+)"', after)[:2] == ["50", "95"]
    assert re.search(r'name="kind-key\.unused" value="yes" aria', after)
    assert re.search(r'name="kind-key\.expiring" value="yes" checked', after)
    assert stale.status_code == 422
    assert "meanwhile" in words(stale)


async def test_a_threshold_that_cannot_be_is_told(house: House) -> None:
    """A number beyond what a quota can be watched for changes nothing."""
    async with house.browsing(house.own.member) as browser:
        version = _VERSION.findall((await browser.get("/alerts")).text)[0]
        fields = {"threshold": ["5000"], "version": version}
        answer = await browser.send(f"/accounts/{house.own.id}/alerts", fields)

    assert answer.status_code == 422

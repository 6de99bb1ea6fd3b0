"""The inbox, and where notifications go, in the console."""

import re

from admin.services.notice_making import maker
from admin.stores.planning import PlanStore
from gateway.stores.sql_engine import open_engine
from tests.console.stand import House
from tests.console.test_keys import followed, once, words

_SECRET = re.compile(r'data-secret="(whsec_[^"]+)"')


async def told(house: House, sql_url: str) -> None:
    """What has happened becomes notices, as the control plane does it from time to time."""
    engine = open_engine(sql_url)
    try:
        make = maker(house.clock.now, 86_400.0)
        while await PlanStore(engine).plan(make, 100, house.clock.now()):
            pass
    finally:
        await engine.dispose()


async def test_the_inbox_is_read(house: House, sql_url: str) -> None:
    """What happened to a key stands there, as something new, until it is read."""
    key = house.own.ids["key_id"]
    async with house.browsing(house.own.member) as browser:
        _ = await browser.send(f"/keys/{key}/revoke")
        await told(house, sql_url)
        before = (await browser.get("/inbox")).text
        newest = re.findall(r'name="up_to" value="(\d+)"', before)[0]
        after = await followed(browser, await browser.send("/inbox", {"up_to": newest}))
        unread = words(await browser.get("/inbox?unread=1"))

    assert "revoked" in before
    assert ">New<" in before
    assert "0 not read yet" in after
    assert "Nothing to read." in unread


async def test_a_webhook_from_its_secret_to_its_deliveries(house: House) -> None:
    """Its secret is shown once; a trial stands in the log of deliveries; it is paused and taken away."""
    async with house.browsing(house.own.member) as browser:
        fields = {
            "once": await once(browser, "/channels"),
            "kind": "webhook",
            "name": "our pager",
            "url": "https://pager.example/in",
        }
        sent = await browser.send("/channels", fields)
        shown = await browser.get(sent.headers["Location"])
        gone = await browser.get(sent.headers["Location"])
        channel = re.findall(r'href="(/channels/chn_\w+)"', shown.text)[0]
        tried = await followed(browser, await browser.send(f"{channel}/test"))
        delivery = re.findall(r'href="(/deliveries/\w+)"', (await browser.get(channel)).text)[0]
        log = await browser.get(delivery)
        paused = await followed(
            browser, await browser.send(f"{channel}/switch", {"status": "paused"})
        )
        deleted = await followed(browser, await browser.send(f"{channel}/delete"))

    assert _SECRET.search(shown.text)
    assert gone.status_code == 404
    assert "A trial is on its way." in tried
    assert log.status_code == 200
    assert "What is sent" in log.text
    assert "'our pager' is paused." in paused
    assert "'our pager' is taken away." in deleted


async def test_a_webhook_to_ourselves_is_refused_where_it_is_typed(house: House) -> None:
    """An address of the inside is told to be one, and nothing is made."""
    async with house.browsing(house.own.member) as browser:
        fields = {
            "once": await once(browser, "/channels"),
            "kind": "webhook",
            "name": "inside",
            "url": "http://169.254.169.254/",
        }
        answer = await browser.send("/channels", fields)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text

"""Work that takes longer than a page: many keys disabled, a file of keys taken in."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import expect

from admin.console.operate.unused import Disabling
from admin.core.caller import Role
from admin.services.jobs import Job
from admin.services.keys import NewKey
from tests.console.browser import Opening, look_with_axe
from tests.console.stand import PASSWORD, Browsing, House
from tests.console.test_in_a_browser import found
from tests.console.test_keys import words

ASKED_AGAIN_AFTER = 601.0
MALFORMED = (
    b"",
    b"--x",
    b"--x\r\n\r\n",
    b"--x\r\nContent-Disposition\r\n\r\nv\r\n--x--\r\n",
    b"\xff" * 99,
)


def file_of(account: str, count: int) -> bytes:
    """Keys that are some years old, and three lines that cannot be."""
    old = {"account": account, "created_at": "2019-01-01T00:00:00Z"}
    lines = [
        json.dumps({**old, "name": f"imported-{n}", "value": f"value-{n:020}"})
        for n in range(count)
    ]
    bad = [
        json.dumps({**old, "name": "", "value": "value-x"}),
        "{no JSON",
        json.dumps({"account": "acc_0000000000000000", "name": "n", "value": f"v-{count:020}"}),
    ]
    return "\n".join([*lines, *bad]).encode()


async def taken_in(browser: Browsing, looked: str) -> str:
    """The report of the file whose first report this is."""
    path = re.search(r'action="(/keys/import/job_\w+)"', looked)
    assert path is not None
    return words(await browser.ended(await browser.send(path[1])))


async def test_a_file_is_looked_through_taken_in_and_its_keys_disabled(house: House) -> None:
    """Nothing is changed before somebody has seen what would be; each bad line is told; all old keys end in one go."""
    account = house.own.id
    async with house.browsing(house.admin) as browser:
        begun = await browser.upload("/keys/import", file_of(account, 203))
        looked = await browser.ended(begun)
        before = words(await browser.get(f"/keys?account={account}&q=imported"))
        report = await taken_in(browser, looked.text)
        again = words(
            await browser.ended(await browser.upload("/keys/import", file_of(account, 203)))
        )
        asked = words(await browser.get("/keys/unused/all?kind=old"))
        disabled = words(await browser.ended(await browser.send("/keys/unused/all?kind=old")))
        left = words(await browser.get("/keys/unused?kind=old"))

    assert "Would be created 203" in words(looked)
    assert "Refused 3" in words(looked)
    assert "No key fits." in before
    assert "203 keys are imported" in report
    for number in ("204", "205", "206"):
        assert re.search(rf"{number} \S", report)
    assert "Here already 203" in again
    assert "Older than a year" in asked
    assert "203 of 203 keys are disabled" in disabled
    assert "The first 200 are shown here" in disabled
    assert "No such key." in left


async def test_a_file_is_taken_in_once_and_by_its_owner_alone(house: House) -> None:
    """The second press finds the file gone, and another admin finds nothing at all."""
    other = await house.person(Role.ADMIN, name="Hopper")
    async with house.browsing(house.admin) as browser, house.browsing(other) as elsewhere:
        begun = await browser.upload("/keys/import", file_of(house.own.id, 1))
        looked = await browser.ended(begun)
        path = begun.headers["Location"]
        job = path.rpartition("/")[2]
        foreign = await elsewhere.send(f"/keys/import/{job}")
        seen = await elsewhere.get(path)
        first = await taken_in(browser, looked.text)
        second = await browser.send(f"/keys/import/{job}")

    assert foreign.status_code == seen.status_code == second.status_code == 404
    assert "1 key is imported" in first


async def test_a_file_that_is_none_is_told(house: House) -> None:
    """No file, an empty one, and one of Kong's are told of where they were chosen, and no body breaks the console."""
    async with house.browsing(house.admin) as browser:
        for body, told in (
            (b"", "Choose a file."),
            (b" \n", "Choose a file."),
            (b"_format_version: '3.0'\nconsumers: []\n", "keywright keys import FILE"),
        ):
            answer = await browser.upload("/keys/import", body)
            assert answer.status_code == 422
            assert told in words(answer)
        for body in MALFORMED:
            answer = await browser.client.post(
                "/keys/import",
                content=body,
                headers={
                    "Origin": house.url,
                    "Content-Type": "multipart/form-data; boundary=x",
                },
            )
            assert answer.status_code in {403, 422}, body


async def test_taking_in_asks_who_it_is(house: House) -> None:
    """Whoever finds an open browser brings no keys of theirs in by it; what was looked through waits."""
    grace = await house.person(Role.ADMIN, name="Hopper", password=PASSWORD)
    async with house.browsing(grace) as browser:
        begun = await browser.upload("/keys/import", file_of(house.own.id, 1))
        await browser.ended(begun)
        house.clock.advance(ASKED_AGAIN_AFTER)
        path = f"/keys/import/{begun.headers['Location'].rpartition('/')[2]}"
        asked = await browser.send(path)
        done = await browser.ended(await browser.send(path, {"_password": PASSWORD}))

    assert "Is it still you?" in asked.text
    assert "1 key is imported" in words(done)


async def test_ticked_keys_are_disabled(house: House) -> None:
    """Those that are ticked are disabled, each is told of, and a key of nobody's does not stop the others."""
    made = [
        await house.services.keys.create(
            house.own.member.caller, NewKey(house.own.id, f"live-old-{n}")
        )
        for n in range(3)
    ]
    async with house.browsing(house.own.member) as browser:
        ids = [one.key.id for one in made[:2]]
        begun = await browser.send("/keys/unused", {"key": [*ids, house.other.ids["key_id"]]})
        answer = words(await browser.ended(begun))
        nothing = await browser.send("/keys/unused", {})
        disabled = words(await browser.get("/keys?state=disabled"))

    assert "2 of 3 keys are disabled" in answer
    assert "There is no key" in answer
    assert nothing.status_code == 422
    assert "live-old-0" in disabled
    assert "live-old-2" not in disabled


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "no-scripts"])
async def test_a_page_says_how_far_the_work_is(
    house: House, opening: Opening, *, has_scripts: bool
) -> None:
    """While it runs a bar stands there that moves by itself, and then the report; everybody can read both."""
    further = asyncio.Event()

    async def steps(job: Job) -> AsyncGenerator[None, None]:
        for _ in range(2):
            await further.wait()
            further.clear()
            job.done += 1
            yield

    jobs = house.services.console.jobs
    job = jobs.begin(house.own.member.caller, "disable", Disabling(count=2), steps, 2)
    async with opening(house.own.member, java_script_enabled=has_scripts) as window:
        tab, path = window.page, f"/work/{job.id}"
        if has_scripts:
            await look_with_axe(window)
            assert await found(tab, path) == []
        await tab.goto(path)
        await expect(tab.get_by_role("status")).to_contain_text("0 of 2.")
        further.set()
        await expect(tab.get_by_role("status")).to_contain_text("1 of 2.")
        assert await tab.get_by_role("progressbar").get_attribute("value") == "1"
        further.set()
        heading = tab.get_by_role("heading", name="2 of 2 keys are disabled")
        await expect(heading).to_be_visible()
        if has_scripts:
            assert await found(tab, path) == []


async def test_a_file_that_is_too_large_is_refused(house: House) -> None:
    """What no import would take in one piece is refused before it has come."""
    place = urlsplit(house.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    head = (
        f"POST /keys/import HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: keywright={house.admin.token}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {8 * 1024 * 1024 + 1}\r\n\r\n"
    )
    writer.write(head.encode())
    async with asyncio.timeout(15):
        answer = await reader.readuntil(b"</main>")
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.1 422 ")
    assert b"larger than 8192 KiB" in answer

"""What operators do in the console: accounts, access, users, unused keys, the audit log, the gateway."""

import re
from pathlib import Path

from admin.core.caller import Role
from tests.console.stand import House
from tests.console.test_keys import followed, once, words


async def test_an_account_from_nothing_to_its_access(house: House) -> None:
    """An operator makes an account, changes its plan, and switches its access off with a reason."""
    async with house.browsing(house.admin) as browser:
        mark = await once(browser, "/accounts")
        made = await browser.send("/accounts", {"name": "Initech", "plan": "starter", "once": mark})
        account = made.headers["Location"]
        changed = await followed(browser, await browser.send(account, {"plan": "large"}))
        off = await followed(
            browser,
            await browser.send(
                f"{account}/api-access/disable", {"reason": "unpaid bill", "back": "account"}
            ),
        )
        listed = words(await browser.get("/accounts?plan=large&api_access=disabled"))

    assert "The account was changed." in changed
    assert "API access is off for 'Initech'" in off
    assert "unpaid bill" in off
    assert "Initech" in listed


async def test_access_is_requested_and_decided(house: House) -> None:
    """A member reads the sentence, asks, waits; an operator approves; the member has the endpoint and the keys."""
    account = house.own.id
    async with house.browsing(house.admin) as operator, house.browsing(house.own.member) as member:
        _ = await operator.send(f"/accounts/{account}/api-access/disable", {"reason": ""})
        off = words(await member.get("/access"))
        asked = await followed(member, await member.send("/access", {"note": "for our zones"}))
        waiting = words(await operator.get("/access-requests"))
        refused = await operator.send(f"/accounts/{account}/api-access/deny", {"reason": ""})
        denied = await followed(
            operator,
            await operator.send(f"/accounts/{account}/api-access/deny", {"reason": "say more"}),
        )
        told = words(await member.get("/access"))
        _ = await member.send("/access", {"note": "for the zones of our customers"})
        _ = await operator.send(f"/accounts/{account}/api-access/approve", {"reason": ""})
        on = words(await member.get("/access"))

    assert "API Access is currently disabled on your account." in off
    assert "Request API Access" in off
    assert "Requested" in asked
    assert "Acme" in waiting
    assert "for our zones" in waiting
    assert refused.status_code == 422
    assert "Say why API access is denied" in words(refused)
    assert "API access is denied to 'Acme'" in denied
    assert "say more" in told
    assert "http://127.0.0.1:8080" in on


async def test_a_user_is_made_narrowed_and_disabled(house: House) -> None:
    """Role, account and scopes are chosen in the form; what is changed is what is sent."""
    async with house.browsing(house.admin) as browser:
        mark = await once(browser, "/users/new")
        fields = {
            "once": mark,
            "email": "lin@example.com",
            "name": "Lin",
            "role": "member",
            "account": house.own.id,
            "is_narrowed": "yes",
            "scopes": "read-only",
        }
        made = await browser.send("/users/new", fields)
        user = made.headers["Location"]
        page = (await browser.get(user)).text
        fields |= {"status": "disabled", "name": "Lin"}
        del fields["once"]
        done = await followed(browser, await browser.send(user, fields))
        listed = words(await browser.get("/users?status=disabled"))

    assert re.search(r'name="scopes" value="read-only" checked', page)
    assert "The user was changed." in done
    assert "lin@example.com" in listed


async def test_the_audit_log_is_read_and_verified(house: House) -> None:
    """Who did what stands there with what it changed, and the log proves that it is whole."""
    key = house.own.ids["key_id"]
    async with house.browsing(house.own.member) as member:
        _ = await member.send(f"/keys/{key}/rename", {"name": "live-dns-mirror"})
    async with house.browsing(house.admin) as browser:
        log = words(await browser.get(f"/audit?target={key}&action=key.update"))
        whole = words(await browser.get("/audit/verify"))
        wrong = words(await browser.get("/audit/verify?expect=1:" + "0" * 64))

    assert "key: update" in log
    assert "Acme-dns-sync live-dns-mirror" in log
    assert "The log is whole" in whole
    assert "The log is broken" in wrong


async def test_the_gateway_and_what_a_reload_would_change(house: House, tmp_path: Path) -> None:
    """An operator sees how it is, how it is configured without secrets, and what an edit of the file would do."""
    file = tmp_path / "keywright.yaml"
    text = file.read_text()
    async with house.browsing(house.admin) as browser:
        health = words(await browser.get("/gateway"))
        same = words(await browser.get("/gateway/config"))
        file.write_text(text + "\nlimits: {mode: exact}\n")
        other = words(await browser.get("/gateway/config"))
        file.write_text(text + "\nlimits: {mode: exactly}\n")
        wrong = words(await browser.get("/gateway/config"))
        file.write_text(text.replace("listen:\n", "listen:\n  port: 9999\n"))
        fixed = words(await browser.get("/gateway/config"))

    assert "control plane Ready" in health
    assert "Nothing: the file says what is in force." in same
    assert "limits.mode leased exact" in other
    assert "limits.mode" in wrong
    assert "did you mean" in wrong.lower() or "exact" in wrong
    assert "listen.port cannot change by a reload" in fixed


async def test_a_viewer_of_all_accounts_sees_and_changes_nothing(house: House) -> None:
    """Who may look at everything is offered no form, and every form is refused."""
    viewer = await house.person(Role.VIEWER, None, name="Lin", email="lin@example.com")
    async with house.browsing(viewer) as browser:
        accounts = words(await browser.get("/accounts"))
        refused = await browser.send("/accounts", {"name": "Mine", "once": "0123456789abcdef"})

    assert "Acme" in accounts
    assert "New account" not in accounts
    assert refused.status_code == 403

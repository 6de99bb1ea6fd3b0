"""What somebody finds who looks up what a key did."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from admin.core.caller import Role
from admin.core.faults import NotAllowed, NotFound
from admin.core.page import PageRequest, encoded
from admin.services.usage import RequestFilter, Subject
from gateway.core.errors import Misuse
from tests.admin.usage.stand import AT, UsageStand, a_record
from tests.admin.world import OPERATOR, caller_of

KEY = Subject("key", "key_1")


@pytest.fixture
async def stand(sql_engine: AsyncEngine) -> UsageStand:
    """Two accounts with three keys, and nothing used yet."""
    stand = UsageStand(sql_engine)
    await stand.two_accounts()
    return stand


@pytest.mark.parametrize("size", [1, 2, 3, 100])
async def test_pages_hold_every_request_once_newest_first(stand: UsageStand, size: int) -> None:
    """Whatever the size of a page, each request is on one of them, also of those that began in one moment."""
    await stand.write(a_record("a", 1), a_record("b", 2), a_record("c", 2), worker="w_b")
    await stand.write(a_record("d", 2), a_record("e", 3), worker="w_a")

    assert await stand.listed(KEY, size=size) == ["e", "d", "c", "b", "a"]


async def test_what_comes_in_meanwhile_moves_nothing(stand: UsageStand) -> None:
    """A page leads to the next one, though requests were recorded between the two."""
    await stand.write(*(a_record(name, after) for after, name in enumerate("abcd")))
    first = await stand.usage.requests(OPERATOR, KEY, RequestFilter(), PageRequest(2))
    await stand.write(a_record("new", 9))
    second = await stand.usage.requests(
        OPERATOR, KEY, RequestFilter(), PageRequest(2, first.next_cursor)
    )

    assert [each.record.request_id for each in first.items] == ["d", "c"]
    assert [each.record.request_id for each in second.items] == ["b", "a"]
    assert second.next_cursor is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param({}, "abcd", id="all"),
        pytest.param({"since": AT + 2}, "cd", id="since-is-in"),
        pytest.param({"until": AT + 2}, "ab", id="until-is-out"),
        pytest.param({"since": AT + 1, "until": AT + 3}, "bc", id="between"),
        pytest.param({"status": (404, 404)}, "b", id="one-status"),
        pytest.param({"status": (400, 499)}, "bc", id="a-class-of-them"),
        pytest.param({"outcome": "rate_limited"}, "c", id="outcome"),
        pytest.param({"route": "mail"}, "d", id="route"),
        pytest.param({"method": "POST"}, "d", id="method"),
        pytest.param({"path": "/v1/mail"}, "d", id="path"),
        pytest.param({"path": "/v1/"}, "", id="a-part-of-a-path-is-another"),
        pytest.param({"path": "/v1/", "path_begins": True}, "bd", id="begins"),
        pytest.param({"path": "/V1/", "path_begins": True}, "c", id="a-capital-is-another-letter"),
        pytest.param({"path": "/_", "path_begins": True}, "", id="no-placeholder"),
        pytest.param({"address": "192.0.2.9"}, "a", id="address"),
        pytest.param({"request_id": "b"}, "b", id="request-id"),
        pytest.param({"route": "dns", "status": (200, 299)}, "a", id="both"),
        pytest.param({"outcome": "nothing"}, "", id="none"),
    ],
)
async def test_only_what_fits_is_shown(
    stand: UsageStand, wanted: Mapping[str, Any], expected: str
) -> None:
    """Each word of a filter narrows by itself, and several by all of them."""
    await stand.write(
        a_record("a", 0, address="192.0.2.9", path="/"),
        a_record("b", 1, status=404, path="/v1/dns"),
        a_record("c", 2, status=429, outcome="rate_limited", path="/V1/dns"),
        a_record("d", 3, route="mail", method="POST", path="/v1/mail"),
    )

    assert await stand.listed(KEY, **wanted) == list(expected)[::-1]


@pytest.mark.parametrize("size", [1, 100])
async def test_the_rare_is_found_among_many(sql_engine: AsyncEngine, size: int) -> None:
    """However many others lie between, nothing that fits is missed; no page looks at more than it may."""
    stand = UsageStand(sql_engine, looked_at=10)
    await stand.two_accounts()
    account, _ = await stand.account_ids()
    for number in range(25):
        more = {"key_id": f"key_{1 + number % 2}", "account_id": account}
        await stand.write(a_record(f"{number}", number // 3, status=200 + number % 7, **more))
    of_key = await stand.listed(KEY, size=size, status=(204, 204))
    of_both = await stand.listed(Subject("account", account), size=size, status=(204, 204))
    first = await stand.usage.requests(
        OPERATOR, KEY, RequestFilter(request_id="0"), PageRequest(size)
    )

    assert of_key == ["18", "4"]
    assert of_both == ["18", "11", "4"]
    assert first.items == ()
    assert first.next_cursor is not None


async def test_an_account_has_the_requests_of_its_keys(stand: UsageStand) -> None:
    """All of them, in one order; those of other accounts are not among them."""
    first, second = await stand.account_ids()
    for number in range(6):
        key_id, account_id = f"key_{1 + number % 3}", second if number % 3 == 2 else first
        await stand.write(a_record(f"{number}", number, key_id=key_id, account_id=account_id))

    assert await stand.listed(Subject("account", first), size=2) == ["4", "3", "1", "0"]
    assert await stand.listed(Subject("account", second)) == ["5", "2"]
    assert await stand.listed(Subject("account", first), since=AT + 86_400 * 2) == []


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
async def test_who_belongs_elsewhere_is_told_what_is_told_of_nothing(
    stand: UsageStand, role: Role
) -> None:
    """Another account's key reads like one that does not exist, and so does the account."""
    first, second = await stand.account_ids()
    caller = caller_of(role, first)
    await stand.write(a_record("theirs", key_id="key_3"), a_record("own", key_id="key_1"))
    for hidden, missing in (
        (Subject("key", "key_3"), Subject("key", "key_9")),
        (Subject("account", second), Subject("account", "acc_9")),
    ):
        told = []
        for subject in (hidden, missing):
            with pytest.raises(NotFound) as caught:
                await stand.listed(subject, caller)
            told.append(str(caught.value).replace(subject.id, "ID"))
        assert told[0] == told[1]

    assert await stand.listed(KEY, caller) == ["own"]
    with pytest.raises(NotAllowed):
        await stand.listed(KEY, caller_of(role, first, permissions=frozenset()))


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({"since": AT, "until": AT}, id="no-time-at-all"),
        pytest.param({"since": -1.0}, id="before-1970"),
        pytest.param({"until": 1e12}, id="after-9999"),
        pytest.param({"path": "/\0"}, id="what-no-path-holds"),
        pytest.param({"route": "x" * 201}, id="longer-than-any"),
    ],
)
async def test_what_cannot_be_is_said(stand: UsageStand, wanted: Mapping[str, Any]) -> None:
    """A filter that nothing can fit is a mistake of whoever asks, and not an empty list."""
    with pytest.raises(Misuse):
        await stand.listed(KEY, **wanted)


@pytest.mark.parametrize(
    "cursor",
    ["W10", "x", encoded("requests.key_2", 1, "1"), encoded("requests.key_1", 1, "x")],
)
async def test_a_cursor_of_elsewhere_is_refused(stand: UsageStand, cursor: str) -> None:
    """A cursor leads on in its own list, and nowhere else."""
    with pytest.raises(Misuse, match="cursor"):
        await stand.usage.requests(OPERATOR, KEY, RequestFilter(), PageRequest(1, cursor))

"""ETag, If-Match and If-None-Match (RFC 9110 §13)."""

import asyncio

import pytest

from admin.api.conditions import ANY, NEVER, content_tag, has_tag, versions
from admin.api.problems import Declined, Problem
from tests.admin.api.stand import Api


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param([], ANY, id="no-field"),
        pytest.param(["*"], ANY, id="any"),
        pytest.param([" * "], ANY, id="any-with-blanks"),
        pytest.param(['"7"'], (7,), id="one"),
        pytest.param(['"7-0123abcd"'], (7,), id="as-it-was-read"),
        pytest.param(['"7", "9"'], (7, 9), id="list"),
        pytest.param(['"7"', '"9"'], (7, 9), id="two-fields"),
        pytest.param([', "7" ,, "7",'], (7,), id="empty-elements-and-twice"),
        pytest.param(['W/"7"'], (NEVER,), id="weak-tags-never-match"),
        pytest.param(['W/"7", "8"'], (8,), id="weak-beside-strong"),
        pytest.param(['"abc"'], (NEVER,), id="a-tag-of-somebody-else"),
        pytest.param(['"a,b", "7"'], (7,), id="comma-in-a-tag"),
        pytest.param(['"07"'], (NEVER,), id="not-how-we-write-it"),
        pytest.param(['"9999999999999999999"'], (NEVER,), id="more-than-64-bits"),
        pytest.param(['""'], (NEVER,), id="empty-tag"),
    ],
)
def test_versions_of_if_match(fields: list[str], expected: tuple[int | None, ...]) -> None:
    """If-Match is read as the RFC writes it, weak tags included."""
    assert versions(fields) == expected


@pytest.mark.parametrize(
    "field",
    ["7", '"7', '7"', '"7""8"', '"7" "8"x', '*, "7"', "", ",", 'w/"7"', '"a\x7f"', ", ".join(['"1"'] * 17)],
)  # fmt: skip
def test_what_is_no_list_of_tags_is_refused(field: str) -> None:
    """A condition that cannot be read is not taken for none."""
    with pytest.raises(Declined) as caught:
        versions([field])

    assert caught.value.problem is Problem.BAD_REQUEST


@pytest.mark.parametrize(
    ("fields", "expected"),
    [([], False), (["*"], True), (['"a"'], False), (['"t"'], True), (['W/"t"'], True), (['"a"', '"t"'], True)],
)  # fmt: skip
def test_if_none_match_compares_weakly(fields: list[str], expected: bool) -> None:
    """Whoever has it, under a weak tag or among others, is told so."""
    assert has_tag(fields, '"t"') is expected


def test_tag_of_what_is_read_follows_its_content() -> None:
    """A last use that changed makes another tag, of the same version."""
    one, other = content_tag(7, b"used yesterday"), content_tag(7, b"used today")

    assert one != other
    assert versions([one]) == versions([other]) == (7,)


async def test_a_change_on_condition(api: Api) -> None:
    """A change with the tag that was read is made; once it is made, the same condition fails and changes nothing."""
    path = f"/v1/accounts/{await api.account()}"
    tag = (await api.ask("GET", path)).headers["ETag"]
    first = await api.ask("PATCH", path, {"name": "Second"}, If_Match=tag)
    second = await api.ask("PATCH", path, {"name": "Third"}, If_Match=tag)

    assert (first.status_code, first.headers["ETag"]) == (200, f'"{first.json()["version"]}"')
    assert (second.status_code, second.json()["code"]) == (412, "changed")
    assert (await api.ask("GET", path)).json()["name"] == "Second"


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("*", 200),
        ('"998", "{version}", "999"', 200),
        ('"998", "999"', 412),
        ('W/"{version}"', 412),
        ("{version}", 400),
    ],
)
async def test_kinds_of_conditions(api: Api, condition: str, status: int) -> None:
    """`*`, lists and weak tags mean over HTTP what they mean in the RFC."""
    key = await api.key(await api.account())
    field = condition.replace("{version}", str(key["version"]))
    done = await api.ask("POST", f"/v1/keys/{key['id']}/disable", If_Match=field)

    assert done.status_code == status, done.text
    state = (await api.ask("GET", f"/v1/keys/{key['id']}")).json()["state"]
    assert state == ("disabled" if status == 200 else "active")


async def test_condition_on_what_is_not_there_is_not_found(api: Api) -> None:
    """Nothing is neither changed nor unchanged."""
    answer = await api.ask("DELETE", "/v1/keys/key_0000000000000000", If_Match='"1"')

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_whoever_has_it_is_told_that_it_is_unchanged(api: Api) -> None:
    """If-None-Match saves a body, until something changes."""
    path = f"/v1/accounts/{await api.account()}"
    tag = (await api.ask("GET", path)).headers["ETag"]
    same = await api.ask("GET", path, If_None_Match=tag)
    await api.ask("PATCH", path, {"name": "Other"})
    other = await api.ask("GET", path, If_None_Match=tag)

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    assert (other.status_code, other.json()["name"]) == (200, "Other")


async def test_two_admins_change_one_key_at_once(api: Api) -> None:
    """Exactly one of two changes from the same version is made, ten times out of ten; the other one is told."""
    key = await api.key(await api.account())
    path = f"/v1/keys/{key['id']}"
    for turn in range(10):
        tag = (await api.ask("GET", path)).headers["ETag"]
        answers = await asyncio.gather(
            *(
                api.ask("PATCH", path, {"metadata": {"turn": f"{turn} {who}"}}, If_Match=tag)
                for who in ("ada", "bob")
            )
        )
        made = [answer for answer in answers if answer.status_code == 200]

        assert sorted(answer.status_code for answer in answers) == [200, 412]
        assert (await api.ask("GET", path)).json()["metadata"] == made[0].json()["metadata"]

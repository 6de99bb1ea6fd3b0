"""What an owner leaves of a key's scopes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.keys import Owner, narrowed

GIVEN = ("read-only", "dns-only", "billing")


@pytest.mark.parametrize(
    ("owner", "member_scopes", "expected"),
    [
        pytest.param(None, ("read-only",), GIVEN, id="nobody's-key"),
        pytest.param(Owner("admin", None), (), GIVEN, id="an-admin's"),
        pytest.param(Owner("admin", ()), (), GIVEN, id="an-admin's-own-list-does-not-count"),
        pytest.param(Owner("member", None), None, GIVEN, id="everything-is-offered"),
        pytest.param(Owner("member", None), ("billing", "read-only"), GIVEN[::2], id="the-plan"),
        pytest.param(Owner("member", ("dns-only",)), None, ("dns-only",), id="the-user"),
        pytest.param(Owner("member", ("dns-only", "x")), ("x", "billing"), (), id="both-at-once"),
        pytest.param(Owner("member", ()), None, (), id="a-member-without-any"),
        pytest.param(Owner("member", None), (), (), id="nothing-is-offered"),
        pytest.param(Owner("viewer", None), None, (), id="a-viewer"),
        pytest.param(Owner("viewer", GIVEN), None, (), id="a-viewer-with-a-list"),
        pytest.param(Owner("owner", None), None, (), id="a-role-of-a-later-release"),
        pytest.param(Owner("", None), None, (), id="no-role"),
    ],
)
def test_a_key_holds_no_more_than_its_owner(
    owner: Owner | None, member_scopes: tuple[str, ...] | None, expected: tuple[str, ...]
) -> None:
    """A key may do what its owner may do, and loses the rest when the owner or the plan is narrowed."""
    assert narrowed(GIVEN, owner, member_scopes) == expected


_SCOPES = st.lists(st.sampled_from("abcde"), unique=True).map(tuple)
_OWNERS = st.builds(Owner, st.sampled_from(["admin", "member", "viewer", "x"]), st.none() | _SCOPES)


@given(_SCOPES, st.none() | _OWNERS, st.none() | _SCOPES)
def test_narrowing_only_ever_takes_away(
    scopes: tuple[str, ...], owner: Owner | None, member_scopes: tuple[str, ...] | None
) -> None:
    """No owner and no plan adds a scope to a key, or changes the order; narrowing twice changes nothing."""
    left = narrowed(scopes, owner, member_scopes)

    assert left == tuple(name for name in scopes if name in left)
    assert narrowed(left, owner, member_scopes) == left
    if owner is not None and owner.role == "member":
        for allowed in (owner.scopes, member_scopes):
            assert allowed is None or set(left) <= set(allowed)

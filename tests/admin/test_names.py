"""Names are shown to many: what may stand in one."""

import pytest

from admin.services.validation import checked_name
from gateway.core.errors import Misuse
from gateway.core.keys import Environment, KeyType
from gateway.core.token import compose

TOKEN = compose(KeyType.SECRET, Environment.LIVE, "a" * 12, "b" * 32)


@pytest.mark.parametrize("name", ["live-dns-sync", "Kasse 3", "Bücher", "a", "x" * 100])
def test_a_name_is_kept_as_it_is(name: str) -> None:
    """Printable characters of any script, up to a hundred of them."""
    assert checked_name("key", name) == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(TOKEN, id="key"),
        pytest.param(f"my key {TOKEN}", id="with-a-key-in-it"),
        pytest.param("kwadmin_" + "c" * 50, id="admin-token"),
    ],
)
def test_a_key_is_no_name(name: str) -> None:
    """Somebody who pastes a key where its name belongs is told so, and it is not repeated to anybody."""
    with pytest.raises(Misuse, match="looks like a key or a token") as raised:
        checked_name("key", name)

    assert name not in str(raised.value)


@pytest.mark.parametrize("name", ["", " ", "\t", "a\nb", "x" * 101, "\x00"])
def test_what_cannot_be_read_is_no_name(name: str) -> None:
    """Nothing, blanks, control characters and novels are refused."""
    with pytest.raises(Misuse, match="1 to 100 printable"):
        checked_name("key", name)

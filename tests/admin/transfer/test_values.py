"""Which values can be keys: the import and the gateway must agree."""

from hypothesis import given
from hypothesis import strategies as st

from admin.core.transfer.values import value_problem
from gateway.core.credential import Credential, is_importable

ODD = st.sampled_from("\x00\t\n \x7f\x85\xa0\u2028\ud800\ufeffaé=/.-_:")


@given(st.text(st.characters() | ODD, max_size=12) | st.integers(4090, 4100).map("x".__mul__))
def test_what_is_taken_in_is_what_is_looked_up(value: str) -> None:
    """No value is stored that the gateway would never look for, and none is refused that it would."""
    assert (
        (value_problem(value, "") is None)
        == is_importable(value)
        == Credential(value).is_importable
    )

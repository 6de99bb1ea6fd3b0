"""How long a dead process is waited for before it is started again."""

import pytest

from gateway.serve.pauses import Pauses


@pytest.mark.parametrize(
    ("lives", "expected"),
    [
        pytest.param([5], [0], id="at-first-none"),
        pytest.param([5, 5, 5, 5], [0, 0.1, 0.2, 0.4], id="they-grow"),
        pytest.param(
            [0] * 13, [0, *(0.1 * 2**n for n in range(9)), 30, 30, 30], id="up-to-a-bound"
        ),
        pytest.param([0, 0, 60], [0, 0.1, 0], id="a-sound-life-begins-anew"),
        pytest.param([0, 0, 59.9], [0, 0.1, 0.2], id="a-short-one-does-not"),
    ],
)
def test_pauses(lives: list[float], expected: list[float]) -> None:
    """Traffic does not wait for a worker that died once; one that cannot live is no busy loop."""
    pauses = Pauses()

    assert [pauses.after(seconds) for seconds in lives] == pytest.approx(expected)

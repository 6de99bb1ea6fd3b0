"""The link that `keywright serve` prints: a browser can open it as it stands."""

import pytest

from admin.plane.console_wiring import set_up_url
from gateway.settings import Settings


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        pytest.param({}, "http://127.0.0.1:8081/set-up/x", id="built-in"),
        pytest.param({"admin": {"host": "0.0.0.0"}}, "http://127.0.0.1:8081/set-up/x", id="all"),  # noqa: S104
        pytest.param({"admin": {"port": 9}}, "http://127.0.0.1:9/set-up/x", id="another-port"),
        pytest.param(
            {"console": {"public_url": "https://console.example.com"}},
            "https://console.example.com/set-up/x",
            id="behind-a-proxy",
        ),
    ],
)
def test_link_is_where_the_console_is(sections: dict[str, object], expected: str) -> None:
    """Nobody has to put an address together."""
    assert set_up_url(Settings.model_validate(sections), "x") == expected

"""What is allowed but worth a second look is said, and forbids nothing."""

import pytest

from gateway.settings.load import read_text

API = 'upstreams: {api: {targets: ["http://127.0.0.1:9001"]}}\n'
ROUTE = 'routes: [{name: all, match: {path: "/**"}, upstream: api}]\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(API + ROUTE, [], id="nothing"),
        pytest.param("", ["routes", "upstreams"], id="empty"),
        pytest.param(API, ["routes"], id="no-routes"),
        pytest.param(
            API.replace("}}\n", "}, old: {targets: [http://127.0.0.1:1]}}\n") + ROUTE,
            ["upstreams.old"],
            id="unused-upstream",
        ),
        pytest.param(
            API + ROUTE.replace("upstream:", "plans: [cloud], upstream:"),
            ["routes[0].plans[0]"],
            id="plan",
        ),
        pytest.param(
            API + ROUTE + "listen: {trusted_proxies: [10.0.0.0/8, '::/0']}",
            ["listen.trusted_proxies[1]"],
            id="trusts-everybody",
        ),
        pytest.param(API + ROUTE + "admin: {host: 0.0.0.0}", ["admin.host"], id="admin-for-all"),
        pytest.param(API + ROUTE + "admin: {host: '::1'}", [], id="admin-on-loopback"),
        pytest.param(API + ROUTE + "admin: {host: localhost}", [], id="admin-on-localhost"),
    ],
)
def test_remark(text: str, expected: list[str]) -> None:
    """The operator hears of it at `check`, with the field it is about."""
    reading = read_text(text, "k.yaml", {})

    assert reading.settings is not None
    assert [remark.field for remark in reading.remarks] == expected

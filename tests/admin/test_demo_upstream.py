"""The API that the demo protects."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from admin.demo.upstream import application

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def client(aiohttp_client: Callable[[web.Application], Awaitable[Client]]) -> Client:
    """A caller of a fresh API."""
    return await aiohttp_client(application())


async def test_a_zone_comes_and_goes(client: Client) -> None:
    """A zone can be added, seen, and removed."""
    added = await client.post("/v1/dns/zones", json={"name": "Example.NET"})
    zones = (await (await client.get("/v1/dns/zones")).json())["zones"]
    removed = await client.delete("/v1/dns/zones/example.net")
    gone = await client.get("/v1/dns/zones/example.net")

    assert (added.status, removed.status, gone.status) == (201, 204, 404)
    assert zones == ["example.com", "example.net", "example.org"]


async def test_a_record_comes_and_goes(client: Client) -> None:
    """A record can be added, seen, and removed by the id that it got."""
    path = "/v1/dns/zones/example.com/records"
    sent = {"type": "TXT", "name": "@", "value": "hello"}
    added = await (await client.post(path, json=sent)).json()
    seen = (await (await client.get(path)).json())["records"]
    removed = await client.delete(f"{path}/{added['id']}")
    zone = await (await client.get("/v1/dns/zones/example.com")).json()

    assert sent.items() <= added.items()
    assert added in seen
    assert removed.status == 204
    assert zone == {"name": "example.com", "records": 1}


@pytest.mark.parametrize("path", ["/v1/servers", "/v1/billing"])
async def test_the_other_endpoints_answer(client: Client, path: str) -> None:
    """There is something to see outside DNS, for keys that may and keys that may not."""
    assert (await client.get(path)).status == 200


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/v1/dns/zones", b'{"name": "no zone"}', 422, id="bad-name"),
        pytest.param("/v1/dns/zones", b"{", 400, id="no-json"),
        pytest.param("/v1/dns/zones", b"[]", 400, id="no-object"),
        pytest.param("/v1/dns/zones", b'{"name": "example.com"}', 409, id="there-already"),
        pytest.param("/v1/dns/zones/none.example/records", b"{}", 404, id="no-such-zone"),
        pytest.param("/v1/dns/zones/example.com/records", b'{"type": "X"}', 422, id="bad-type"),
        pytest.param(
            "/v1/dns/zones/example.com/records", b'{"type": "A", "name": 1}', 422, id="bad-value"
        ),
        pytest.param("/v1/dns/zones", b" " * 70_000, 413, id="too-large"),
    ],
)
async def test_what_cannot_be_is_refused(
    client: Client, path: str, body: bytes, status: int
) -> None:
    """A mistake in the demo is answered, and does not end it."""
    assert (await client.post(path, data=body)).status == status


async def test_its_memory_is_bounded(client: Client) -> None:
    """A loop of posts fills the demo, not the machine."""
    path, sent = "/v1/dns/zones/example.com/records", {"type": "A", "name": "x", "value": "y"}
    statuses = {(await client.post(path, json=sent)).status for _ in range(1001)}

    assert statuses == {201, 507}

"""The API that the demo protects: DNS zones and their records, in memory, as a process of its own.

`python -m admin.demo.upstream PORT` serves on 127.0.0.1 (port 0: any that is free), and writes
the port that it listens on, as one line, to stdout. It knows nothing of keys: that is the point.
"""

__all__ = ["Zones", "application"]

import asyncio
import itertools
import os
import re
import signal
import sys
from collections.abc import Mapping

from aiohttp import web

HOST = "127.0.0.1"

_ZONE_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_RECORD_TYPES = frozenset({"A", "AAAA", "CNAME", "MX", "NS", "TXT"})
_BODY_BYTES_MAX = 64 * 1024
_ZONES_MAX = 1000
_RECORDS_MAX = 1000

Record = dict[str, str | int]


class Zones:
    """Zones by name, each with its records by id. Raises aiohttp's HTTP errors for what cannot be."""

    def __init__(self) -> None:
        """Two zones to begin with."""
        self._numbers = itertools.count(1)
        self._zones: dict[str, dict[str, Record]] = {}
        for name in ("example.com", "example.org"):
            self.add(name)
            self.add_record(name, {"type": "A", "name": "www", "value": "192.0.2.10"})

    def names(self) -> list[str]:
        """All zones, sorted."""
        return sorted(self._zones)

    def add(self, name: str) -> None:
        """A new zone without records."""
        if not _ZONE_NAME.fullmatch(name):
            raise web.HTTPUnprocessableEntity(
                text="'name' must be a domain name, such as example.net"
            )
        if name in self._zones:
            raise web.HTTPConflict(text="this zone exists already")
        if len(self._zones) >= _ZONES_MAX:
            raise web.HTTPInsufficientStorage(text="too many zones for a demo")
        self._zones[name] = {}

    def remove(self, name: str) -> None:
        """The zone and its records are gone."""
        self._records(name)
        del self._zones[name]

    def records(self, name: str) -> list[Record]:
        """The zone's records, oldest first."""
        return list(self._records(name).values())

    def add_record(self, name: str, sent: Mapping[str, object]) -> Record:
        """A new record, with the id that it got."""
        records = self._records(name)
        if sent.get("type") not in _RECORD_TYPES:
            raise web.HTTPUnprocessableEntity(
                text=f"'type' must be one of {', '.join(sorted(_RECORD_TYPES))}"
            )
        if not isinstance(sent.get("name"), str) or not isinstance(sent.get("value"), str):
            raise web.HTTPUnprocessableEntity(text="'name' and 'value' must be texts")
        if len(records) >= _RECORDS_MAX:
            raise web.HTTPInsufficientStorage(text="too many records for a demo")
        record: Record = {"id": f"rec_{next(self._numbers)}"}
        record |= {field: str(sent[field]) for field in ("type", "name", "value")}
        records[str(record["id"])] = record
        return record

    def remove_record(self, name: str, record_id: str) -> None:
        """The record is gone."""
        if self._records(name).pop(record_id, None) is None:
            raise web.HTTPNotFound(text="no such record")

    def _records(self, name: str) -> dict[str, Record]:
        if name not in self._zones:
            raise web.HTTPNotFound(text="no such zone")
        return self._zones[name]


class _Api:
    """The zones as HTTP."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/dns/zones", self.list_zones),
            web.post("/v1/dns/zones", self.add_zone),
            web.get("/v1/dns/zones/{zone}", self.show_zone),
            web.delete("/v1/dns/zones/{zone}", self.remove_zone),
            web.get("/v1/dns/zones/{zone}/records", self.list_records),
            web.post("/v1/dns/zones/{zone}/records", self.add_record),
            web.delete("/v1/dns/zones/{zone}/records/{record}", self.remove_record),
            web.get("/v1/servers", _servers),
            web.get("/v1/billing", _billing),
        ]

    async def list_zones(self, _request: web.Request) -> web.Response:
        return web.json_response({"zones": self._zones.names()})

    async def add_zone(self, request: web.Request) -> web.Response:
        name = str((await _sent(request)).get("name", "")).lower()
        self._zones.add(name)
        return web.json_response({"name": name}, status=201)

    async def show_zone(self, request: web.Request) -> web.Response:
        zone = request.match_info["zone"]
        return web.json_response({"name": zone, "records": len(self._zones.records(zone))})

    async def remove_zone(self, request: web.Request) -> web.Response:
        self._zones.remove(request.match_info["zone"])
        return web.Response(status=204)

    async def list_records(self, request: web.Request) -> web.Response:
        return web.json_response({"records": self._zones.records(request.match_info["zone"])})

    async def add_record(self, request: web.Request) -> web.Response:
        record = self._zones.add_record(request.match_info["zone"], await _sent(request))
        return web.json_response(record, status=201)

    async def remove_record(self, request: web.Request) -> web.Response:
        self._zones.remove_record(request.match_info["zone"], request.match_info["record"])
        return web.Response(status=204)


async def _sent(request: web.Request) -> Mapping[str, object]:
    try:
        body = await request.json()
    except ValueError:
        raise web.HTTPBadRequest(text="the body must be JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body must be a JSON object")
    return body


async def _servers(_request: web.Request) -> web.Response:  # noqa: RUF029 -- aiohttp's handlers are coroutines
    return web.json_response({"servers": [{"id": "srv_1", "name": "web-1", "status": "running"}]})


async def _billing(_request: web.Request) -> web.Response:  # noqa: RUF029 -- aiohttp's handlers are coroutines
    return web.json_response({"currency": "EUR", "open": "12.50"})


def application() -> web.Application:
    """The API with its two zones."""
    app = web.Application(client_max_size=_BODY_BYTES_MAX)
    app.add_routes(_Api(Zones()).routes())
    return app


async def _serve(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = web.AppRunner(application(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port, shutdown_timeout=1.0).start()
    except OSError as error:
        await runner.cleanup()
        sys.exit(
            f"Cannot listen on {HOST}:{port}: {os.strerror(error.errno or 0)}. Choose another port."
        )
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))

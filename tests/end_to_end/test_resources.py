"""What the gateway may use of the machine: it holds no body, whatever its size and however slow its reader."""

import contextlib
import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.big_origin import BigOrigin
from tests.fixtures_gateway import (
    PATIENCE_SECONDS,
    BatteryStage,
    Gateway,
    NewSite,
    Site,
    eventually,
)

MIB = 1 << 20
PIECE = b"x" * MIB


@pytest.fixture
def big_origin() -> Iterator[BigOrigin]:
    """The upstream for this test."""
    with BigOrigin() as origin:
        yield origin


def started(new_site: NewSite, origin: BigOrigin, **listen: object) -> tuple[Gateway, str]:
    """A gateway before that upstream, warm, and a token for it."""
    site: Site = new_site(
        upstreams={"origin": {"targets": [origin.url]}}, listen={"port": 0, **listen}
    )
    gateway = site.start()
    secret = site.operator.key("pub-only").secret
    assert gateway.ask("POST", "/pub/warm", secret, body=b"x" * 65_536).status == 200
    return gateway, secret


def memory(gateway: Gateway, field: str) -> int:
    """Bytes, from what the kernel counts: VmRSS (now) or VmHWM (the most since `forget_peak`)."""
    lines = Path(f"/proc/{gateway.process.pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def forget_peak(gateway: Gateway) -> int:
    """Let the kernel measure the peak anew; returns what is used now."""
    Path(f"/proc/{gateway.process.pid}/clear_refs").write_text("5")
    return memory(gateway, "VmRSS")


def upload(
    port: int, secret: str, size: int, *, is_chunked: bool
) -> tuple[int, dict[str, Any], int]:
    """POST `size` bytes; the status, the answer's document, and how many bytes could be sent."""
    framing = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {size}"
    head = (
        f"POST /pub/up HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {secret}\r\n{framing}\r\n\r\n"
    )
    piece = b"%x\r\n%b\r\n" % (MIB, PIECE) if is_chunked else PIECE
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(head.encode())
            for _ in range(size // MIB):
                connection.sendall(piece)
                sent += MIB
            connection.sendall(b"0\r\n\r\n" if is_chunked else b"")
        with connection.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            fields = dict(line.split(b": ", 1) for line in iter(stream.readline, b"\r\n"))
            return status, json.loads(stream.read(int(fields[b"Content-Length"]))), sent


@pytest.mark.parametrize(
    ("size", "is_chunked"),
    [(100 * MIB, False), (100 * MIB, True), (1024 * MIB, False)],
    ids=["100-mib", "100-mib-chunked", "1-gib"],
)
def test_uploads_are_not_held(
    new_site: NewSite, big_origin: BigOrigin, size: int, is_chunked: bool
) -> None:
    """A body passes through in the memory of a few pieces of it."""
    gateway, secret = started(new_site, big_origin)
    before = forget_peak(gateway)

    status, document, _ = upload(gateway.port, secret, size, is_chunked=is_chunked)

    assert (status, document["taken"]) == (200, size)
    assert memory(gateway, "VmHWM") - before < 16 * MIB


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
def test_uploads_that_are_too_large(
    new_site: NewSite, big_origin: BigOrigin, is_chunked: bool
) -> None:
    """Beyond the bound nothing more reaches the upstream or the memory, and the caller is told."""
    gateway, secret = started(new_site, big_origin, max_body="8MiB")
    before, taken_before = forget_peak(gateway), big_origin.taken

    status, document, _ = upload(gateway.port, secret, 100 * MIB, is_chunked=is_chunked)

    assert (status, document["code"]) == (413, "body_too_large")
    assert big_origin.taken - taken_before <= 8 * MIB
    assert memory(gateway, "VmHWM") - before < 16 * MIB


def test_uploads_that_say_they_are_too_large(new_site: NewSite, big_origin: BigOrigin) -> None:
    """A length beyond the bound is refused without waiting for one byte of the body."""
    gateway, secret = started(new_site, big_origin, max_body="8MiB")
    head = f"POST /pub/up HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {secret}\r\n"

    with socket.create_connection(("127.0.0.1", gateway.port), timeout=5) as connection:
        connection.sendall(f"{head}Content-Length: {100 * MIB}\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_large_bodies_are_judged_as_small_ones(new_site: NewSite, big_origin: BigOrigin) -> None:
    """The credential and the scope of a large upload are checked before its body is asked for."""
    gateway, secret = started(new_site, big_origin)
    taken_before = big_origin.taken

    status, document, _ = upload(gateway.port, secret[:-1] + "-", 20 * MIB, is_chunked=False)

    assert (status, document["code"]) == (401, "malformed_key")
    assert big_origin.taken == taken_before


class HeldBack:
    """True once nothing was given for a while."""

    def __init__(self, origin: BigOrigin) -> None:
        self._origin = origin
        self._given, self._since = -1, 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if self._origin.given != self._given:
            self._given, self._since = self._origin.given, now
        return now - self._since > 0.3


def test_slow_readers_hold_the_upstream_back(new_site: NewSite, big_origin: BigOrigin) -> None:
    """200 callers that do not read a 100 MiB answer cost buffers of bounded size, and others are served."""
    readers, size = 200, 100 * MIB
    gateway, secret = started(new_site, big_origin)
    head = f"GET /pub/big/{size} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {secret}\r\n\r\n"
    before = forget_peak(gateway)

    with contextlib.ExitStack() as stack:
        for _ in range(readers):
            reader = stack.enter_context(socket.socket())
            # Little is to wait in the kernel, much would in a gateway that did not hold back.
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
            reader.settimeout(PATIENCE_SECONDS)
            reader.connect(("127.0.0.1", gateway.port))
            reader.sendall(head.encode())
            assert reader.recv(12) == b"HTTP/1.1 200"
        eventually(HeldBack(big_origin), "the upstream to be held back")
        served = gateway.ask("GET", "/pub/big/10", secret)
        used = memory(gateway, "VmHWM") - before

    assert big_origin.given < readers * size / 4
    # Two pieces as large as the event loop receives at once, a quarter MiB, and the connections themselves.
    assert used < readers * 640 * 1024
    assert (served.status, served.body) == (200, b"x" * 10)


def test_without_assertions(new_site: NewSite) -> None:
    """`python -O` drops assertions, and no check with them."""
    stage = BatteryStage(new_site(), PYTHONOPTIMIZE="1")
    cases = [
        "B01",
        "B03",
        "A01",
        "A02",
        "A05",
        "S01",
        "S03",
        "S07",
        "T01",
        "T04",
        "C01",
        "C04",
        "M01",
        "M03",
        "M09",
        "M19",
        "P03",
        "P11",
        "H01",
        "R13",
    ]

    verdicts = {case_id: stage.run(case_id)["verdict"] for case_id in cases}

    assert verdicts == dict.fromkeys(cases, "PASS")


FILES_MAX = 200


def test_too_many_connections_harm_only_those_above(
    new_site: NewSite, big_origin: BigOrigin
) -> None:
    """Out of file descriptors the gateway neither spins nor dies, and serves again once some are free (Q01, F23)."""
    gateway, secret = started(new_site, big_origin)
    pid = gateway.process.pid
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (FILES_MAX, FILES_MAX))
    with contextlib.ExitStack() as crowd:
        for _ in range(2 * FILES_MAX):
            idle = crowd.enter_context(socket.socket())
            idle.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                idle.connect(("127.0.0.1", gateway.port))
        eventually(lambda: open_files(pid) >= FILES_MAX, "all files to be in use")
        began, used = time.monotonic(), cpu_seconds(pid)
        eventually(lambda: time.monotonic() - began > 1.0, "a second to pass")
        share = (cpu_seconds(pid) - used) / (time.monotonic() - began)

    eventually(lambda: open_files(pid) < FILES_MAX, "files to be free again")
    assert gateway.ask("POST", "/pub/again", secret, body=b"x").status == 200
    # One that spins uses all of a core.
    assert share < 0.4


def open_files(pid: int) -> int:
    """How many file descriptors a process has."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

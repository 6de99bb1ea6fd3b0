"""An upstream for bodies too big to keep: takes any upload, answers GET /pub/big/N with N bytes."""

__all__ = ["BigOrigin"]

import contextlib
import json
import re
import socket
import socketserver
import threading
from io import BufferedReader
from typing import Self

_PIECE = b"x" * 262_144


class BigOrigin:
    """Runs in threads of this process. `taken` and `given` count bytes of bodies."""

    def __init__(self) -> None:
        """Listens at once."""
        self.taken = 0
        self.given = 0
        self._open: set[socket.socket] = set()
        origin = self

        class Serve(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                origin._serve(self.request)

        self._server = socketserver.ThreadingTCPServer(
            ("127.0.0.1", 0), Serve, bind_and_activate=False
        )
        self._server.daemon_threads = True
        self._server.request_queue_size = 512
        self._server.server_bind()
        self._server.server_activate()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.server_close()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        with contextlib.suppress(OSError), connection.makefile("rb") as stream:
            while (line := stream.readline()) and self._answer(connection, line, stream):
                pass
        self._open.discard(connection)

    def _answer(self, connection: socket.socket, line: bytes, stream: BufferedReader) -> bool:
        fields = {}
        while field := stream.readline().strip():
            name, _, value = field.partition(b":")
            fields[name.lower()] = value.strip()
        if (wanted := re.match(rb"GET /pub/big/(\d+) ", line)) is not None:
            return self._give(connection, int(wanted[1]))
        taken = self._take(fields, stream)
        body = json.dumps({"taken": taken}).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return True

    def _give(self, connection: socket.socket, size: int) -> bool:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while size > 0:
            sent = connection.send(_PIECE[:size])
            size -= sent
            self.given += sent
        return True

    def _take(self, fields: dict[bytes, bytes], stream: BufferedReader) -> int:
        if fields.get(b"transfer-encoding") != b"chunked":
            return self._skip(stream, int(fields.get(b"content-length", b"0")))
        taken = 0
        # Without a line: the gateway has given the upload up.
        while (size := int(stream.readline() or b"0", 16)) > 0:
            taken += self._skip(stream, size)
            stream.readline()
        stream.readline()
        return taken

    def _skip(self, stream: BufferedReader, size: int) -> int:
        left = size
        while left > 0:
            data = stream.read(min(left, 1 << 20))
            if not data:
                raise ConnectionError
            left -= len(data)
            self.taken += len(data)
        return size

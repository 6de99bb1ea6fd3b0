"""How answers look on the wire. The only module that writes error bodies."""

__all__ = ["CONTINUE", "FieldLines", "head", "problem_answer", "status_line"]

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TypeAlias

from gateway.core.headers import field_lines
from gateway.core.problem import Problem

FieldLines: TypeAlias = bytes

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@lru_cache(maxsize=1024)
def status_line(status: int) -> bytes:
    """The first line. Reason phrases are ours: an upstream's could hold anything, and nobody may rely on one."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


def head(status: int, fields: FieldLines, framing: FieldLines) -> bytes:
    """A whole head; `framing` is what this connection needs: Connection, Transfer-Encoding."""
    return b"".join((status_line(status), fields, framing, b"\r\n"))


def problem_answer(
    problem: Problem, *, epoch_now: float, framing: FieldLines, has_body: bool = True
) -> bytes:
    """A whole answer of our own."""
    fields = [(name.encode(), value.encode()) for name, value in problem.headers]
    fields.append((b"Date", _date(int(epoch_now))))
    answer = head(problem.status, field_lines(fields), framing)
    return answer + problem.body if has_body else answer


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()

"""A client of the admin API: `Client` for programs that wait, `AsyncClient` for those that await."""

__all__ = [
    "UNSET",
    "ApiError",
    "AsyncClient",
    "Client",
    "ClientError",
    "FieldError",
    "Patience",
    "StreamEnded",
    "Unreachable",
    "export_requests",
    "tail_requests",
]

from admin.client.awaited import AsyncClient
from admin.client.faults import ApiError, ClientError, FieldError, Unreachable
from admin.client.patience import Patience
from admin.client.streams import StreamEnded, export_requests, tail_requests
from admin.client.waited import Client
from admin.wire.words import UNSET

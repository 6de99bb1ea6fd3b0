"""Server-sent events (HTML Standard §9.2), as a tail writes them."""

__all__ = ["FOLLOWING", "ended", "event", "heartbeat"]

import json
from typing import Final

from pydantic import BaseModel

# How soon a browser comes back, in milliseconds; what follows belongs to it.
FOLLOWING: Final = b"retry: 1000\n"


def event(position: int, document: BaseModel) -> bytes:
    """A document; `position` comes back as Last-Event-ID."""
    return f"id: {position}\nevent: request\ndata: {document.model_dump_json()}\n\n".encode()


def heartbeat(position: int) -> bytes:
    """Nothing has come, up to here: the connection lives, and whoever comes back need not look before."""
    return f": nothing new\nid: {position}\n\n".encode()


def ended(reason: str) -> bytes:
    """The last event: why it ends."""
    return f"event: end\ndata: {json.dumps({'reason': reason})}\n\n".encode()

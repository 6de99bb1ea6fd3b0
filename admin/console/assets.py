"""Style sheets, scripts and pictures: a fixed table, read once, under names that change with their content."""

__all__ = ["Asset", "Assets"]

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import PurePosixPath
from typing import NamedTuple

_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """One file as it is served."""

    path: str
    media_type: str
    body: bytes


class Assets:
    """All files of `admin/console/static`; a path from outside is looked up in the table, and in no folder."""

    def __init__(self) -> None:
        """Read them."""
        self._by_name: dict[str, Asset] = {}
        for file in sorted(files("admin.console").joinpath("static").iterdir(), key=str):
            name = PurePosixPath(file.name)
            if name.suffix in _TYPES:
                body = file.read_bytes()
                digest = hashlib.sha256(body).hexdigest()[:12]
                path = f"/static/{name.stem}.{digest}{name.suffix}"
                self._by_name[file.name] = Asset(path, _TYPES[name.suffix], body)
        self._by_path = {asset.path: asset for asset in self._by_name.values()}

    def path(self, name: str) -> str:
        """Under which path a file is served. Raises KeyError."""
        return self._by_name[name].path

    def served(self, path: str) -> Asset | None:
        """What is served under this path, or None."""
        return self._by_path.get(path)

"""Where the peppers of the digests come from: the environment, or a file that the first start makes.

SQL's hashes hold no pepper. To lose it costs every key one fresh look-up, and no key; but an imported
value is found by its digest alone, and has to be imported again.
"""

__all__ = ["FILE_NAME", "load"]

import contextlib
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from gateway.core.credential import Pepper, Peppers
from gateway.core.errors import Misuse

FILE_NAME = "pepper.json"

_VALUE_BYTES = 32
_TEXT_LENGTH_MIN = 32
_ID_LENGTH = 8
_OWNER_ONLY = 0o600
_OWNER_ONLY_FOLDER = 0o700
_FOR_OTHERS = 0o077
_FILE_BYTES_MAX = 65_536


def load(data_dir: Path, from_env: str | None) -> Peppers:
    """The peppers in `from_env` if given, else those in `data_dir`, where one is made if there is none.

    `from_env` is one text of at least 32 characters, or several with commas between them: the first is
    for new digests, the others are older ones. Processes that start together end up with the same
    pepper. Raises Misuse, which quotes no pepper, saying what to do.
    """
    if from_env is not None:
        return _from_text(from_env)
    path = data_dir / FILE_NAME
    with _saying_what_to_do(path):
        return _read(path) or _make(path)


def _from_text(text: str) -> Peppers:
    values = [part.strip().encode() for part in text.split(",")]
    if any(len(value) < _TEXT_LENGTH_MIN for value in values):
        raise Misuse(
            f"keys.pepper: each pepper needs at least {_TEXT_LENGTH_MIN} characters; "
            "`openssl rand -hex 32` makes one."
        )
    # The id only has to tell peppers apart, in every process alike; it gives nothing away.
    first, *rest = (Pepper(hashlib.sha256(b"id:" + v).hexdigest()[:_ID_LENGTH], v) for v in values)
    return Peppers(first, tuple(rest))


@contextlib.contextmanager
def _saying_what_to_do(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise Misuse(
            f"{path}: {reason}. Keywright keeps its pepper there: make the folder one that this "
            "user may write, set data_dir to another, or hand the pepper over as keys.pepper."
        ) from None


def _read(path: Path) -> Peppers | None:
    """What the file holds; None if there is no file."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        # Asked of the open file, so that nobody can swap it in between.
        mode = os.fstat(file.fileno()).st_mode
        text = file.read(_FILE_BYTES_MAX) if stat.S_ISREG(mode) else b""
    if mode & _FOR_OTHERS:
        raise Misuse(
            f"{path}: other users of this machine may read the pepper. "
            f"Run `chmod 600 {path}`; if they are not to be trusted, remove the file instead: "
            "the next start makes a new one, and no key is lost but imported ones."
        )
    peppers = _parsed(text)
    if peppers is None:
        raise Misuse(
            f"{path}: not a pepper file, or a damaged one. Restore it, or remove it: "
            "the next start makes a new one, and no key is lost but imported ones."
        )
    return peppers


def _parsed(text: bytes) -> Peppers | None:
    """None for anything that is not such a file; what was wrong with it could quote a pepper."""
    try:
        document = json.loads(text)
        found = {str(entry["id"]): bytes.fromhex(entry["value"]) for entry in document["peppers"]}
        current_id = str(document["current"])
        current = Pepper(current_id, found.pop(current_id))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    peppers = Peppers(current, tuple(Pepper(*entry) for entry in found.items()))
    is_sound = all(len(one.value) >= _VALUE_BYTES for one in (peppers.current, *peppers.older))
    return peppers if is_sound else None


def _make(path: Path) -> Peppers:
    """Write a new pepper, unless another process was faster; the file's pepper either way."""
    path.parent.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
    pepper_id = secrets.token_hex(_ID_LENGTH // 2)
    entry = {"id": pepper_id, "value": secrets.token_hex(_VALUE_BYTES)}
    text = json.dumps({"current": pepper_id, "peppers": [entry]}, indent=2)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(draft, text.encode())
        # A link, unlike a rename, never replaces what stands there: the first one wins, for all.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    peppers = _read(path)
    if peppers is None:
        raise Misuse(f"{path}: removed while Keywright started. Start it again.")
    return peppers


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)

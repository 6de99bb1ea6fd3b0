"""How one value is written in the file: durations, sizes, names, methods, URLs, networks.

Each reader raises ValueError with one plain sentence that says what would be right; it never
repeats a value that could hold a password.
"""

__all__ = [
    "Count",
    "Duration",
    "ExtraMethod",
    "Flag",
    "Folder",
    "HeaderName",
    "HostName",
    "Method",
    "Name",
    "NameOrStar",
    "Network",
    "PathPattern",
    "Port",
    "Realm",
    "RedisUrl",
    "ScopeName",
    "Size",
    "SqlUrl",
    "TargetUrl",
    "VendorPrefix",
    "WebUrl",
    "WholeNumber",
    "redis_schemes",
    "sql_schemes",
]

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, SecretStr, Strict
from pydantic_core import CoreSchema, core_schema

from gateway.core.keys import KeyType
from gateway.core.limits import QUOTA_MAX
from gateway.core.routes import parse_pattern
from gateway.core.token import is_vendor

# Longer texts are not repeated in a message.
_SHOWN_MAX = 40
_REALM_MAX = 64
_SECONDS_PER = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES_PER = {"": 1, "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?(ms|s|m|h|d)")
_SIZE = re.compile(r"([0-9]{1,15}) ?(B|KiB|MiB|GiB)?")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_SCOPE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,62}")
# RFC 9110 §11.2 has the realm as a quoted string; without these two it needs no escapes.
_NOT_REALM = re.compile(r'["\\]|[^ -~]')
_METHOD = re.compile(r"[A-Z][A-Z-]{0,31}")
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,62}")
_HEADERS_OF_OURS = (
    "x-keywright-",
    "x-forwarded-",
    "authorization",
    "connection",
    "content-",
    "cookie",
    "expect",
    "host",
    "origin",
    "transfer-encoding",
    "x-request-id",
)
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]")

redis_schemes = ("redis", "rediss", "unix", "sentinel", "redis+cluster")
# The driver is ours to choose, so the short forms that people have at hand mean the same.
sql_schemes = {
    "postgresql+asyncpg": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "sqlite": "sqlite+aiosqlite",
}


@dataclass(frozen=True, slots=True)
class Duration:
    """A number with its unit, `50ms`, `60s`, `10m`, `2h`, `1d`, read as seconds between two bounds."""

    least: str
    most: str
    is_whole: bool = False

    def read(self, value: object) -> float:
        """The seconds that `value` names. Raises ValueError."""
        seconds = _seconds(value)
        if not _seconds(self.least) <= seconds <= _seconds(self.most):
            raise ValueError(f"{value} is out of range; write {self.least} to {self.most}")
        if self.is_whole and seconds != int(seconds):
            raise ValueError(f"must be whole seconds, not {value}")
        return int(seconds) if self.is_whole else seconds

    def __get_pydantic_core_schema__(
        self, _source: type, _next: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate by `read` alone."""
        return core_schema.no_info_plain_validator_function(self.read)


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes: a whole number, or one with its unit, `64KiB`, `10MiB`, `1GiB`, between two bounds."""

    least: str
    most: str

    def read(self, value: object) -> int:
        """The bytes that `value` names. Raises ValueError."""
        size = _bytes(value)
        if not _bytes(self.least) <= size <= _bytes(self.most):
            raise ValueError(f"{value} is out of range; write {self.least} to {self.most}")
        return size

    def __get_pydantic_core_schema__(
        self, _source: type, _next: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate by `read` alone."""
        return core_schema.no_info_plain_validator_function(self.read)


def _seconds(value: object) -> float:
    found = _DURATION.fullmatch(str(value))
    if found is None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        advice = f'; did you mean "{value}s"?' if is_number else ""
        raise ValueError(
            f"must be a duration: a number with its unit (ms, s, m, h, d), not {_shown(value)}{advice}"
        )
    return round(float(found[1]) * _SECONDS_PER[found[2]], 3)


def _bytes(value: object) -> int:
    found = None if isinstance(value, bool) else _SIZE.fullmatch(str(value))
    if found is None:
        decimal = re.fullmatch(r"([0-9]+) ?([kKMG])B?", str(value))
        advice = f'; did you mean "{decimal[1]}{decimal[2].upper()}iB"?' if decimal else ""
        raise ValueError(
            f'must be a size: a whole number of bytes, or one with its unit (KiB, MiB, GiB) like "64KiB",'
            f" not {_shown(value)}{advice}"
        )
    return int(found[1]) * _BYTES_PER[found[2] or ""]


def _shown(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "this"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= _SHOWN_MAX else "this text"
    return str(value)


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError(
            f"{_shown(text)} is not a name; use letters, digits, '-', '_' and '.', beginning with a letter or digit,"
            " at most 63"
        )
    return text


def _scope_name(text: str) -> str:
    if _SCOPE_NAME.fullmatch(text) is None:
        raise ValueError(
            f"{_shown(text)} is not a scope name; use letters, digits and - _ . : /,"
            " beginning with a letter or digit, at most 63"
        )
    return text


def _vendor_prefix(text: str) -> str:
    if text and (not is_vendor(text) or text in set(KeyType)):
        raise ValueError(
            f"{_shown(text)} cannot be a prefix; use 1 to 16 lower-case letters and digits, beginning with a letter,"
            f" and none of {', '.join(KeyType)}"
        )
    return text


def _name_or_star(text: str) -> str:
    return text if text == "*" else _name(text)


def _header_name(text: str) -> str:
    if _HEADER.fullmatch(text) is None or text.lower().startswith(_HEADERS_OF_OURS):
        raise ValueError(
            f"{_shown(text)} cannot carry a key; write a header name of letters, digits and dashes,"
            ' such as "X-API-Key", that HTTP and the gateway do not use otherwise'
        )
    return text


def _host_name(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        pass
    if ":" in text or _HOST.fullmatch(text) is None:
        raise ValueError(
            f'{_shown(text)} is not an address to listen on; write one like "127.0.0.1", "::1" or "0.0.0.0"'
            " (the port has a field of its own)"
        )
    return text


def _realm(text: str) -> str:
    if not 0 < len(text) <= _REALM_MAX or _NOT_REALM.search(text):
        raise ValueError(
            f"must be 1 to {_REALM_MAX} ASCII characters, without double quotes and backslashes"
        )
    return text


def _path_pattern(text: str) -> str:
    parse_pattern(text)
    return text


def _folder(text: str) -> Path:
    if not text or "\x00" in text:
        raise ValueError('must be the path of a folder, like "./var"')
    return Path(text)


def _extra_method(text: str) -> str:
    if text in {"*", "CONNECT", "TRACE"}:
        raise ValueError(
            f'"{text}" cannot be served; name single methods, and neither CONNECT nor TRACE'
        )
    return _method(text)


def _method(text: str) -> str:
    if text == "*" or _METHOD.fullmatch(text):
        return text
    if _METHOD.fullmatch(text.upper()):
        raise ValueError(f'methods are written in capitals; did you mean "{text.upper()}"?')
    raise ValueError(f"{_shown(text)} is not an HTTP method")


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        wide = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f'{_shown(text)} is not an address or network; write one like "10.0.0.0/8" or "2001:db8::/32"'
        ) from None
    raise ValueError(f'{_shown(text)} has bits set beyond its prefix; did you mean "{wide}"?')


def _split(text: str) -> SplitResult:
    """The parts of a URL. The value is never repeated: a URL may hold a password."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "is not a URL: its host or its port cannot be read (the port is 0 to 65535)"
        ) from None
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(
            "is not a URL: it holds a space, a control character or a non-ASCII letter"
        )
    return parts


def _target_url(text: str) -> str:
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError('must be a URL like "http://127.0.0.1:9001" or "https://api.internal"')
    if "@" in parts.netloc:
        raise ValueError(
            "must not hold a user or password; what the upstream needs is sent by the caller"
        )
    if parts.path not in {"", "/"} or parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError(
            "must end after the host and port: the path is forwarded exactly as it was asked for"
        )
    if _HOST.fullmatch(parts.netloc.removesuffix(f":{parts.port}")) is None or parts.port == 0:
        raise ValueError('must be a URL like "http://127.0.0.1:9001" or "https://api.internal"')
    return f"{parts.scheme}://{parts.netloc}"


def _web_url(text: str) -> str:
    parts = _split(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError('must be a web address like "https://docs.example.com/api"')
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password: callers are shown this address")
    return text.rstrip("/")


def _secret_url(read: Callable[[str], str]) -> Callable[[SecretStr], SecretStr]:
    return lambda secret: SecretStr(read(secret.get_secret_value()))


def _redis_url(text: str) -> str:
    parts = _split_store(text, redis_schemes)
    if parts.scheme == "unix" and not parts.path.strip("/"):
        raise ValueError("names no socket; write unix:///path/to/the.sock")
    if parts.scheme == "sentinel" and not parts.path.strip("/"):
        raise ValueError("names no service; write sentinel://host:port,host:port/service/0")
    if parts.scheme != "unix" and not parts.netloc:
        raise ValueError(f'names no host; write "{parts.scheme}://host:port/…"')
    return text


def _sql_url(text: str) -> str:
    parts = _split_store(text, tuple(sql_schemes))
    driver = sql_schemes[parts.scheme]
    if driver.startswith("sqlite") and (parts.netloc or len(parts.path) < len("/x")):
        raise ValueError(
            "names no file; write sqlite:///relative/path.db or sqlite:////absolute/path.db"
        )
    if driver.startswith("postgresql") and len(parts.path) < len("/x"):
        raise ValueError("names no database; write postgresql://user:password@host:5432/database")
    return driver + text[len(parts.scheme) :]


def _split_store(text: str, schemes: tuple[str, ...]) -> SplitResult:
    scheme = text.partition(":")[0].lower()
    if "://" not in text or scheme not in schemes:
        raise ValueError(
            f"must be a URL that begins with {', '.join(f'{name}://' for name in schemes[:-1])}"
            f" or {schemes[-1]}://"
        )
    if "," in text:
        # Sentinel and Cluster URLs name several hosts, which no URL parser takes for a host with a port.
        first = text.partition("://")[2].partition("/")
        return SplitResult(scheme, first[0], "/" + first[2], "", "")
    try:
        return _split(text)._replace(scheme=scheme)
    except ValueError as exc:
        raise ValueError(
            f"{exc}; in a password, signs like / # @ are written %2F %23 %40"
        ) from None


Flag = Annotated[bool, Strict()]
WholeNumber = Annotated[int, Strict()]
Count = Annotated[int, Strict(), Field(ge=1, le=QUOTA_MAX)]
Port = Annotated[int, Strict(), Field(ge=0, le=65535)]
Name = Annotated[str, AfterValidator(_name)]
ScopeName = Annotated[str, AfterValidator(_scope_name)]
VendorPrefix = Annotated[str, AfterValidator(_vendor_prefix)]
NameOrStar = Annotated[str, AfterValidator(_name_or_star)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HostName = Annotated[str, AfterValidator(_host_name)]
Realm = Annotated[str, AfterValidator(_realm)]
PathPattern = Annotated[str, AfterValidator(_path_pattern)]
Method = Annotated[str, AfterValidator(_method)]
ExtraMethod = Annotated[str, AfterValidator(_extra_method)]
Network = Annotated[str, AfterValidator(_network)]
TargetUrl = Annotated[str, AfterValidator(_target_url)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
RedisUrl = Annotated[SecretStr, AfterValidator(_secret_url(_redis_url))]
SqlUrl = Annotated[SecretStr, AfterValidator(_secret_url(_sql_url))]


def _folder_or_same(value: object) -> object:
    return _folder(value) if isinstance(value, str) else value


Folder = Annotated[Path, BeforeValidator(_folder_or_same)]

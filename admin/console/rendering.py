"""Templates to pages: everything is escaped, and a name that does not exist is a fault, not an empty place."""

__all__ = ["Renderer"]

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from admin.console.assets import Assets
from admin.console.charts import bar_of
from admin.console.figures import latency, length

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# Above each of these, the next unit is used.
_UNITS = ((_MINUTE, 1, "second"), (_HOUR, _MINUTE, "minute"), (_DAY, _HOUR, "hour"))


class Renderer:
    """Fills templates. `assets` is where a template's `asset('console.css')` points to."""

    def __init__(self, assets: Assets) -> None:
        """Nothing is read yet; a template is compiled when it is used first."""
        self._templates = Environment(
            loader=PackageLoader("admin.console", "templates"),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals |= {"asset": assets.path, "bar_of": bar_of}
        self._templates.filters |= {
            "when": _when,
            "day": _day,
            "thousands": _thousands,
            "bytes": _bytes,
            "latency": latency,
            "length_of": length,
            "plain": _plain,
            "seconds_of": _seconds_of,
        }

    def page(self, template: str, context: Mapping[str, Any]) -> str:
        """The page. Raises jinja2's errors, which are mistakes of ours."""
        return self._templates.get_template(template).render(context, ago=_ago)


def _moment(value: datetime | float) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime.fromtimestamp(value, UTC)


def _when(value: datetime | float | None, none: str = "never") -> str:
    """A moment in UTC, which a script turns into the reader's own time."""
    if value is None:
        return none
    moment = _moment(value)
    shown = f"{moment:%Y-%m-%d %H:%M} UTC"
    return Markup('<time datetime="{}" data-local>{}</time>').format(
        f"{moment:%Y-%m-%dT%H:%M:%SZ}", shown
    )


def _day(value: datetime | float | None, none: str = "never") -> str:
    if value is None:
        return none
    moment = _moment(value)
    return Markup('<time datetime="{0}">{0}</time>').format(f"{moment:%Y-%m-%d}")


def _ago(value: datetime | float | None, now: float, none: str = "never") -> str:
    """How long ago that was, or how long it will be, with the moment beside it for who wants to know."""
    if value is None:
        return none
    moment = _moment(value)
    seconds = now - moment.timestamp()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        f"{moment:%Y-%m-%dT%H:%M:%SZ}", f"{moment:%Y-%m-%d %H:%M:%S} UTC", _distance(seconds)
    )


def _distance(seconds: float) -> str:
    length = abs(seconds)
    if length < 1:
        return "now"
    each, unit = next(
        ((each, unit) for below, each, unit in _UNITS if length < below), (_DAY, "day")
    )
    count = int(length // each)
    words = f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


def _plain(value: object) -> str:
    """A value of the audit log, as somebody reads it."""
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    return str(value)


def _seconds_of(value: float) -> str:
    return latency(value * 1000)


def _thousands(value: float) -> str:
    return f"{value:,}".replace(",", "\u202f")


def _bytes(value: float) -> str:
    size = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 -- what the units mean
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"

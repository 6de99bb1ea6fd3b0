"""The gateway does not run on a parser with known holes."""

import aiohttp.http_parser
import pytest

from gateway.core.errors import Misuse
from gateway.http.parser import require_c_parser


def test_this_installation_will_do() -> None:
    """What the constraints install has the C parser and is new enough."""
    require_c_parser()


@pytest.mark.parametrize("version", ["3.14.3", "3.9.5", "2.0"])
def test_old_aiohttp_is_refused(version: str) -> None:
    """A version with known holes stops the start, and the message names it."""
    with pytest.raises(Misuse, match=version):
        require_c_parser(version)


def test_pure_python_parser_is_refused() -> None:
    """The stand-in that reads some requests differently stops the start."""
    with pytest.raises(Misuse, match="AIOHTTP_NO_EXTENSIONS"):
        require_c_parser(parser=aiohttp.http_parser.HttpRequestParserPy)

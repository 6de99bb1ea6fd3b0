"""The first call with a key, ready to be pasted, in several languages.

Pure. Whatever stands in the endpoint or the key is written so that each language reads back the very same;
a key that no header can carry is refused.
"""

__all__ = ["Call", "Snippet", "dotenv", "masked", "snippets"]

import json
import shlex
from dataclasses import dataclass, field
from typing import Final

_FIRST_VISIBLE: Final = 0x20
_LAST_VISIBLE: Final = 0x7E
_BASIC_PLANE_MAX: Final = 0xFFFF
_SHOWN: Final = 4

_PYTHON: Final = """\
import urllib.request

request = urllib.request.Request({url}, headers={{"Authorization": "Bearer " + {key}}})
with urllib.request.urlopen(request) as answer:
    print(answer.status, answer.read().decode())
"""
_JAVASCRIPT: Final = """\
const answer = await fetch({url}, {{
  headers: {{ Authorization: "Bearer " + {key} }},
}});
console.log(answer.status, await answer.text());
"""
_GO: Final = """\
package main

import (
	"fmt"
	"io"
	"net/http"
)

func main() {{
	request, err := http.NewRequest("GET", {url}, nil)
	if err != nil {{
		panic(err)
	}}
	request.Header.Set("Authorization", "Bearer "+{key})
	answer, err := http.DefaultClient.Do(request)
	if err != nil {{
		panic(err)
	}}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {{
		panic(err)
	}}
	fmt.Println(answer.StatusCode, string(body))
}}
"""


@dataclass(frozen=True, slots=True)
class Call:
    """A GET of `url` with `key`. Raises ValueError for a key that no header can carry."""

    url: str
    key: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what would be another header, or none."""
        if not all(_FIRST_VISIBLE <= ord(letter) <= _LAST_VISIBLE for letter in self.key):
            raise ValueError("a key in a header is visible ASCII")


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way to make the call. `name` is that of a file that holds it."""

    id: str
    title: str
    name: str
    text: str = field(repr=False)


def snippets(call: Call) -> tuple[Snippet, ...]:
    """The call in each language, as text that runs as it stands."""
    return (
        Snippet("curl", "curl", "call.sh", _curl(call)),
        Snippet("python", "Python", "call.py", _filled(_PYTHON, ascii(call.url), ascii(call.key))),
        Snippet(
            "javascript",
            "JavaScript",
            "call.mjs",
            _filled(_JAVASCRIPT, json.dumps(call.url), json.dumps(call.key)),
        ),
        Snippet("go", "Go", "call.go", _filled(_GO, _go(call.url), _go(call.key))),
        Snippet("postman", "Postman", "keywright.postman_collection.json", _postman(call)),
    )


def dotenv(call_url: str, key: str, api_key: str, api_secret: str) -> str:
    """The lines of a .env file, as shells and the libraries that read such files understand them."""
    lines = {
        "API_ENDPOINT": call_url,
        "API_TOKEN": key,
        "API_KEY": api_key,
        "API_SECRET": api_secret,
    }
    return "".join(f"{name}={_env(value)}\n" for name, value in lines.items())


def masked(key: str) -> str:
    """As much of a secret as may stand on a screen that others see."""
    kept = key.rfind("_") + 1 + _SHOWN
    return f"{key[:kept]}{'•' * 12}" if len(key) > 2 * kept else "•" * 12


def _curl(call: Call) -> str:
    return (
        f"curl -i {shlex.quote(call.url)} \\\n"
        f"  -H {shlex.quote(f'Authorization: Bearer {call.key}')}\n"
    )


def _filled(template: str, url: str, key: str) -> str:
    return template.format(url=url, key=key)


def _go(text: str) -> str:
    """An interpreted string; beyond the basic plane Go wants eight digits where JSON has a surrogate pair."""
    letters = [
        f"\\U{ord(letter):08x}" if ord(letter) > _BASIC_PLANE_MAX else json.dumps(letter)[1:-1]
        for letter in text
    ]
    return f'"{"".join(letters)}"'


def _env(value: str) -> str:
    if "'" not in value:
        return f"'{value}'"
    for letter in ("\\", '"', "$", "`"):
        value = value.replace(letter, f"\\{letter}")
    return f'"{value}"'


def _postman(call: Call) -> str:
    collection = {
        "info": {
            "name": "API",
            "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
        },
        "auth": {
            "type": "bearer",
            "bearer": [{"key": "token", "value": "{{api_token}}", "type": "string"}],
        },
        "variable": [{"key": "api_token", "value": call.key}],
        "item": [{"name": "First call", "request": {"method": "GET", "url": call.url}}],
    }
    return json.dumps(collection, indent=2) + "\n"

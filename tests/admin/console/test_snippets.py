"""The first call with a key: each snippet is really run, or read by the language it is written in."""

import ast
import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from admin.console.snippets import Call, Snippet, dotenv, masked, snippets

# All that ends a string somewhere.
ODD_KEY = """sk_live_'"`$HOME\\n!{x}%s #;&|<>~"""
ODD_PATH = "/v1/it's/$HOME/a%20b?q=`x`&w=%s"
PLAIN_KEY = "sk_live_9aB30000000000000000000000000000000000000000000000"
PROGRAMS = {
    "curl": ["sh"],
    "python": [sys.executable, "-W", "error"],
    "javascript": ["node"],
    "go": ["go", "run"],
}
# A machine need not have every language; those it has are run.
LANGUAGES = [name for name, (program, *_) in PROGRAMS.items() if shutil.which(program)]
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)


@contextlib.asynccontextmanager
async def listening(heard: list[tuple[str, str]]) -> AsyncIterator[str]:
    """The URL of a server that notes each call's target and Authorization."""

    async def note(request: web.Request) -> web.Response:
        heard.append((request.raw_path, request.headers.get("Authorization", "")))
        return web.Response(text="it works")

    app = web.Application()
    app.router.add_get("/{rest:.*}", note)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def snippet(call: Call, wanted: str) -> Snippet:
    """The one with that id."""
    [found] = [one for one in snippets(call) if one.id == wanted]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("key", "path"),
    [
        pytest.param(PLAIN_KEY, "/v1/dns/zones", id="plain"),
        pytest.param(ODD_KEY, ODD_PATH, id="odd"),
    ],
)
async def test_a_snippet_makes_the_call_as_it_stands(
    language: str, key: str, path: str, tmp_path: Path
) -> None:
    """What is pasted works, whatever stands in the key and the endpoint."""
    heard: list[tuple[str, str]] = []
    async with listening(heard) as url:
        made = snippet(Call(url + path, key), language)
        file = tmp_path / made.name
        file.write_text(made.text)
        process = await asyncio.create_subprocess_exec(
            *PROGRAMS[language], str(file), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        async with asyncio.timeout(60):
            said, _ = await process.communicate()

    assert process.returncode == 0, said.decode()
    assert b"200" in said
    assert b"it works" in said
    assert [words for _, words in heard] == [f"Bearer {key}"]
    assert heard[0][0].replace("'", "%27").replace("`", "%60") == path.replace("'", "%27").replace(
        "`", "%60"
    )


@given(PRINTABLE, st.text(max_size=40))
def test_python_and_postman_read_back_what_was_written(key: str, path: str) -> None:
    """No key and no endpoint breaks out of its string."""
    call = Call(f"https://api.example{path}", key)
    names: dict[str, object] = {}
    source = snippet(call, "python").text
    literals = compile(source, "call.py", "exec").co_consts
    names.update({str(one): one for one in literals if isinstance(one, str)})
    collection = json.loads(snippet(call, "postman").text)

    assert call.url in names
    assert collection["item"][0]["request"]["url"] == call.url
    assert collection["variable"][0]["value"] == key


@given(PRINTABLE, st.text(max_size=40))
def test_go_reads_back_what_was_written(key: str, path: str) -> None:
    """Each string of the program is one literal, of escapes that Go knows and Python reads alike."""
    call = Call(f"https://api.example{path}", key)
    text = snippet(call, "go").text
    literal = (
        r'"(?:[^"\\\n]|\\["\\bfnrt]|\\u(?!d[89a-f])[0-9a-f]{4}|\\U00(?:0[0-9a-f]|10)[0-9a-f]{4})*"'
    )
    wanted = re.search(rf'"GET", ({literal}), nil.*"Bearer "\+({literal})\)$', text, re.S | re.M)

    assert wanted is not None
    assert [ast.literal_eval(one) for one in wanted.groups()] == [call.url, key]


@pytest.mark.parametrize("key", ["sk\nX-Other: 1", "sk\r", "schlüssel", "\x00", "\x7f"])
def test_a_key_that_would_be_another_header_is_refused(key: str) -> None:
    """A snippet never sends more than the one header it shows."""
    with pytest.raises(ValueError, match="visible ASCII"):
        Call("https://api.example", key)


def test_no_secret_in_a_repr() -> None:
    """A trace that prints a snippet prints no key."""
    call = Call("https://api.example", PLAIN_KEY)

    assert PLAIN_KEY not in repr((call, snippets(call)))


@pytest.mark.parametrize("key", [PLAIN_KEY, ODD_KEY])
def test_a_shell_reads_the_env_file(key: str, tmp_path: Path) -> None:
    """What is downloaded can be sourced, and gives back the very key."""
    file = tmp_path / "keys.env"
    file.write_text(dotenv("https://api.example/v1/it's", key, "9aB3", "rest"))
    script = f'. {file}; printf \'%s\\n\' "$API_ENDPOINT" "$API_TOKEN" "$API_KEY" "$API_SECRET"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines() == ["https://api.example/v1/it's", key, "9aB3", "rest"]


def test_a_masked_key_shows_which_it_is_and_no_more() -> None:
    """Who looks over a shoulder sees four characters of fifty."""
    assert masked(PLAIN_KEY) == "sk_live_9aB3" + "•" * 12
    assert masked("short") == "•" * 12
